# One elastic model as a cascade: it reads a frame at keep rate 0.5 in two of five windows first, and in full where the
# answer is unsure. Train jumbo_upernet_camvid_elastic.py, then run jumbo calibrate, and jumbo test with the
# calibration.json that it leaves.
_base_ = "jumbo_upernet_camvid.py"
trained = dict(
    config="seg_configs/jumbo_upernet_camvid_elastic.py",
    checkpoint="work_dirs/jumbo_upernet_camvid_elastic/iter_1250.pth",
)
model = dict(
    _delete_=True,
    type="CascadeSegmentor",
    members=[
        dict(budget=dict(keep_rate=0.5), test_cfg=dict(stride=(64, 64)), name="keep 0.5, stride 64", **trained),
        dict(budget=dict(), **trained),
    ],
)
