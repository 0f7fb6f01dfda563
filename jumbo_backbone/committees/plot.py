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
    outcomes: Outcomes,
    costs: Sequence[float],
    names: Sequence[str],
    unit: str = "FLOPs",
    ax: "Axes | None" = None,
    chosen: tuple[float, float] | None = None,
) -> "Axes":
    """Draw metric against mean cost for every member, every ensemble, and the cascades of each rising pair and of all
    members, at all targets; and the frontier, above which there is nothing at a lower cost.

    The bars of members and ensembles are one standard error: how much the metric would vary on other samples of the
    same kind (bootstrap of the samples). All of them answer the same samples, so differences vary less.

    Args:
        outcomes: Outcomes of single members at least (see ``ask_all``); ensembles that were asked are drawn too.
        costs: Cost of each member.
        names: Names of the members, cheap ones first.
        unit: Unit of the costs.
        ax: matplotlib axes; new ones if None, with the legend beside them.
        chosen: Cost and metric, from 0 to 1, of what a calibration chose.

    Returns:
        The axes.
    """
    import matplotlib.pyplot as plt

    beside = ax is None
    if ax is None:
        _, ax = plt.subplots(figsize=(9, 4.8), layout="constrained")
    points = []

    for group in outcomes.groups:
        where = sum(costs[i] for i in group), outcomes.metric_of(group)
        points.append(where)
        single = len(group) == 1
        kind = "member" if single else "ensemble"
        numbers = " + ".join(str(i + 1) for i in group)
        label = f"member {numbers}: {names[group[0]]}" if single else "ensembles" if group == (0, 1) else None
        bar: dict[str, Any] = dict(
            yerr=100 * standard_error(outcomes, group), capsize=3, elinewidth=1, color=_COLOURS[kind]
        )
        ax.errorbar(where[0], 100 * where[1], fmt="o" if single else "s", label=label, **bar)
        near: dict[str, Any] = dict(xytext=(6, 4), textcoords="offset points", fontsize="small")
        ax.annotate(numbers, (where[0], 100 * where[1]), color=_COLOURS[kind], **near)
    told = set()
    for members, stages in _cascades(outcomes, len(names)):
        found = trade_off(outcomes, stages, [costs[i] for i in members])
        together = len(stages[-1]) > 1
        label = "cascades, answers averaged" if together else "cascades"
        style: dict[str, Any] = dict(
            ls="--" if together else "-", lw=1.1, alpha=0.7, label=None if label in told else label
        )
        told.add(label)
        points += [(r.cost, r.value) for r in found]
        ax.plot([r.cost for r in found], [100 * r.value for r in found], color=_COLOURS["cascade"], **style)
    frontier = sorted(frontier_of(points))
    label = "the best at no higher cost"
    steps: dict[str, Any] = dict(color="black", lw=4, alpha=0.15, drawstyle="steps-post", zorder=0, label=label)
    ax.plot([c for c, _ in frontier], [100 * v for _, v in frontier], **steps)
    if chosen is not None:
        ax.plot(chosen[0], 100 * chosen[1], "*", color="black", ms=12, label="chosen")
    ax.set_xlabel(f"mean cost of a sample, {unit}")
    ax.set_ylabel(f"{outcomes.metric} on {len(outcomes):,} validation samples, %")
    ax.set_title("bars: one standard error, of other samples of the same kind", fontsize="small", color="#666666")
    ax.margins(x=0.12, y=0.12)
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    place: dict[str, Any] = dict(loc="upper left", bbox_to_anchor=(1.01, 1)) if beside else dict(loc="best")
    ax.legend(frameon=False, fontsize="small", **place)
    return ax


def standard_error(outcomes: Outcomes, group: Group, draws: int = 200) -> float:
    """Standard error of a group's metric, from 0 to 1, by resampling the validation samples."""
    _, tallies = outcomes.of(group)
    n = len(outcomes)
    rows = torch.randint(n, (draws, n), generator=torch.Generator().manual_seed(0))
    often = torch.zeros(draws, n, dtype=torch.float64).scatter_add_(
        1, rows, torch.ones(rows.shape, dtype=torch.float64)
    )
    sums = (often @ tallies.flatten(1).double()).unflatten(1, tallies.shape[1:])
    return float(outcomes.score(sums).std())


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
