# A cheaper head than UPerNet: a linear classifier of each patch's features after four blocks. The readout adds the
# Jumbo token to these features. The logits have the stride of the patch.
_base_ = "jumbo_upernet_ade20k.py"
D = 384
model = dict(
    neck=None,
    decode_head=dict(
        _delete_=True,
        type="LatticeFCNHead",
        in_channels=[D] * 4,
        in_index=[0, 1, 2, 3],
        input_transform="resize_concat",
        channels=4 * D,
        num_convs=0,
        concat_input=False,
        dropout_ratio=0.1,
        num_classes=150,
        align_corners=False,
        loss_stride=4,
        loss_decode=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0),
    ),
    auxiliary_head=None,
)
