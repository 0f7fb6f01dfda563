"""Resuming an interrupted run so that it gives the same numbers as without the interruption.

mmengine restores weights, optimiser, schedule and the place in the data. Here the random numbers depend on the seed
and on that place, not on how many were drawn before. So no random state has to be restored, whatever the number of
workers, and whether or not a validation came in between.
"""

import random
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmseg.registry import DATA_SAMPLERS, HOOKS, TRANSFORMS
from torch.utils.data import Dataset, Sampler

from .checkpoint_files import CheckpointFile
from .loading import require_resumable, start_from, start_predicting, unwrapped


class Draw(int):
    """Index of a sample, with the ``seed`` of the run and the ``place`` of this draw: the position in the sequence of
    draws."""

    seed: int
    place: int

    def __new__(cls, index: int, seed: int, place: int) -> "Draw":
        draw = super().__new__(cls, index)
        draw.seed, draw.place = seed, place
        return draw

    # samplers and data-loading workers are different processes
    def __getnewargs__(self) -> tuple[int, int, int]:  # type: ignore[override]  # typeshed knows int's one argument
        return int(self), self.seed, self.place

    def seed_generators(self) -> None:
        """Seed the generators of Python and numpy, from which the transforms of mmcv and mmseg draw, and torch's."""
        state = np.random.SeedSequence((self.seed, self.place)).generate_state(3)
        random.seed(int(state[0]))
        np.random.seed(state[1])  # noqa: NPY002
        torch.default_generator.manual_seed(int(state[2]))


def seed_by_draw(dataset: Dataset) -> None:
    """Make a data set seed the generators for each ``Draw`` that a loader asks it for.

    This is done here, and not in a pipeline, because a data set that repeats, joins or mixes others asks them for
    plain indices.
    """
    if hasattr(dataset, "__dict__"):
        cast(Any, dataset).__getitems__ = partial(_fetch, dataset)  # what torch's loaders call, where there is one


def _fetch(dataset: Dataset, indices: Sequence[int]) -> list:
    samples = []
    for index in indices:
        if isinstance(index, Draw):
            index.seed_generators()
        samples.append(dataset[index])
    return samples


@DATA_SAMPLERS.register_module()
class NumberedInfiniteSampler(InfiniteSampler):
    """mmengine's ``InfiniteSampler`` for loops over iterations, whose indices are ``Draw``s: random augmentations
    depend on the seed and on the position in the sequence of draws, through any wrappers of the data set.

    Args:
        dataset: The data set, whose random augmentations are seeded by its draws.
        args, kwargs: As in ``InfiniteSampler``.
    """

    def __init__(self, dataset: Dataset, *args: Any, **kwargs: Any) -> None:
        super().__init__(dataset, *args, **kwargs)
        seed_by_draw(dataset)

    def _infinite_indices(self) -> Iterator[Draw]:
        for place, index in enumerate(super()._infinite_indices()):
            yield Draw(index, self.seed, place)


@DATA_SAMPLERS.register_module()
class NumberedSampler(DefaultSampler):
    """mmengine's ``DefaultSampler`` for loops over epochs, whose indices are ``Draw``s too.

    Args:
        dataset: As in ``NumberedInfiniteSampler``.
        args, kwargs: As in ``DefaultSampler``.
    """

    def __init__(self, dataset: Dataset, *args: Any, **kwargs: Any) -> None:
        super().__init__(dataset, *args, **kwargs)
        seed_by_draw(dataset)
        self._begin = 0

    def begin_at(self, sample: int) -> None:
        """Leave out the first samples of the next epoch, which the interrupted run has used."""
        self._begin = sample

    def __iter__(self) -> Iterator[Draw]:
        begin, self._begin = self._begin, 0
        for number, index in enumerate(super().__iter__()):
            if number >= begin:
                place = (self.epoch * self.num_samples + number) * self.world_size + self.rank
                yield Draw(index, self.seed, place)


@TRANSFORMS.register_module()
class SeedAugmentation(BaseTransform):
    """First transform of a training pipeline: seeds the generators from the draw that is being prepared, also where a
    data set is called without a loader. Samples with plain indices (a notebook's ``dataset[3]``) pass through."""

    def transform(self, results: dict) -> dict:
        draw = results.get("sample_idx")
        if isinstance(draw, Draw):
            draw.seed_generators()
        return results


@HOOKS.register_module()
class ResumeHook(Hook):
    """Makes an interrupted run go on as if it had not been interrupted, and refuses files that do not fit.

    Seeds each iteration from the run's seed, the iteration and the rank; saves gradients that wait for an update;
    runs a validation that an interruption cut off, and continues in the middle of an epoch.

    Raises:
        ValueError: In ``after_load_checkpoint``, if a file does not fit the model or the optimiser (see
            ``require_resumable``, ``start_from`` and ``start_predicting``); in ``before_train``, if epochs would never
            end, or an epoch cannot be entered in its middle.
    """

    priority = "VERY_HIGH"

    def __init__(self) -> None:
        self._gradients: dict[str, torch.Tensor] = {}
        self._to_validate = False

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        if not isinstance(runner, Runner):  # mmengine's other runner loads by strategies of its own
            return
        if "state_dict" not in checkpoint:
            weights = dict(checkpoint)
            checkpoint.clear()
            checkpoint["state_dict"] = weights
        rest = {name: value for name, value in checkpoint.items() if name not in ("state_dict", "meta")}
        weights = {name.removeprefix("module."): tensor for name, tensor in checkpoint["state_dict"].items()}
        file = CheckpointFile(Path(runner._load_from or "the checkpoint"), weights, checkpoint.get("meta", {}), rest)
        model = unwrapped(runner.model)
        if runner._resume:
            require_resumable(model, runner.optim_wrapper, runner.param_schedulers, file)
            self._gradients = checkpoint.get("gradients", {})
        elif isinstance(runner.optim_wrapper, OptimWrapper):  # it is built, so this is a training
            runner.logger.info(f"starting from {file.path}: {start_from(model, file)}")
        else:
            start_predicting(model, file)
        checkpoint["state_dict"] = file.weights

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        wrapper = runner.optim_wrapper
        if "optimizer" not in checkpoint or not isinstance(wrapper, OptimWrapper) or wrapper.should_update():
            return
        if get_world_size() > 1:  # each process has its own part, and only one of them saves
            runner.logger.warning(
                "this checkpoint is saved between two updates of accumulated gradients, and it does not hold these "
                "gradients: make "
                "default_hooks.checkpoint.interval a multiple of optim_wrapper.accumulative_counts"
            )
            return
        parameters = unwrapped(runner.model).named_parameters()
        checkpoint["gradients"] = {name: p.grad.detach().cpu() for name, p in parameters if p.grad is not None}

    def before_train(self, runner: Runner) -> None:
        if next(hook for hook in runner.hooks if isinstance(hook, ResumeHook)) is not self:
            return  # an older config names the hook twice
        if self._gradients:
            for name, parameter in unwrapped(runner.model).named_parameters():
                if name in self._gradients:
                    parameter.grad = self._gradients[name].to(parameter.device, copy=True)
            self._gradients = {}
            runner.logger.info("the gradients that had been accumulated are back")
        sampler = _sampler_of(runner)
        if not isinstance(sampler, (NumberedInfiniteSampler, NumberedSampler)):
            runner.logger.warning(
                f"{type(sampler).__name__} does not number its samples: if this run were interrupted and resumed, its "
                "augmentations would differ. Take NumberedInfiniteSampler, or NumberedSampler for epochs"
            )
        if isinstance(runner.train_loop, EpochBasedTrainLoop):
            _enter_epoch(runner, sampler)
        self._to_validate = _is_validation_due(runner)

    def before_train_epoch(self, runner: Runner) -> None:
        # A checkpoint is written before the validation of the same iteration: after resuming, that one is still to do.
        # Not in before_train: the hook that saves the best checkpoint is not ready by then.
        self._validate(runner)

    def after_train(self, runner: Runner) -> None:
        self._validate(runner)  # where no epoch was left

    def _validate(self, runner: Runner) -> None:
        if self._to_validate:
            self._to_validate = False
            runner.val_loop.run()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        torch.manual_seed(np.random.SeedSequence((runner.seed, runner.iter, get_rank())).generate_state(1)[0].item())


def _sampler_of(runner: Runner) -> Sampler | None:
    loader = runner.train_dataloader
    return loader.sampler if loader.batch_size is not None else getattr(loader.batch_sampler, "sampler", None)


def _enter_epoch(runner: Runner, sampler: Sampler | None) -> None:
    """Make a loop over epochs continue at its iteration, which may be in the middle of an epoch."""
    loop = runner.train_loop
    loader = loop.dataloader
    if isinstance(sampler, InfiniteSampler):
        raise ValueError(
            f"an epoch of {type(sampler).__name__} never ends: with EpochBasedTrainLoop take "
            "train_dataloader.sampler=dict(type='NumberedSampler', shuffle=True), or train by iterations"
        )
    epoch, done = divmod(loop.iter, len(loader))
    if loop.epoch not in (epoch, epoch - (not done)):
        raise ValueError(
            f"the checkpoint is of iteration {loop.iter} in epoch {loop.epoch}, which does not fit epochs of "
            f"{len(loader)} iterations: give the batch size and the data set it was trained with"
        )
    loop._epoch = epoch
    if done and not isinstance(sampler, NumberedSampler):
        raise ValueError(
            f"the checkpoint is of iteration {done} within an epoch, which {type(sampler).__name__} cannot enter: take "
            "train_dataloader.sampler=dict(type='NumberedSampler', shuffle=True), or save by epoch"
        )
    if done:
        assert isinstance(sampler, NumberedSampler)
        sampler.begin_at(done * (loader.batch_size or loader.batch_sampler.batch_size))


def _is_validation_due(runner: Runner) -> bool:
    """Whether the loop would validate at its present iteration."""
    loop = runner.train_loop
    if runner.val_loop is None:
        return False
    done, end = loop.iter, loop.max_iters
    if isinstance(loop, EpochBasedTrainLoop):
        if loop.iter % len(loop.dataloader):
            return False
        done, end = loop.epoch, loop.max_epochs
    loop._decide_current_val_interval()
    return done >= max(loop.val_begin, 1) and (done % loop.val_interval == 0 or done == end)
