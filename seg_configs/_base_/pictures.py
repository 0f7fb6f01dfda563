# Whole pictures, without masks: random crops and flips, AdamW, a cosine with 10 % warm-up, ten epochs of 45,000.
_base_ = "runtime.py"
img_size = 64
data_root = "data/pictures"
dataset = dict(data_root=data_root, img_size=img_size, hold_out_every=10)
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
    dataset=dict(part="held_out", **dataset),
)
test_cfg = None
test_evaluator = None
tta_model = None

model = dict(
    data_preprocessor=dict(
        type="ImgDataPreprocessor", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]
    ),  # of RGB
    encoder=dict(arch=dict(preset="pico"), img_size=img_size, patch_size=8),
    init_cfg=dict(type="FromScratch"),  # Xavier's weights and sine-cosine positions, as He et al.
)
max_iters = 3520
warmup_iters = 352
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", weight_decay=0.05, fused=True),
    constructor="LayerDecayOptimWrapperConstructor",
)
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-3, by_epoch=False, begin=0, end=warmup_iters),
    dict(type="CosineAnnealingLR", eta_min=0.0, by_epoch=False, begin=warmup_iters, end=max_iters),
]
train_cfg = dict(type="IterBasedTrainLoop", max_iters=max_iters, val_interval=352)
visualizer = dict(type="Visualizer")
default_hooks = dict(checkpoint=dict(interval=88, max_keep_ckpts=1, save_best=None))
