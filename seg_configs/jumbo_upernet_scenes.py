# Small UPerNet on rendered scenes, from random weights: five minutes on two CPU cores.
_base_ = [
    "_base_/runtime.py",
    "_base_/upernet_from_scratch.py",
    "_base_/scenes.py",
    "_base_/schedule_160k.py",
]
model = dict(
    # a smaller std than usual: what patches show has to stand up to the sine-cosine positions from the start
    data_preprocessor=dict(size=(96, 96), mean=[110.0] * 3, std=[40.0] * 3),
    backbone=dict(arch=dict(depth=4), img_size=96, out_indices=(0, 1, 2, 3)),
    decode_head=dict(num_classes=8, dropout_ratio=0.0, loss_stride=2),
)
max_iters = 1200
warmup_iters = 96
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
default_hooks = dict(checkpoint=dict(interval=300))
