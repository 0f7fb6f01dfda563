"""Batch norms in a model for many compute budgets, with separate statistics for each budget.

Features of different budgets are distributed differently, and running statistics that mix them fit none of them: this
costs a point of mIoU on CamVid. The method is switchable batch norm (Slimmable Neural Networks, ICLR 2019, section
3.3) with a shared affine part.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from ...budgets.budget import ComputeBudget

# one lock for all models: a lock of its own could not be copied or pickled with a model
_IN_USE = threading.RLock()


class BudgetNorms(nn.Module):
    """Running statistics of all batch norms of a model, once for each budget.

    Args:
        model: The model with the batch norms; no reference to it is kept.
        budgets: Budgets it is trained for. Any other budget uses the statistics of the nearest one: of the same
            resolution if there is one, else of the nearest scale; among these the nearest keep rate. This holds for
            the keep rates of a warm-up too; the statistics that they leave are discarded after it.
    """

    statistics: torch.Tensor
    known: torch.Tensor

    def __init__(self, model: nn.Module, budgets: Sequence[ComputeBudget]) -> None:
        super().__init__()
        self.budgets = list(budgets)
        channels = sum(norm.num_features for norm in _norms(model))
        self.register_buffer("statistics", torch.zeros(len(self.budgets), 2, channels))  # means, variances
        self.register_buffer("known", torch.zeros(len(self.budgets), dtype=torch.bool))
        self._in_place: int | None = None
        self.register_load_state_dict_post_hook(lambda module, _: module.forget())

    def forget(self) -> None:
        """Copy the statistics into the model at the next use, even if they seem to be there."""
        self._in_place = None

    def use(self, model: nn.Module, budget: ComputeBudget) -> int:
        """Copy the statistics of a budget into the model. If there are none of this budget, the present ones stay.

        Returns:
            The number of the budget among ``budgets``.
        """
        number = self._nearest(budget)
        if number != self._in_place and self.known[number]:
            at = 0
            for norm in _norms(model):
                part = slice(at, at := at + norm.num_features)
                # new tensors: the backward pass of what was computed before still needs the old ones
                norm.running_mean, norm.running_var = self.statistics[number, :, part].clone()
        self._in_place = number
        return number

    @contextmanager
    def using(self, model: nn.Module, budget: ComputeBudget) -> Iterator[None]:
        """Calls inside the ``with`` block use the statistics of this budget, whatever budgets other threads use."""
        with _IN_USE:
            self.use(model, budget)
            yield

    @contextmanager
    def learning(self, model: nn.Module, budget: ComputeBudget) -> Iterator[None]:
        """Calls inside the ``with`` block update the statistics of this budget."""
        number = self.use(model, budget)
        yield
        if norms := _norms(model):
            means: list[Any] = [norm.running_mean for norm in norms]
            variances: list[Any] = [norm.running_var for norm in norms]
            self.statistics[number, 0] = torch.cat(means)
            self.statistics[number, 1] = torch.cat(variances)
            self.known[number] = True

    def _nearest(self, budget: ComputeBudget) -> int:
        def distance(other: ComputeBudget) -> tuple[bool, float, float]:
            apart = abs(_scale(other) - _scale(budget))
            return other.resolution != budget.resolution, apart, abs(other.keep_rate - budget.keep_rate)

        return min(range(len(self.budgets)), key=lambda i: distance(self.budgets[i]))


def _norms(model: nn.Module) -> list[_NormBase]:
    return [m for m in model.modules() if isinstance(m, _NormBase) and m.running_mean is not None]


def _scale(budget: ComputeBudget) -> float:
    return budget.resolution if isinstance(budget.resolution, float) else 1.0
