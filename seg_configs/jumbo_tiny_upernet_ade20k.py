# Jumbo-tiny with UPerNet on ADE20K.
_base_ = "jumbo_upernet_ade20k.py"
D = 192
model = dict(
    backbone=dict(
        arch=dict(preset="tiny"),
        init_cfg=dict(checkpoint="hf-hub:antofuller/jumbo/jumbo_tiny.pth"),
    ),
    neck=dict(embed_dim=D),
    decode_head=dict(in_channels=[D] * 4),
    auxiliary_head=dict(in_channels=D),
)
