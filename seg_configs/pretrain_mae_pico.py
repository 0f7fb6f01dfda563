# Pico on small pictures (64x64 pixels, patches of 8) kept in memory: ten epochs of 45,000 pictures.
_base_ = "_base_/pretrain_mae.py"
train_dataloader = dict(dataset=dict(keep_side=64))
val_dataloader = dict(dataset=dict(keep_side=64))
