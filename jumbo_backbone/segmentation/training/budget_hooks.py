"""Compute budgets that change while a segmentor is trained."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch.utils.hooks import RemovableHandle

from ...budgets.budget import ComputeBudget
from ...budgets.schedule import KeepRateWarmup, TokenDropping
from ..models.backbone import JumboViTBackbone, require_dial


class BudgetHook(Hook):
    """Gives the backbone a budget of a schedule with each call of a training step: what is validated, tested or
    exported has the backbone's own, which stays as it is, and so has a call that names its budget.

    Raises:
        TypeError: In ``before_train``, if the backbone has no budget.
    """

    def __init__(self, schedule: KeepRateWarmup | TokenDropping) -> None:
        self.schedule = schedule
        self._now: ComputeBudget | None = None  # of the training step at hand
        self._calls: RemovableHandle | None = None

    def before_train(self, runner: Runner) -> None:
        backbone = _backbone(runner)
        require_dial(backbone, type(self).__name__)
        self.after_train(runner)  # of a training that was cut short
        self._calls = backbone.register_forward_pre_hook(self._name_budget, with_kwargs=True)

    def after_train(self, runner: Runner) -> None:
        if self._calls is not None:
            self._calls.remove()
        self._now = self._calls = None

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        self._now = self.schedule.at(runner.iter / runner.max_iters, _backbone(runner).default_budget)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        self._now = None

    def _name_budget(self, backbone: JumboViTBackbone, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict]:
        """Arguments of a call of the backbone, with the budget of this step if they name none."""
        named = len(args) > 1 or kwargs.get("budget") is not None
        # a step that was cut short may have left its budget, which predictions are not to have
        schedule = self._now is not None and backbone.training
        return args, {**kwargs, "budget": self._now} if schedule and not named else kwargs


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
