# Your own photos and masks on a CPU: a small UPerNet from random weights. `jumbo prepare` writes a config on top of it,
# with data_root, classes and num_classes.
_base_ = [
    "_base_/runtime.py",
    "_base_/upernet_from_scratch.py",
    "_base_/masks.py",
    "_base_/schedule_160k.py",
]
crop_size = (128, 128)
scale = (256, 192)  # longer and shorter side that images are made to fit
train_pipeline = [
    dict(type="SeedAugmentation"),
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="RandomResize", scale=scale, ratio_range=(0.75, 1.5), keep_ratio=True),
    dict(type="RandomCrop", crop_size=crop_size, cat_max_ratio=0.75),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PhotoMetricDistortion"),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=scale, keep_ratio=True),
    dict(type="LoadAnnotations"),
    dict(type="PackSegInputs"),
]
tta_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(
        type="TestTimeAug",
        transforms=[
            [
                dict(type="Resize", scale=(int(scale[0] * ratio), int(scale[1] * ratio)), keep_ratio=True)
                for ratio in (0.75, 1.0, 1.25, 1.5)
            ],
            [dict(type="RandomFlip", prob=0.0), dict(type="RandomFlip", prob=1.0, direction="horizontal")],
            [dict(type="LoadAnnotations")],
            [dict(type="PackSegInputs")],
        ],
    ),
]
train_dataloader = dict(batch_size=8, num_workers=1, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(num_workers=1, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
model = dict(
    decode_head=dict(num_classes=2),
    # windows of the training size: positions at which it was trained
    test_cfg=dict(mode="slide", crop_size=crop_size, stride=(64, 64)),
)
max_iters = 800
warmup_iters = 80
optim_wrapper = dict(optimizer=dict(lr=2e-3), paramwise_cfg=dict(layer_decay_rate=1.0))
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-3, by_epoch=False, begin=0, end=warmup_iters),
    dict(type="PolyLR", eta_min=0.0, power=1.0, by_epoch=False, begin=warmup_iters, end=max_iters),
]
train_cfg = dict(max_iters=max_iters, val_interval=200)
default_hooks = dict(checkpoint=dict(interval=200))
