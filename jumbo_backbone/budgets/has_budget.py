"""Models that take a compute budget, and the budget of a call that names none."""

from typing import Protocol, runtime_checkable

from .budget import ComputeBudget


@runtime_checkable
class HasBudget(Protocol):
    """A model that is called as ``model(x, budget=budget)``.

    Attributes:
        default_budget: How much to compute where a call names no budget.
    """

    default_budget: ComputeBudget


def budget_of_call(model: HasBudget, budget: ComputeBudget | None) -> ComputeBudget:
    """The budget of a call: the one it names, or the model's own.

    Public methods call this once and pass the result on, so that one call has one budget, even if ``default_budget``
    changes meanwhile.
    """
    return model.default_budget if budget is None else budget
