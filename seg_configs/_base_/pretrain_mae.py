# Masked autoencoding of pictures without labels: random crops of 0.2 to 1 of the area and flips, AdamW, a cosine with
# 10 % warm-up. Configs on top of it say what is trained, at which size, and for how long.
_base_ = "runtime.py"
img_size = 64
data_root = "data/pictures"
dataset = dict(type="PictureDataset", data_root=data_root, img_size=img_size, hold_out_every=10)
train_dataloader = dict(
    batch_size=128,
    num_workers=1,
    persistent_workers=True,
    drop_last=True,
    collate_fn=dict(type="default_collate"),
    sampler=dict(type="NumberedInfiniteSampler", shuffle=True),
    dataset=dict(part="train", **dataset),
)
val_dataloader = dict(
    batch_size=128,
    num_workers=0,
    persistent_workers=False,
    collate_fn=dict(type="default_collate"),
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(part="held_out", limit=1000, **dataset),
)
val_evaluator = dict(_delete_=True, type="HeldOutLoss")
test_cfg = None
test_evaluator = None
tta_model = None

model = dict(
    type="MaskedImageModel",
    data_preprocessor=dict(
        type="ImgDataPreprocessor", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]
    ),  # of RGB
    encoder=dict(arch=dict(preset="pico"), img_size=img_size, patch_size=8),
    mask_ratio=0.75,
    decoder_dim=128,
    decoder_depth=2,
    decoder_heads=4,
    norm_pixels=True,
    init_cfg=dict(type="FromScratch"),  # Xavier's weights and sine-cosine positions, as He et al.
)
max_iters = 3520
warmup_iters = 352
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=1.5e-3, betas=(0.9, 0.95), weight_decay=0.05, fused=True),
    constructor="LayerDecayOptimWrapperConstructor",  # at 1: for weight decay alone, which tokens and positions lack
    paramwise_cfg=dict(layer_decay_rate=1.0, custom_keys=dict(mask_token=dict(decay_mult=0.0))),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-3, by_epoch=False, begin=0, end=warmup_iters),
    dict(type="CosineAnnealingLR", eta_min=0.0, by_epoch=False, begin=warmup_iters, end=max_iters),
]
train_cfg = dict(type="IterBasedTrainLoop", max_iters=max_iters, val_interval=352)
visualizer = dict(type="Visualizer")
default_hooks = dict(
    checkpoint=dict(interval=88, max_keep_ckpts=1, save_best=None),
    pretrained=dict(type="PretrainedFilesHook", pictures=8),
)
