# The embedded default: from random weights on rendered scenes, in five minutes of two CPU cores.
_base_ = ["_base_/runtime.py", "_base_/upernet.py", "_base_/scenes.py", "_base_/schedule_160k.py"]
D = 96
norm_cfg = dict(type="BN", requires_grad=True)
model = dict(
    data_preprocessor=dict(size=(128, 128)),
    backbone=dict(
        arch=dict(embed_dim=D, depth=6, num_heads=3, jumbo_multiplier=6),
        img_size=128,
        patch_size=8,
        out_indices=(1, 2, 4, 5),
        drop_path_rate=0.0,
        init_cfg=dict(type="FromScratch"),
    ),
    neck=dict(embed_dim=D, rescales=[2, 1, 0.5, 0.25], norm_cfg=norm_cfg),
    decode_head=dict(
        in_channels=[D] * 4, channels=64, num_classes=9, dropout_ratio=0.0, norm_cfg=norm_cfg, loss_stride=2
    ),
    auxiliary_head=None,
)
max_iters = 1000
warmup_iters = 80
optim_wrapper = dict(
    optimizer=dict(lr=2e-3, betas=(0.9, 0.98)),
    paramwise_cfg=dict(layer_decay_rate=1.0),
    clip_grad=dict(max_norm=1.0),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-3, by_epoch=False, begin=0, end=warmup_iters),
    dict(type="CosineAnnealingLR", eta_min=0.0, by_epoch=False, begin=warmup_iters, end=max_iters),
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
default_hooks = dict(checkpoint=dict(interval=250))
