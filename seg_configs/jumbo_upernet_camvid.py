# Small UPerNet on CamVid, from random weights: ten minutes on one CPU core.
_base_ = [
    "_base_/runtime.py",
    "_base_/upernet_from_scratch.py",
    "_base_/camvid.py",
    "_base_/schedule_160k.py",
]
# frequency ** -0.25 in the training masks, scaled to a mean of 1
class_weight = [0.63, 0.58, 1.28, 0.53, 0.87, 0.72, 1.23, 1.21, 0.82, 1.39, 1.74]
model = dict(
    decode_head=dict(num_classes=11, loss_decode=dict(class_weight=class_weight)),
    # windows of the training size: positions at which it was trained; a stride of 64 takes 0.4 of the windows, and
    # loses some 0.8 points of mIoU
    test_cfg=dict(mode="slide", crop_size=(128, 128), stride=(32, 32)),
)
max_iters = 1250
warmup_iters = 125
optim_wrapper = dict(optimizer=dict(lr=2e-3), paramwise_cfg=dict(layer_decay_rate=1.0))
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-3, by_epoch=False, begin=0, end=warmup_iters),
    dict(type="PolyLR", eta_min=0.0, power=1.0, by_epoch=False, begin=warmup_iters, end=max_iters),
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
default_hooks = dict(checkpoint=dict(interval=625))
