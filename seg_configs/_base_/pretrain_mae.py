# Masked autoencoding of pictures without labels, as He et al. (CVPR 2022): random crops of 0.2 to 1 of the area and
# flips alone. Configs on top of it say what is trained, at which size, and for how long.
_base_ = "pictures.py"
train_dataloader = dict(dataset=dict(type="PictureDataset"))
val_dataloader = dict(dataset=dict(type="PictureDataset", limit=1000))
val_evaluator = dict(_delete_=True, type="HeldOutLoss")
model = dict(
    type="MaskedImageModel", mask_ratio=0.75, decoder_dim=128, decoder_depth=2, decoder_heads=4, norm_pixels=True
)
optim_wrapper = dict(
    optimizer=dict(lr=1.5e-3, betas=(0.9, 0.95)),
    # no decay of the rate: the constructor is there for weight decay, which tokens and positions lack
    paramwise_cfg=dict(layer_decay_rate=1.0, custom_keys=dict(mask_token=dict(decay_mult=0.0))),
)
default_hooks = dict(pretrained=dict(type="PretrainedFilesHook", pictures=8))
