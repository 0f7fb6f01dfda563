"""Shorter and longer trainings by the same schedule."""

import copy

from mmengine.config import Config


def scale_schedule(cfg: Config, iterations: int) -> None:
    """Set the iterations of a config, and stretch its rates' schedule to them; parts of it that would take no whole
    iteration are left out."""
    scale = iterations / cfg.train_cfg.max_iters
    for scheduler in cfg.param_scheduler:
        scheduler.begin, scheduler.end = (round(scale * at) for at in (scheduler.begin, scheduler.end))
    cfg.param_scheduler = [scheduler for scheduler in cfg.param_scheduler if scheduler.end > scheduler.begin]
    cfg.train_cfg.max_iters = iterations


def options_for(cfg: Config, iterations: int) -> list[str]:
    """The ``--cfg-options`` with which `jumbo train` trains a config for so many iterations: validated once, at the
    end, with a checkpoint after each quarter."""
    shorter = copy.deepcopy(cfg)
    scale_schedule(shorter, iterations)
    rates = [
        f"param_scheduler.{n}.{end}={scheduler[end]}"
        for n, scheduler in enumerate(shorter.param_scheduler)
        for end in ("begin", "end")
    ]
    return [
        f"train_cfg.max_iters={iterations}",
        f"train_cfg.val_interval={iterations}",
        f"default_hooks.checkpoint.interval={max(1, iterations // 4)}",
        *rates,
    ]
