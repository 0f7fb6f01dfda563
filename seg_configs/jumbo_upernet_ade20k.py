# Jumbo-small with UPerNet on ADE20K: 512x512, batch 16 in all, 160k iterations.
# Several GPUs: torchrun --nproc-per-node N … --launcher pytorch, with train_dataloader.batch_size = 16 / N.
_base_ = ["_base_/runtime.py", "_base_/upernet.py", "_base_/ade20k.py", "_base_/schedule_160k.py"]
model = dict(
    backbone=dict(init_cfg=dict(type="Pretrained", checkpoint="hf-hub:antofuller/jumbo/jumbo_small.pth")),
)
