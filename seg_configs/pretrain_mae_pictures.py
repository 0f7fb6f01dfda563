# Pictures of your own, of any sizes, in folders of any depth: the encoder of masks_small and jumbo_upernet_camvid, for
# them to start from. An hour on one CPU core.
_base_ = "_base_/pretrain_mae.py"
img_size = 128
# decoded once and kept in memory, the shorter side at 256 pixels; None reads each file whenever it is drawn
dataset = dict(img_size=img_size, keep_side=256)
train_dataloader = dict(batch_size=32, dataset=dataset)
val_dataloader = dict(batch_size=32, dataset=dict(limit=200, **dataset))
model = dict(encoder=dict(arch=dict(preset="pico", depth=6, jumbo_multiplier=4), img_size=img_size, patch_size=8))
max_iters = 3000
warmup_iters = 300
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-3, by_epoch=False, begin=0, end=warmup_iters),
    dict(type="CosineAnnealingLR", eta_min=0.0, by_epoch=False, begin=warmup_iters, end=max_iters),
]
train_cfg = dict(max_iters=max_iters, val_interval=500)
default_hooks = dict(checkpoint=dict(interval=100))
