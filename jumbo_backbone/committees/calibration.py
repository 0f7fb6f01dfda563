"""Thresholds of a cascade, chosen on validation data: the least cost at which the metric reaches a target (Wang et
al., ICLR 2022)."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from ..files import write_atomically
from .committee import Cascade
from .outcomes import Outcomes, stage_groups
from .thresholds import choose_thresholds


@dataclass(frozen=True)
class Calibration:
    """A cascade's thresholds, and their effect on the validation data.

    Attributes:
        names: Names of the members.
        costs: Cost of each member alone, in ``unit``.
        unit: Unit of the costs: "FLOPs", "ms" or another.
        thresholds, temperatures, confidence, ensemble: See ``Cascade``; a threshold of ``math.inf`` sends all samples
            on.
        target: Least metric asked for.
        metric: "accuracy" or "mIoU".
        value: Metric of the cascade, from 0 to 1.
        member_values: Metric of each member alone; where answers are averaged, of it together with all before it.
        shares: Fraction of the samples that leave with each member; they sum to 1.
        expected_cost: Mean cost of a sample.
        worst_cost: Cost of a sample that goes through all members.
        samples: Number of validation samples.
        members: A hash of each member's content, if known; it is compared instead of the names.
    """

    names: list[str]
    costs: list[float]
    unit: str
    thresholds: list[float]
    temperatures: list[float]
    confidence: str | Callable[[torch.Tensor], torch.Tensor]
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
        """Set the thresholds, temperatures, confidence and ``ensemble`` of a cascade to these.

        Args:
            cascade: The cascade to change.
            members: A hash of each member's content, if that is known.

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
        """Write JSON; a threshold that sends all samples on is null.

        Raises:
            ValueError: If the confidence is a function, which JSON cannot hold.
        """
        write_atomically(json.dumps(self.to_json(), indent=1).encode(), path)

    def to_json(self) -> dict[str, Any]:
        """A dict for a JSON file; a threshold that sends all samples on is None.

        Raises:
            ValueError: If the confidence is a function, which JSON cannot hold.
        """
        if not isinstance(self.confidence, str):
            raise ValueError("the confidence is a function, which a file cannot hold: keep it in code of your own")
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
            raise FileNotFoundError(f"no calibration at {Path(path).absolute()}: give a file that a calibration wrote")
        try:
            return cls.from_json(json.loads(Path(path).read_text()))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path} holds no calibration of a cascade ({error}): give a file that a calibration wrote"
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
    """Choose a cascade's thresholds and set them: of all whose metric on validation data reaches the target, those of
    least mean cost. The search is exact for two members. For more, it optimises one threshold after another, from
    four starts, until none improves.

    On few samples two members may make the same errors although one is better. With ``by_loss`` (for accuracy only)
    the mean cross-entropy, too, may exceed the last member's by at most the standard error of the difference (the
    rule of
    Breiman et al., 1984, section 3.4.3).

    A threshold lies halfway between the last sample that leaves and the first that goes on.

    Args:
        cascade: The cascade whose thresholds to set.
        outcomes: Outcomes of its stages at least; see ``ask_all``.
        costs: Cost of each member for one sample.
        target: Least metric, from 0 to 1, or "last": as good as the last member.
        unit: Unit of the costs.
        by_loss: Whether the cross-entropy has to be as good too.
        tolerance: How much less than the last member's the metric may be, from 0 to 1; 0.005 is half a point. With few
            samples the exact rule (0) overfits: where two members are equally good, chance decides what goes on.

    Raises:
        ValueError: If no thresholds reach the target, numbers do not fit the members, a target other than "last" has
            a tolerance, or there is no cross-entropy.
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
