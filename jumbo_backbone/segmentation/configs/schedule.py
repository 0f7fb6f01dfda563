"""Shorter and longer trainings by the same schedule."""

from mmengine.config import Config


def scale_schedule(cfg: Config, iterations: int) -> None:
    """Set the iterations of a config, and stretch its rates' schedule to them; parts of it that would take no whole
    iteration are left out."""
    scale = iterations / cfg.train_cfg.max_iters
    for scheduler in cfg.param_scheduler:
        scheduler.begin, scheduler.end = (round(scale * at) for at in (scheduler.begin, scheduler.end))
    cfg.param_scheduler = [scheduler for scheduler in cfg.param_scheduler if scheduler.end > scheduler.begin]
    cfg.train_cfg.max_iters = iterations
