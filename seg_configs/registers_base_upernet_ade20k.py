# The baseline of jumbo_base_upernet_ade20k.py: the same width, depth, heads, neck, head and schedule, with a class
# token and 16 registers in place of the Jumbo token. There are no released
# weights: give init_cfg a checkpoint of your own.
_base_ = "jumbo_base_upernet_ade20k.py"
model = dict(
    backbone=dict(
        arch=dict(jumbo_multiplier=17, jumbo_ffn="patch"),
        jumbo_readout="ignore",
        init_cfg=None,
    ),
)
