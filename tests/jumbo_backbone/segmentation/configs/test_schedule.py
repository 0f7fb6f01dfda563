import pytest

mmengine = pytest.importorskip("mmengine")

from jumbo_backbone.segmentation.configs.schedule import scale_schedule  # noqa: E402


@pytest.mark.parametrize(
    "iterations, parts",
    [(500, [(0, 50), (50, 500)]), (2000, [(0, 200), (200, 2000)]), (3, [(0, 3)]), (1, [(0, 1)])],
)
def test_a_schedule_is_stretched_and_keeps_no_empty_part(iterations, parts):
    schedule = [dict(type="LinearLR", begin=0, end=100), dict(type="PolyLR", begin=100, end=1000)]
    cfg = mmengine.Config(dict(train_cfg=dict(max_iters=1000), param_scheduler=schedule))
    scale_schedule(cfg, iterations)
    assert [(part.begin, part.end) for part in cfg.param_scheduler] == parts
    assert cfg.train_cfg.max_iters == iterations
