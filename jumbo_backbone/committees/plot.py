"""The picture of a committee: metric and cost of its members, their ensembles and their cascades."""

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch

from .outcomes import Group, Outcomes, stage_groups
from .thresholds import trade_off

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {"member": "#8a93a6", "ensemble": "#0f766e", "cascade": "#c2410c"}


def plot_committee(
    outcomes: Outcomes, costs: Sequence[float], names: Sequence[str], unit: str = "FLOPs", ax: "Axes | None" = None
) -> "Axes":
    """Draw metric against mean cost for every member, every ensemble, and the cascades of each rising pair and of all
    members, at all targets; and the frontier, above which there is nothing at a lower cost.

    Args:
        outcomes: Outcomes of single members at least (see ``ask_all``); ensembles that were asked are drawn too.
        costs: Cost of each member.
        names: Names of the members, cheap ones first.
        unit: Unit of the costs.
        ax: matplotlib axes; new ones if None.

    Returns:
        The axes.
    """
    import matplotlib.pyplot as plt

    if ax is None:
        _, ax = plt.subplots(figsize=(7.5, 4.8), layout="constrained")
    points = []

    def draw(kind: str, where: list[tuple[float, float]], **style: Any) -> None:
        points.extend(where)
        ax.plot(*zip(*((cost, 100 * value) for cost, value in where), strict=True), color=_COLOURS[kind], **style)

    for group in outcomes.groups:
        where = sum(costs[i] for i in group), outcomes.metric_of(group)
        single = len(group) == 1
        kind = "member" if single else "ensemble"
        draw(kind, [where], marker="o" if single else "s", ls="", label=f"{kind}s" if group in ((0,), (0, 1)) else None)
        text = names[group[0]] if single else " + ".join(str(i + 1) for i in group)
        above = (0, 9) if single else (0, -15)
        place: dict[str, Any] = dict(
            xytext=above, textcoords="offset points", ha="center", fontsize="x-small", color=_COLOURS[kind]
        )
        ax.annotate(f"{group[0] + 1}: {text}" if single else text, (where[0], 100 * where[1]), **place)
    told = set()
    for members, stages in _cascades(outcomes, len(names)):
        found = trade_off(outcomes, stages, [costs[i] for i in members])
        together = len(stages[-1]) > 1
        label = "cascades of means" if together else "cascades"
        style = dict(ls="--" if together else "-", lw=1.1, alpha=0.7, label=None if label in told else label)
        told.add(label)
        draw("cascade", [(r.cost, r.value) for r in found], **style)
    frontier = sorted(frontier_of(points))
    steps: dict[str, Any] = dict(color="black", lw=4, alpha=0.15, drawstyle="steps-post", zorder=0, label="frontier")
    ax.plot([c for c, _ in frontier], [100 * v for _, v in frontier], **steps)
    ax.set(xlabel=f"mean cost, {unit}", ylabel=f"{outcomes.metric}, %")
    ax.margins(x=0.12, y=0.12)
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize="small", loc="lower right")
    return ax


def _cascades(outcomes: Outcomes, members: int) -> Iterator[tuple[Group, list[Group]]]:
    """Members and stages of each pair and of all, answering alone and, where it was asked for, together."""
    wanted = [*itertools.combinations(range(members), 2), *([tuple(range(members))] if members > 2 else [])]
    for chosen in wanted:
        for ensemble in (False, True):
            stages: list[Group] = [tuple(chosen[i] for i in g) for g in stage_groups(len(chosen), ensemble)]
            if all(stage in outcomes.groups for stage in stages):
                yield chosen, stages


def frontier_of(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The pairs (cost, metric) for which no other pair is as cheap and better, or as good and cheaper."""
    costs, values = torch.tensor(points, dtype=torch.float64).unbind(dim=1)
    beaten = ((costs <= costs[:, None]) & (values >= values[:, None])) & (
        (costs < costs[:, None]) | (values > values[:, None])
    )
    return list(dict.fromkeys(p for p, b in zip(points, beaten.any(dim=1).tolist(), strict=True) if not b))
