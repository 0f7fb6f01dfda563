# One elastic model as a cascade, on rendered scenes; as jumbo_cascade_camvid.py.
_base_ = "jumbo_upernet_scenes.py"
trained = dict(
    config="seg_configs/jumbo_upernet_scenes_elastic.py",
    checkpoint="work_dirs/jumbo_upernet_scenes_elastic/iter_1200.pth",
)
model = dict(
    _delete_=True,
    type="CascadeSegmentor",
    members=[dict(budget=dict(keep_rate=0.5, resolution=5 / 7), **trained), dict(budget=dict(), **trained)],
)
