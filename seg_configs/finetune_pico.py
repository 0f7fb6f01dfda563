# Fine-tuning pico on pictures in a folder per class (100 of them): 64x64 pixels, patches of 8, ten epochs of 45,000
# pictures, with layer decay, label smoothing and mixup. From an encoder of pretrain_mae_pico:
#   model.init_cfg.type=Pretrained model.init_cfg.checkpoint=work_dirs/pretrain_mae_pico/encoder.safetensors
_base_ = "_base_/pictures.py"
dataset = dict(type="ClassPictureDataset", keep_side=64)
train_dataloader = dict(dataset=dict(crop_scale=(0.35, 1.0), **dataset))
val_dataloader = dict(dataset=dataset)
val_evaluator = dict(_delete_=True, type="TopAccuracy")
model = dict(type="ImageClassifier", encoder=dict(drop_path_rate=0.1), num_classes=100, label_smoothing=0.1, mixup=0.2)
optim_wrapper = dict(optimizer=dict(lr=1e-3, betas=(0.9, 0.999)), paramwise_cfg=dict(layer_decay_rate=0.8))
default_hooks = dict(checkpoint=dict(save_best="top1"))
