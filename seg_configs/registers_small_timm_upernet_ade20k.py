# The same baseline as registers_small_upernet_ade20k.py, by timm's implementation.
_base_ = "jumbo_upernet_ade20k.py"
model = dict(
    backbone=dict(
        _delete_=True,
        type="TimmViTBackbone",
        model_name="vit_small_patch16_224",
        img_size=512,
        reg_tokens=16,
        out_indices=(2, 5, 8, 11),
        drop_path_rate=0.1,
    ),
)
