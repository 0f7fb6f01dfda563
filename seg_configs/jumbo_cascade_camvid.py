# One elastic model as a cascade: frames are read at keep rate 0.5 in two windows of five first, in full where that is
# unsure. Train jumbo_upernet_camvid_elastic.py; then jumbo calibrate, and jumbo test with the calibration.json
# that it leaves.
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
