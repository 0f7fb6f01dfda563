"""Compute budgets that change while a segmentor is trained."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from ...budgets.budget import ComputeBudget
from ...budgets.schedule import KeepRateWarmup, TokenDropping
from ..models.backbone import JumboViTBackbone, require_dial


class BudgetHook(Hook):
    """Gives the backbone the budget of a schedule for each training step alone: what is validated, tested or exported
    has the backbone's own.

    Raises:
        TypeError: In ``before_train``, if the backbone has no budget.
    """

    def __init__(self, schedule: KeepRateWarmup | TokenDropping) -> None:
        self.schedule = schedule
        self._own: ComputeBudget | None = None

    def before_train(self, runner: Runner) -> None:
        require_dial(_backbone(runner), type(self).__name__)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        backbone = _backbone(runner)
        self._own = own = backbone.default_budget
        backbone.default_budget = self.schedule.at(runner.iter / runner.max_iters, own)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        assert self._own is not None  # since ``before_train_iter``
        _backbone(runner).default_budget = self._own


@HOOKS.register_module()
class KeepRateWarmupHook(BudgetHook):
    """EViT's warm-up to the keep rate of ``backbone.budget``; arguments of ``KeepRateWarmup``, such as
    ``dict(type="KeepRateWarmupHook", start=0.05, end=0.4)`` in a config's ``custom_hooks``."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(KeepRateWarmup(**kwargs))


@HOOKS.register_module()
class TokenDroppingHook(BudgetHook):
    """Random token dropping; arguments of ``TokenDropping``, such as ``dict(type="TokenDroppingHook", first=0.9,
    last=0.1)``."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(TokenDropping(**kwargs))


def _backbone(runner: Runner) -> JumboViTBackbone:
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    return model.backbone
