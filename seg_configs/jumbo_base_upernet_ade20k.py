# Jumbo-base with UPerNet on ADE20K.
_base_ = "jumbo_upernet_ade20k.py"
D = 768
model = dict(
    backbone=dict(
        arch=dict(preset="base"),
        init_cfg=dict(checkpoint="hf-hub:antofuller/jumbo/jumbo_base.pth"),
    ),
    neck=dict(embed_dim=D),
    decode_head=dict(in_channels=[D] * 4),
    auxiliary_head=dict(in_channels=D),
)
