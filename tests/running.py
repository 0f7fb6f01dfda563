"""Training runs in this process, on the data set and config of ``conftest.py``, whole or interrupted."""

import copy
import itertools
import json
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

_count = itertools.count()


class Interrupt(Hook):
    def __init__(self, at: int) -> None:
        self.at = at

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        if runner.iter == self.at:
            raise KeyboardInterrupt


def prepared(
    config: Path, work_dir: Path, *, workers: int = 0, resume: Path | None = None, **changes: object
) -> Runner:
    """The runner of a config with changes, named as of --cfg-options."""
    cfg = Config.fromfile(config)
    cfg.merge_from_dict(copy.deepcopy(changes))  # which takes out what is to be deleted
    cfg.work_dir, cfg.experiment_name, cfg.log_level = str(work_dir), f"run{next(_count)}", "ERROR"
    cfg.train_dataloader.num_workers = workers
    if resume is not None:
        cfg.load_from, cfg.resume = str(resume), True
    return Runner.from_cfg(cfg)


def run(config: Path, work_dir: Path, *, interrupt: int | None = None, **changes: object) -> Runner:
    """Train to the end, or to the iteration before which it is interrupted."""
    runner = prepared(config, work_dir, **changes)
    if interrupt is None:
        runner.train()
    else:
        runner.register_hook(Interrupt(interrupt), priority="LOWEST")
        with pytest.raises(KeyboardInterrupt):
            runner.train()
    return runner


def weights(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=False)["state_dict"]


def metrics(work_dir: Path) -> list[dict]:
    return json.loads((Path(work_dir) / "metrics.json").read_text())


def assert_the_same_weights(one: Path, other: Path) -> None:
    """To the bit."""
    found, expected = weights(one), weights(other)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=0, msg=name)
