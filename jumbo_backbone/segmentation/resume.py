"""What makes a run go on after an interruption with the numbers it would have had without one.

mmengine restores weights, optimiser, schedule and the place in the data. The random numbers are made a function of the
seed and of that place, rather than of how many were drawn before: then there is nothing to restore, whatever the
number of workers, and whether or not a validation came in between.
"""

import random
from collections.abc import Iterator

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.dataset import InfiniteSampler
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import DATA_SAMPLERS, HOOKS, TRANSFORMS


class Draw(int):
    """Index of a sample that knows which draw from the data set it is: ``seed`` and ``place``, the how-manieth."""

    seed: int
    place: int

    def __new__(cls, index: int, seed: int, place: int) -> "Draw":
        draw = super().__new__(cls, index)
        draw.seed, draw.place = seed, place
        return draw

    def __getnewargs__(self) -> tuple[int, int, int]:  # samplers and data-loading workers are different processes
        return int(self), self.seed, self.place


@DATA_SAMPLERS.register_module()
class NumberedInfiniteSampler(InfiniteSampler):
    """mmengine's ``InfiniteSampler`` whose indices are ``Draw``s, for ``SeedAugmentation``."""

    def _infinite_indices(self) -> Iterator[Draw]:
        for place, index in enumerate(super()._infinite_indices()):
            yield Draw(index, self.seed, place)


@TRANSFORMS.register_module()
class SeedAugmentation(BaseTransform):
    """First of a training pipeline: seeds Python's and numpy's generators from the draw that is being prepared.

    Needs ``sampler=dict(type="NumberedInfiniteSampler")``; samples drawn otherwise (a notebook's ``dataset[3]``) pass
    through with the generators as they are.
    """

    def transform(self, results: dict) -> dict:
        draw = results.get("sample_idx")
        if isinstance(draw, Draw):
            state = np.random.SeedSequence((draw.seed, draw.place)).generate_state(2)
            random.seed(int(state[0]))
            np.random.seed(state[1])  # noqa: NPY002  (what mmcv's and mmseg's transforms draw from)
        return results


@HOOKS.register_module()
class ResumeHook(Hook):
    """Seeds each iteration from the run's seed, the iteration and the rank, and makes up for a validation that an
    interruption cut off."""

    priority = "VERY_HIGH"

    def before_train_epoch(self, runner: Runner) -> None:
        # A checkpoint is written before the validation of the same iteration: after resuming, that one is still to do.
        # The whole of an iteration-based run is one epoch.
        loop = runner.train_loop
        if runner.iter > 0 and runner.val_loop is not None and runner.iter % loop.val_interval == 0:
            runner.val_loop.run()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        torch.manual_seed(np.random.SeedSequence((runner.seed, runner.iter, get_rank())).generate_state(1)[0].item())
