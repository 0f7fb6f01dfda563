"""Thresholds of a cascade, chosen on validation data: the least cost that is good enough (Wang et al., ICLR 2022)."""

import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from ..budgets.profile import measure_calls
from ..files import write_atomically
from .committee import Cascade, Committee, tensors_of
from .outcomes import Group, Outcomes, Routing, leaving_stage, stage_groups

UNITS = ("FLOPs", "ms")


# ---- costs


@torch.no_grad()
def member_costs(committee: Committee, *example, unit: str = "FLOPs", repeats: int = 20) -> list[float]:
    """What each member costs on an example, as FLOPs or measured in ms on the machine at hand, in turn.

    Raises:
        ValueError: For an unknown unit.
    """
    if unit not in UNITS:
        raise ValueError(f"unknown unit {unit!r}: choose one of {', '.join(UNITS)}")
    calls = [lambda i=i: committee.ask(i, *example) for i in range(len(committee.members))]
    measured = measure_calls(calls, tensors_of(example)[0].device, repeats)
    return [float(cost[UNITS.index(unit)]) for cost in measured]


# ---- temperatures


def fit_temperatures(scores: Sequence[torch.Tensor], labels: torch.Tensor) -> list[float]:
    """What to divide each member's scores (n, K) by, so that its probabilities are as likely as can be (Guo et al.,
    2017, section 4.2). Of dense scores give a sample of pixels.

    Raises:
        ValueError: If there are no samples.
    """
    if not len(labels):
        raise ValueError("no samples: give validation data")
    return [_temperature(s.double(), labels) for s in scores]


def _temperature(scores: torch.Tensor, labels: torch.Tensor, low: float = -4.0, high: float = 4.0) -> float:
    """By golden section on log T: the loss has one minimum in 1/T."""
    golden = (math.sqrt(5) - 1) / 2

    def loss(x: float) -> float:
        return float(F.cross_entropy(scores * math.exp(-x), labels))

    while high - low > 1e-4:
        left, right = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, right) if loss(left) <= loss(right) else (left, high)
    return math.exp((low + high) / 2)


# ---- thresholds


@dataclass(frozen=True)
class Calibration:
    """A cascade's thresholds, and what they did on the validation data.

    Attributes:
        names: Of the members.
        costs: Of each member alone, in ``unit``.
        unit: "FLOPs" or "ms", or whatever the costs are in.
        thresholds, temperatures, confidence, ensemble: See ``Cascade``; ``math.inf`` sends all on.
        target: Least metric asked for.
        metric: "accuracy" or "mIoU".
        value: Metric of the cascade, from 0 to 1.
        member_values: Metric of each member alone, or of it and all before it where answers are averaged.
        shares: Of the samples that leave with each member; they sum to 1.
        expected_cost: Mean over the samples.
        worst_cost: Of a sample that asks all members.
        samples: How many there were.
        members: What each member is by its content, where that is known; compared instead of the names.
    """

    names: list[str]
    costs: list[float]
    unit: str
    thresholds: list[float]
    temperatures: list[float]
    confidence: str
    ensemble: bool
    target: float
    metric: str
    value: float
    member_values: list[float]
    shares: list[float]
    expected_cost: float
    worst_cost: float
    samples: int = field(default=0)
    members: list[str] = field(default_factory=list)

    def apply(self, cascade: Cascade, members: Sequence[str] = ()) -> Cascade:
        """Give a cascade these thresholds, temperatures, confidence and way to answer.

        Args:
            cascade: What to change.
            members: What each of its members is by its content, if that is known.

        Raises:
            ValueError: If its members are not those that were calibrated.
        """
        if members and self.members:
            self._require_members(cascade.names, list(members))
        elif cascade.names != self.names:
            raise ValueError(
                f"calibrated for the members {self.names}, the cascade has {cascade.names}: calibrate it anew, or "
                "build it from the same ones in the same order"
            )
        cascade.thresholds, cascade.temperatures = self.thresholds, self.temperatures
        cascade.confidence, cascade.ensemble = self.confidence, self.ensemble
        return cascade

    def _require_members(self, names: Sequence[str], members: list[str]) -> None:
        if len(members) != len(self.members):
            raise ValueError(
                f"calibrated for {len(self.members)} members, {self.names}, the cascade has {len(members)}: calibrate "
                "it anew, or build it from the same ones"
            )
        other = [name for name, now, then in zip(names, members, self.members, strict=True) if now != then]
        if other:
            swapped = ", which has the same ones in another order" * (sorted(members) == sorted(self.members))
            raise ValueError(
                f"calibrated for other members{swapped}: {other} differ from {self.names} in weights, config, budget "
                "or windows, whatever their names; calibrate the cascade anew"
            )

    def save(self, path: str | Path) -> None:
        """Write JSON; a threshold that sends all on is null.

        Raises:
            ValueError: If the confidence is a function, which JSON cannot hold.
        """
        write_atomically(json.dumps(self.to_json(), indent=1).encode(), path)

    def to_json(self) -> dict[str, Any]:
        """As a dict for a JSON file; a threshold that sends all on is None.

        Raises:
            ValueError: If the confidence is a function, which JSON cannot hold.
        """
        if not isinstance(self.confidence, str):
            raise ValueError("the confidence is a function, which a file cannot hold: save it as code of your own")
        return dict(asdict(self), thresholds=[None if t == math.inf else t for t in self.thresholds])

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "Calibration":
        """Undo ``to_json``."""
        return cls(**{**record, "thresholds": [math.inf if t is None else t for t in record["thresholds"]]})

    @classmethod
    def load(cls, path: str | Path) -> "Calibration":
        """Read what ``save`` wrote.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it holds something else.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f"no calibration at {Path(path).absolute()}: give a file that calibrating left")
        try:
            return cls.from_json(json.loads(Path(path).read_text()))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path} holds no calibration of a cascade ({error}): give what calibrating left"
            ) from None

    def __str__(self) -> str:
        width = max(map(len, self.names))
        lines = [f"{'member':<{width}}  {self.metric:>8}  {self.unit:>9}  threshold  leave"]
        for i, name in enumerate(self.names):
            threshold = f"{self.thresholds[i]:9.4f}" if i < len(self.thresholds) else f"{'-':>9}"
            lines.append(
                f"{name:<{width}}  {100 * self.member_values[i]:8.2f}  {_short(self.costs[i]):>9}  {threshold}  "
                f"{self.shares[i]:5.0%}"
            )
        lines.append(f"{'cascade':<{width}}  {100 * self.value:8.2f}  {_short(self.expected_cost):>9}")
        lines.append(
            f"at worst {_short(self.worst_cost)} {self.unit}; on average {self.expected_cost / self.costs[-1]:.0%} of "
            f"the last member's; {self.samples} validation samples, target {100 * self.target:.2f}"
        )
        return "\n".join(lines)


def _short(cost: float) -> str:
    return f"{cost:.3g}" if cost < 1e4 else f"{cost / 1e9:.3g} G" if cost >= 1e8 else f"{cost / 1e6:.3g} M"


def calibrate(
    cascade: Cascade,
    outcomes: Outcomes,
    costs: Sequence[float],
    target: float | str = "last",
    unit: str = "FLOPs",
    by_loss: bool = False,
    tolerance: float = 0.0,
) -> Calibration:
    """Choose a cascade's thresholds, and set them: the least mean cost whose metric on validation data is at least the
    target. Exact for two members; for more, one threshold after another until none can be bettered, from four starts.

    Few samples may have no error that tells two members apart, and yet tell which is the better one: with ``by_loss``,
    of accuracy, the mean cross-entropy may besides not be above the last member's by more than the standard error of
    the difference (the rule of Breiman et al., 1984, section 3.4.3).

    A threshold lies halfway between the last sample that leaves and the first that goes on.

    Args:
        cascade: What to set the thresholds of.
        outcomes: See ``ask_all``; of its stages at least.
        costs: Of asking each member about one sample.
        target: Least metric, from 0 to 1, or "last": as good as the last member.
        unit: Of the costs.
        by_loss: Whether the cross-entropy counts as well.
        tolerance: How much less than the last member's the metric may be, from 0 to 1; 0.005 is half a point. Where a
            cheap member is as good but for chance, exactness lets the chance of few samples decide who goes on.

    Raises:
        ValueError: If no thresholds reach the target, numbers do not fit the members, a target of one's own has a
            tolerance, or there is no cross-entropy.
    """
    members = len(cascade.members)
    if len(costs) != members or not all(0 < c < math.inf for c in costs):
        raise ValueError(f"costs {list(costs)} for {members} members: give a number above 0 for each")
    if isinstance(target, str) and target != "last":
        raise ValueError(f"unknown target {target!r}: give a number from 0 to 1, or 'last'")
    if not 0 <= tolerance < 1 or (tolerance and target != "last"):
        raise ValueError(
            f"tolerance {tolerance} of target {target!r}: give a number from 0 to 1 with target 'last', none with "
            "another"
        )
    stages = stage_groups(members, cascade.ensemble)
    values = [outcomes.metric_of(group) for group in stages]
    least = values[-1] - tolerance if target == "last" else float(target)
    found = choose_thresholds(outcomes, stages, costs, least, by_loss)
    cascade.thresholds = found.thresholds
    return Calibration(
        names=list(cascade.names),
        costs=[float(c) for c in costs],
        unit=unit,
        thresholds=list(cascade.thresholds),
        temperatures=list(cascade.temperatures),
        confidence=cascade.confidence,
        ensemble=cascade.ensemble,
        target=least,
        metric=outcomes.metric,
        value=found.value,
        member_values=values,
        shares=found.shares,
        expected_cost=found.cost,
        worst_cost=float(sum(costs)),
        samples=len(outcomes),
    )


def choose_thresholds(
    outcomes: Outcomes, stages: Sequence[Group], costs: Sequence[float], least: float, by_loss: bool = False
) -> Routing:
    """Thresholds of least mean cost whose metric is at least ``least``.

    Args:
        outcomes: Of the stages at least.
        stages: Whose answer counts at each stage.
        costs: Of each stage, beside those before it.
        least: Metric from 0 to 1.
        by_loss: See ``calibrate``.

    Raises:
        ValueError: If no thresholds reach that.
    """
    search = _Search(outcomes, stages, costs, least, by_loss)
    found = search.best()
    if found.value < least - _TOLERANCE or not found.like_last:
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
    found = {choose_thresholds(outcomes, stages, costs, target - _TOLERANCE).thresholds: None for target in targets}
    return [outcomes.routed(stages, thresholds, costs) for thresholds in found]


_TOLERANCE = 1e-9  # of metrics that are equal but for rounding


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
        """Whether the mean of what the cross-entropy is too high is within its standard error, from sums (…, 2)."""
        n = len(self.outcomes)
        mean, square = (sums / n).unbind(dim=-1)
        error = ((square - mean.square()).clamp(min=0) / max(1, n - 1)).sqrt()
        return mean <= error + _TOLERANCE

    def best(self) -> _Found:
        """From everybody going on and from everybody leaving, first thresholds first and last."""
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
        """The smaller the better: good enough, and cheap; or as good as can be."""
        if found.value >= self.least - _TOLERANCE and found.like_last:
            return False, found.cost, -found.value
        return True, -found.value, found.cost

    def _sweep(self, thresholds: tuple[float, ...], i: int) -> _Found:
        """The best value of one threshold, exactly, the others being as they are."""
        stage = leaving_stage(self.confidence, thresholds)
        (here,) = (stage >= i).nonzero(as_tuple=True)  # who comes as far
        if not len(here):
            return self._judge(thresholds)
        later = leaving_stage(self.confidence, (*thresholds[:i], math.inf, *thresholds[i + 1 :]))
        confidence, order = self.confidence[i, here].sort(descending=True, stable=True)
        here = here[order]
        later = later[here]
        # k of them leave, the most confident ones: what changes, for k = 0 … all
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
    """A threshold at which the first k of falling confidences leave. If all do, whoever is less sure than any of them
    goes on."""
    if k == 0:
        return math.inf
    lowest = float(confidence[k - 1])
    return (lowest + float(confidence[k])) / 2 if k < len(confidence) else max(lowest - 1e-4, 0.0)
