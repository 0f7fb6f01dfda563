# Rendered scenes of 96x96, 8 classes, no files. The first 50,000 training samples are all different scenes; those for
# validation and for the test have seeds of their own.
dataset = dict(type="ScenesDataset", size=(96, 96))
train_pipeline = [dict(type="RenderScene"), dict(type="PackSegInputs")]
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="NumberedInfiniteSampler", shuffle=True),
    dataset=dict(length=50_000, first_seed=0, pipeline=train_pipeline, **dataset),
)
val_dataloader = dict(
    batch_size=20,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(length=200, first_seed=1_000_000, pipeline=train_pipeline, **dataset),
)
# seeds beyond those that validation has seen
test_dataloader = dict(
    batch_size=20,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(length=200, first_seed=2_000_000, pipeline=train_pipeline, **dataset),
)
