# From random weights in ten minutes of one CPU core.
_base_ = ["_base_/runtime.py", "_base_/upernet.py", "_base_/camvid.py", "_base_/schedule_160k.py"]
D = 96
norm_cfg = dict(type="BN", requires_grad=True)
model = dict(
    data_preprocessor=dict(size=(192, 192)),
    backbone=dict(
        arch=dict(embed_dim=D, depth=6, num_heads=3, jumbo_multiplier=6),
        img_size=192,
        out_indices=(1, 2, 4, 5),
        drop_path_rate=0.0,
        init_cfg=dict(type="Xavier", layer="Linear", distribution="uniform"),
    ),
    neck=dict(embed_dim=D, norm_cfg=norm_cfg),
    decode_head=dict(in_channels=[D] * 4, channels=64, num_classes=11, norm_cfg=norm_cfg),
    auxiliary_head=None,
)
max_iters = 600
warmup_iters = 60
optim_wrapper = dict(optimizer=dict(lr=1e-3), paramwise_cfg=dict(layer_decay_rate=1.0))
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-3, by_epoch=False, begin=0, end=warmup_iters),
    dict(type="PolyLR", eta_min=0.0, power=1.0, by_epoch=False, begin=warmup_iters, end=max_iters),
]
train_cfg = dict(max_iters=max_iters, val_interval=200)
default_hooks = dict(checkpoint=dict(interval=200))
