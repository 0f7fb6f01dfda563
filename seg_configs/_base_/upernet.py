# UPerNet on four feature maps of a plain ViT of width 384 (small), and an FCN head on the third as auxiliary.
embed_dim = 384
channels = 512
num_classes = 150
norm_cfg = dict(type="SyncBN", requires_grad=True)

data_preprocessor = dict(
    type="SegDataPreProcessor",
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
    size=(512, 512),
    # the backbone takes multiples of the patch: images of any size are padded on the right and bottom, predictions cut
    test_cfg=dict(size_divisor=32),
)
model = dict(
    type="JumboSegmentor",
    data_preprocessor=data_preprocessor,
    backbone=dict(
        type="JumboViTBackbone", arch=dict(preset="small"), img_size=512, out_indices=(2, 5, 8, 11), drop_path_rate=0.1
    ),
    neck=dict(type="Feature2Pyramid", embed_dim=embed_dim, rescales=[4, 2, 1, 0.5], norm_cfg=norm_cfg),
    # loss_stride: one pixel of each 4x4 cell bears the loss, drawn anew in each step; 1 is mmsegmentation's way
    decode_head=dict(
        type="LatticeUPerHead",
        in_channels=[embed_dim] * 4,
        in_index=[0, 1, 2, 3],
        pool_scales=(1, 2, 3, 6),
        channels=channels,
        dropout_ratio=0.1,
        num_classes=num_classes,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_stride=4,
        loss_decode=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0),
    ),
    auxiliary_head=dict(
        type="LatticeFCNHead",
        in_channels=embed_dim,
        in_index=2,
        channels=256,
        num_convs=1,
        concat_input=False,
        dropout_ratio=0.1,
        num_classes=num_classes,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_stride=4,
        loss_decode=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=0.4),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode="whole"),
)
