"""Compute budgets of series, and the budgets at which an estimator is trained."""

from collections.abc import Callable
from typing import Any

import torch

from jumbo_backbone import ComputeBudget, ElasticBudgets, KeepRateWarmup, TokenDropping, elastic_loss

Plan = ElasticBudgets | KeepRateWarmup | TokenDropping | None


def training_plan(keep_rate: float, elastic: dict[str, Any] | bool | None, token_dropping: Any) -> Plan:
    """The budgets at which to train, from the parameters of an estimator; None for its own budget in every step.

    Raises:
        ValueError, TypeError: If the parameters do not go together, or are out of range.
    """
    if elastic and token_dropping is not None:
        raise ValueError("elastic and token_dropping both set the budgets of training: give only one of them")
    if elastic:
        return ElasticBudgets() if elastic is True else ElasticBudgets(**elastic)
    if token_dropping is not None:
        if not hasattr(token_dropping, "__len__") or len(token_dropping) != 2:
            raise ValueError(
                f"token_dropping {token_dropping!r}: give the first and the last fraction, such as (0.9, 0.1)"
            )
        return TokenDropping(*token_dropping)
    return KeepRateWarmup() if keep_rate < 1 else None


def series_budget(**arguments: Any) -> ComputeBudget:
    """A compute budget of series.

    Raises:
        ValueError, TypeError: For values out of range, and for a resolution of two sides.
    """
    budget = ComputeBudget(**arguments)
    if isinstance(budget.resolution, tuple):
        raise TypeError(
            f"resolution {budget.resolution!r}: a series has one side, give a fraction or a number of steps"
        )
    return budget


def training_loss(
    predict: Callable[[ComputeBudget], Any],
    criterion: Callable[[Any], torch.Tensor],
    plan: Plan,
    own: ComputeBudget,
    step: int,
    total: int,
    distill: Callable[[Any, Any], torch.Tensor] | None = None,
) -> torch.Tensor:
    """Loss of one training step, at the budgets of a plan.

    Args:
        predict: Gives the network's output at a budget.
        criterion: Loss of an output.
        plan: See ``training_plan``.
        own: The network's own budget.
        step, total: Number of the step, and number of all steps.
        distill: As in ``elastic_loss``.
    """
    if isinstance(plan, ElasticBudgets):
        return elastic_loss(predict, criterion, plan.draw(step, step / total), distill)
    return criterion(predict(own if plan is None else plan.at(step / total, own)))
