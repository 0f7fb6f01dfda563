# Your own photos and masks on a GPU: UPerNet on Jumbo-small from the authors' ImageNet weights, crops of 512x512, 16k
# iterations of 8 images. `jumbo prepare --base masks_upernet` writes a config on top of it.
_base_ = [
    "_base_/runtime.py",
    "_base_/upernet.py",
    "_base_/masks.py",
    "_base_/schedule_160k.py",
]
model = dict(
    backbone=dict(init_cfg=dict(type="Pretrained", checkpoint="hf-hub:antofuller/jumbo/jumbo_small.pth")),
    decode_head=dict(num_classes=2),
    auxiliary_head=dict(num_classes=2),
)
train_dataloader = dict(batch_size=8)
# 160k iterations suit 20,000 images; for some hundreds, a tenth does
max_iters = 16000
warmup_iters = 500
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-6, by_epoch=False, begin=0, end=warmup_iters),
    dict(type="PolyLR", eta_min=0.0, power=1.0, by_epoch=False, begin=warmup_iters, end=max_iters),
]
train_cfg = dict(max_iters=max_iters, val_interval=1000)
default_hooks = dict(checkpoint=dict(interval=1000))
