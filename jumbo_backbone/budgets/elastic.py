"""One model for many compute budgets: training at four of them in each step (after SuperViT, IJCV 2023)."""

import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
import torch
import torch.nn.functional as F

from .budget import ComputeBudget
from .schedule import KeepRateWarmup

Answer = TypeVar("Answer")


class BudgetPair(NamedTuple):
    """Two budgets of one resolution, for one step of training.

    Attributes:
        full: Keeps all patches, and learns from the labels.
        reduced: Keeps some, and learns from the answer at the full one, its twin; None while all are still kept.
        weight: Weight of each of the two in the step's loss.
        distill_share: Share of the twin in the loss of the lower one; the rest is the labels'.
    """

    full: ComputeBudget
    reduced: ComputeBudget | None
    weight: float = 1.0
    distill_share: float = 1.0


@dataclass(frozen=True)
class ElasticBudgets:
    """The budgets that one model is to serve. The defaults are ours; ``supervit()`` has those of the paper.

    Attributes:
        keep_rates: Keep rates below 1; a step uses one of them, and 1.
        resolutions: As in ``ComputeBudget``; a step uses one of them, and the input's own. With 1.0 alone no input is
            resized, and a step has two budgets instead of four.
        warmup: Shares of training before which all patches, or more than later, are kept (see ``KeepRateWarmup``):
            the full budget has to learn before lower keep rates can learn from it. None for all rates from the start.
        reduce_at, fuse: As in ``ComputeBudget``.
        seed: Seed of the draws.
        small_weight: Weight of the losses at another resolution; those at the input's own have weight 1 (in SuperViT
            all have weight 1). A smaller weight favours the full budget.
        distill_share: Share of the twins in the loss of the lower keep rates (1 in SuperViT); the rest comes from the
            labels. When training starts from random weights, the twins' answers are of little use: 0 was best on
            CamVid.
        independent_rates: Whether a step draws a keep rate for each of its two resolutions (as in SuperViT), instead
            of one for both.
        sum_losses: Whether the losses of a step add up (as in SuperViT), instead of their weighted mean, which keeps
            learning rates and the clipping of gradients those of plain training.

    Raises:
        ValueError, TypeError: If a list is empty, or holds a value that ``ComputeBudget`` or the rules above do not
            allow.
    """

    keep_rates: tuple[float, ...] = (0.5, 0.6, 0.7, 0.8, 0.9)
    resolutions: tuple[float | int | tuple[int, int] | None, ...] = (5 / 7,)
    warmup: tuple[float, float] | None = (0.3, 0.6)
    reduce_at: tuple[int, ...] | None = None
    fuse: bool = True
    seed: int = 0
    small_weight: float = 1.0
    distill_share: float = 1.0
    independent_rates: bool = False
    sum_losses: bool = False

    @classmethod
    def supervit(cls, **changes: Any) -> "ElasticBudgets":
        """The budgets of SuperViT (Lin et al., "Super Vision Transformer", IJCV 2023).

        For images of 224 pixels a step uses the full size and one of 128, 160 and 192, and for each of the two a keep
        rate of .5 or .7, drawn independently. Dropped patches are not fused, there is no warm-up, the lower keep
        rates learn from their twins alone, and the four losses add up. In SuperViT each size has learned positions of
        its own. A model has them with ``pos_embed_sizes=(128, 160, 192)``; otherwise it resamples those of its
        ``img_size``.

        Args:
            changes: Other values of single attributes.
        """
        sizes = tuple(size / 224 for size in (128, 160, 192))
        own = dict(keep_rates=(0.5, 0.7), resolutions=sizes, warmup=None, fuse=False)
        return cls(**own | dict(independent_rates=True, sum_losses=True) | changes)

    def __post_init__(self) -> None:
        for name, example in dict(keep_rates="(0.5, 0.7)", resolutions="(5 / 7,), or (1.0,) for none").items():
            values = getattr(self, name)
            if isinstance(values, str) or not hasattr(values, "__len__"):
                raise TypeError(f"{name} {values!r}: give a list, such as {example}")
            if len(values) == 0:
                raise ValueError(f"{name} is empty, and an elastic model needs at least one: give {example}")
        budgets = self.grid()  # raises for any that is wrong
        if any(rate == 1 for rate in self.keep_rates):
            raise ValueError(f"keep_rates {self.keep_rates}: give rates below 1, each step takes 1 beside them anyway")
        # what a config file has as lists becomes hashable
        object.__setattr__(self, "keep_rates", tuple(self.keep_rates))
        object.__setattr__(self, "resolutions", tuple(ComputeBudget(resolution=r).resolution for r in self.resolutions))
        object.__setattr__(self, "reduce_at", budgets[0].reduce_at)
        if not isinstance(self.small_weight, numbers.Real) or not 0 < self.small_weight < math.inf:
            raise ValueError(f"small_weight {self.small_weight!r}: give a number above 0, 1 for as much as full size")
        if not isinstance(self.distill_share, numbers.Real) or not 0 <= self.distill_share <= 1:
            raise ValueError(
                f"distill_share {self.distill_share!r}: give a share, 1 for the twins alone, 0 for the labels"
            )
        if self.warmup is not None:
            KeepRateWarmup(*self.warmup)  # raises if it is wrong
            object.__setattr__(self, "warmup", tuple(self.warmup))

    def budget(self, keep_rate: float, resolution: float | int | tuple[int, int] | None) -> ComputeBudget:
        """The budget of a keep rate and a resolution."""
        return ComputeBudget(keep_rate, self.reduce_at, self.fuse, resolution)

    def grid(self) -> list[ComputeBudget]:
        """All budgets: every resolution, the input's own first, with every keep rate, 1 first."""
        budgets = [self.budget(rate, size) for size in (None, *self.resolutions) for rate in (1.0, *self.keep_rates)]
        return list(dict.fromkeys(budgets))

    def draw(self, step: int, progress: float = 1.0) -> list[BudgetPair]:
        """The budgets of a training step, after a share of training: two pairs, or one if the drawn resolution is the
        input's own. They are the same in every process and after resuming."""
        chance = np.random.default_rng([self.seed, step])
        rate = self.keep_rates[chance.integers(len(self.keep_rates))]
        size = self.resolutions[chance.integers(len(self.resolutions))]
        other = self.keep_rates[chance.integers(len(self.keep_rates))] if self.independent_rates else rate
        pairs = []
        drawn = [(None, rate)] if size is None else [(None, rate), (size, other)]
        for resolution, keep_rate in drawn:
            reduced = self.budget(keep_rate, resolution)
            if self.warmup is not None:
                reduced = KeepRateWarmup(*self.warmup).at(progress, reduced)
            weight = 1.0 if resolution is None else self.small_weight
            some = reduced if reduced.keep_rate < 1 else None
            pairs.append(BudgetPair(self.budget(1.0, resolution), some, weight, self.distill_share))
        if self.sum_losses:
            return pairs
        total = sum(pair.weight * (1 + (pair.reduced is not None)) for pair in pairs)
        return [pair._replace(weight=pair.weight / total) for pair in pairs]


def elastic_loss(
    predict: Callable[[ComputeBudget], Answer],
    criterion: Callable[[Answer], torch.Tensor],
    pairs: list[BudgetPair],
    distill: Callable[[Answer, Answer], torch.Tensor] | None = None,
) -> torch.Tensor:
    """Loss of one training step: the weighted sum of the losses of its budgets. The weights make it a mean, or with
    ``sum_losses`` a sum.

    Args:
        predict: The model's answer at a budget, for the batch at hand.
        criterion: Loss of such an answer against the labels.
        pairs: From ``ElasticBudgets.draw``.
        distill: Loss of an answer against that of its twin, which gets no gradient; None for
            ``distillation_loss``.

    In a loop such as timm's, instead of ``loss = criterion(model(images), labels)``::

        pairs = elastic.draw(step, progress=step / steps)  # without progress there is no warm-up
        loss = elastic_loss(lambda b: model(images, budget=b), lambda scores: criterion(scores, labels), pairs)
    """
    if distill is None:  # answers are then tensors
        distill = cast("Callable[[Answer, Answer], torch.Tensor]", distillation_loss)
    losses = []
    for full, reduced, weight, share in pairs:
        answer = predict(full)
        losses.append(weight * criterion(answer))
        if reduced is not None:
            student = predict(reduced)
            if share > 0:
                losses.append(weight * share * distill(student, answer))
            if share < 1:
                losses.append(weight * (1 - share) * criterion(student))
    return torch.stack(losses).sum()


def distillation_loss(scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Divergence of class scores (B, K) or (B, K, H, W) from those of the twin, which has no gradient: a sum over
    classes, a mean over the rest (Kullback-Leibler, in nats). A single channel, as a sigmoid takes it, is the score
    of one of two classes; the other class has score 0.

    Args:
        scores: Scores of the model that learns.
        target: Scores of its twin, of the same shape.
    """
    if scores.size(1) == 1:
        scores, target = (torch.cat([torch.zeros_like(x), x], dim=1) for x in (scores, target))
    log_p, log_q = F.log_softmax(scores, dim=1), F.log_softmax(target.detach(), dim=1)
    return (log_q.exp() * (log_q - log_p)).sum(dim=1).mean()
