# A small UPerNet for short training from random weights: half of pico's depth on patches of 8x8, crops of 128x128.
# Another preset changes width and heads, and neck and head follow it: model.backbone.arch.preset=tiny.
_base_ = "upernet.py"
D = 96
norm_cfg = dict(type="BN", requires_grad=True)
model = dict(
    data_preprocessor=dict(size=(128, 128)),
    backbone=dict(
        arch=dict(preset="pico", depth=6, jumbo_multiplier=4),
        img_size=128,
        patch_size=8,
        out_indices=(1, 2, 4, 5),
        drop_path_rate=0.0,
        init_cfg=dict(type="FromScratch"),
    ),
    neck=dict(embed_dim=D, rescales=[2, 1, 0.5, 0.25], norm_cfg=norm_cfg),
    decode_head=dict(in_channels=[D] * 4, channels=64, norm_cfg=norm_cfg),
    auxiliary_head=None,
)
