"""The search for a cascade's thresholds: the least mean cost at which validation data are answered well enough."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .outcomes import Group, Outcomes, Routing, leaving_stage

ROUNDING = 1e-9  # metrics that differ by less are equal


def choose_thresholds(
    outcomes: Outcomes, stages: Sequence[Group], costs: Sequence[float], least: float, by_loss: bool = False
) -> Routing:
    """Thresholds of least mean cost whose metric is at least ``least``.

    Args:
        outcomes: Outcomes of the stages at least.
        stages: The members that answer at each stage.
        costs: Cost that each stage adds to those before it.
        least: Metric from 0 to 1.
        by_loss: See ``calibrate``.

    Raises:
        ValueError: If no thresholds reach that.
    """
    search = _Search(outcomes, stages, costs, least, by_loss)
    found = search.best()
    if found.value < least - ROUNDING or not found.like_last:
        also = " with the last member's cross-entropy" * by_loss
        raise ValueError(
            f"no thresholds reach a {outcomes.metric} of {least:.4g}{also} on the validation data: the best is "
            f"{found.value:.4g}; ask for at most that, or give better members"
        )
    return outcomes.routed(stages, found.thresholds, costs)


def trade_off(outcomes: Outcomes, stages: Sequence[Group], costs: Sequence[float], points: int = 25) -> list[Routing]:
    """A cascade at rising targets, from its worst stage's metric to the best that thresholds reach."""
    values = [outcomes.metric_of(group) for group in stages]
    best = _Search(outcomes, stages, costs, math.inf).best().value
    targets = torch.linspace(min(values), best, points, dtype=torch.float64).tolist()
    found = {choose_thresholds(outcomes, stages, costs, target - ROUNDING).thresholds: None for target in targets}
    return [outcomes.routed(stages, thresholds, costs) for thresholds in found]


@dataclass(frozen=True)
class _Found:
    thresholds: tuple[float, ...]
    value: float
    cost: float
    like_last: bool = True  # in cross-entropy


class _Search:
    """Thresholds of S stages for n validation samples."""

    def __init__(
        self, outcomes: Outcomes, stages: Sequence[Group], costs: Sequence[float], least: float, by_loss: bool = False
    ) -> None:
        self.outcomes, self.least = outcomes, least
        self.confidence, self.tallies = (torch.stack(t) for t in zip(*map(outcomes.of, stages), strict=True))
        self.costs = torch.tensor(list(costs), dtype=torch.float64).cumsum(dim=0)  # of leaving at each stage
        self.samples = torch.arange(len(outcomes))
        excess = outcomes.excess(stages) if by_loss else torch.zeros_like(self.confidence)
        self.excess = torch.stack([excess, excess.square()], dim=2)  # (S, n, 2)

    def _like_last(self, sums: torch.Tensor) -> torch.Tensor:
        """Whether the mean excess of the cross-entropy is within its standard error, from sums (…, 2)."""
        n = len(self.outcomes)
        mean, square = (sums / n).unbind(dim=-1)
        error = ((square - mean.square()).clamp(min=0) / max(1, n - 1)).sqrt()
        return mean <= error + ROUNDING

    def best(self) -> _Found:
        """The best of up to four descents: they start with all samples going on or all leaving, and take the
        thresholds in either order."""
        count = len(self.costs) - 1
        starts = itertools.product((math.inf, 0.0) if count > 1 else (math.inf,), (range(count), range(count)[::-1]))
        found = [self._descend((start,) * count, list(order)) for start, order in starts]
        return min(found, key=self._rank)

    def _descend(self, thresholds: tuple[float, ...], order: list[int]) -> _Found:
        now = self._judge(thresholds)
        while True:
            before = now
            for i in order:
                now = min(now, self._sweep(now.thresholds, i), key=self._rank)
            if self._rank(now) >= self._rank(before):
                return before

    def _judge(self, thresholds: tuple[float, ...]) -> _Found:
        stage = leaving_stage(self.confidence, thresholds)
        value = float(self.outcomes.score(self.tallies[stage, self.samples].sum(dim=0)))
        like_last = bool(self._like_last(self.excess[stage, self.samples].sum(dim=0)))
        return _Found(thresholds, value, float(self.costs[stage].mean()), like_last)

    def _rank(self, found: _Found) -> tuple[bool, float, float]:
        """Sort key, smaller is better: first what is good enough, by cost; then the rest, by metric."""
        if found.value >= self.least - ROUNDING and found.like_last:
            return False, found.cost, -found.value
        return True, -found.value, found.cost

    def _sweep(self, thresholds: tuple[float, ...], i: int) -> _Found:
        """The best value of one threshold, exactly, with the others as they are."""
        stage = leaving_stage(self.confidence, thresholds)
        (here,) = (stage >= i).nonzero(as_tuple=True)  # samples that reach stage i
        if not len(here):
            return self._judge(thresholds)
        later = leaving_stage(self.confidence, (*thresholds[:i], math.inf, *thresholds[i + 1 :]))
        confidence, order = self.confidence[i, here].sort(descending=True, stable=True)
        here = here[order]
        later = later[here]
        # the k most confident leave here: the sums for each k
        fixed = stage < i

        def sums(per_stage: torch.Tensor) -> torch.Tensor:
            base = per_stage[stage[fixed], self.samples[fixed]].sum(dim=0) + per_stage[later, here].sum(dim=0)
            return torch.cat([base[None], base + (per_stage[i, here] - per_stage[later, here]).cumsum(dim=0)])

        values, like_last = self.outcomes.score(sums(self.tallies)), self._like_last(sums(self.excess))
        saved = torch.cat([torch.zeros(1, dtype=torch.float64), (self.costs[later] - self.costs[i]).cumsum(dim=0)])
        costs = (self.costs[stage[fixed]].sum() + self.costs[later].sum() - saved) / len(self.outcomes)
        apart = torch.ones(len(values), dtype=torch.bool)
        apart[1:-1] = confidence[1:] < confidence[:-1]  # equals leave together
        candidates = [
            _Found(
                (*thresholds[:i], _between(confidence, k), *thresholds[i + 1 :]),
                *(float(values[k]), float(costs[k]), bool(like_last[k])),
            )
            for k in apart.nonzero()[:, 0].tolist()
        ]
        return min(candidates, key=self._rank)


def _between(confidence: torch.Tensor, k: int) -> float:
    """A threshold at which the first k of falling confidences leave. Even if all of them leave, a sample with a lower
    confidence than all goes on."""
    if k == 0:
        return math.inf
    lowest = float(confidence[k - 1])
    return (lowest + float(confidence[k])) / 2 if k < len(confidence) else max(lowest - 1e-4, 0.0)
