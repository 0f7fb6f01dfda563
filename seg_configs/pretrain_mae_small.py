# Small at 224x224 on GPUs: ImageNet-1K, 300 epochs of 1.28 million pictures at a batch of 2048 in all (8 GPUs of 256
# each). lr is 1.5e-4 x 2048 / 256, as He et al.
_base_ = "_base_/pretrain_mae.py"
img_size = 224
dataset = dict(img_size=img_size, hold_out_every=250)
train_dataloader = dict(batch_size=256, num_workers=14, dataset=dataset)
val_dataloader = dict(num_workers=8, persistent_workers=True, dataset=dict(limit=5000, **dataset))
model = dict(
    encoder=dict(arch=dict(preset="small"), img_size=img_size, patch_size=16),
    decoder_dim=256,
    decoder_depth=4,
    decoder_heads=8,
)
max_iters = 187000
warmup_iters = 18700
optim_wrapper = dict(optimizer=dict(lr=1.2e-3))
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-3, by_epoch=False, begin=0, end=warmup_iters),
    dict(type="CosineAnnealingLR", eta_min=0.0, by_epoch=False, begin=warmup_iters, end=max_iters),
]
train_cfg = dict(max_iters=max_iters, val_interval=6250)
default_hooks = dict(checkpoint=dict(interval=1250))
