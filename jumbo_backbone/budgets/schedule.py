"""Compute budgets that change while a model is trained: EViT's warm-up, and token dropping."""

import math
from dataclasses import dataclass, replace

from .budget import ComputeBudget


@dataclass(frozen=True)
class KeepRateWarmup:
    """Keeps all patches at first, then fewer and fewer along a cosine, down to the keep rate of the model's own
    budget (EViT, ICLR 2022: from the 10th to the 110th of 300 epochs).

    Attributes:
        start, end: Shares of training at which the keep rate begins and ends to fall.

    Raises:
        ValueError: If they are not rising shares.
    """

    start: float = 1 / 30
    end: float = 11 / 30

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end <= 1:
            raise ValueError(f"start {self.start} and end {self.end}: give rising shares of training, from 0 to 1")

    def at(self, progress: float, own: ComputeBudget) -> ComputeBudget:
        """Budget after a share of training; ``own`` is the model's budget at the end."""
        done = min(max((progress - self.start) / (self.end - self.start), 0.0), 1.0)
        rate = own.keep_rate + (1 - own.keep_rate) * (1 + math.cos(math.pi * done)) / 2
        return replace(own, keep_rate=rate)


@dataclass(frozen=True)
class TokenDropping:
    """Drops patches, drawn at random, after the first block's attention, fewer and fewer of them (Jumbo, ICLR 2026:
    90 % falling linearly to 10 %). This makes training faster.

    Attributes:
        first, last: Share of the patches that is dropped at the beginning and at the end of training.

    Raises:
        ValueError: If one of them is not a share below 1.
    """

    first: float = 0.9
    last: float = 0.1

    def __post_init__(self) -> None:
        for name, share in dict(first=self.first, last=self.last).items():
            if not 0 <= share < 1:
                raise ValueError(f"{name} {share}: give the share of the patches to drop, from 0 to below 1")

    def at(self, progress: float, own: ComputeBudget) -> ComputeBudget:
        """Budget after a share of training. It replaces the reduction of the model's ``own`` budget."""
        dropped = self.first + (self.last - self.first) * min(max(progress, 0.0), 1.0)
        return replace(own, keep_rate=1 - dropped, reduce_at=(0,), fuse=False, ranking="random")
