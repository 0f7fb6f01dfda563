# The baseline of jumbo_upernet_camvid.py: a ViT of the same sizes with a class token and 16 registers.
_base_ = "jumbo_upernet_camvid.py"
model = dict(backbone=dict(arch=dict(jumbo_multiplier=17, jumbo_ffn="patch"), jumbo_readout="ignore"))
