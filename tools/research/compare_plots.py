"""Pictures of a comparison (see compare_report.py)."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure


def ranks_on_a_line(names: list[str], ranks: np.ndarray, difference: float) -> Figure:
    """Mean ranks (k,), 1 on the right; bars join models that are not told apart (Demšar, 2006, figure 1)."""
    figure = Figure(figsize=(7, 2.2))
    ax = figure.add_subplot()
    order = np.argsort(ranks)
    k = len(names)
    ax.set_xlim(k + 0.5, 0.5)
    ax.hlines(0, 1, k, color="black")
    for rank in range(1, k + 1):
        ax.vlines(rank, 0, 0.12, color="black")
        ax.text(rank, 0.2, str(rank), ha="center", va="bottom")
    groups = [(i, max(j for j in range(i, k) if ranks[order[j]] - ranks[order[i]] < difference)) for i in range(k)]
    groups = [(i, j) for i, j in groups if j > i and not any(a <= i and j <= b and (a, b) != (i, j) for a, b in groups)]
    for level, (i, j) in enumerate(groups):
        ax.hlines(-0.25 - 0.2 * level, ranks[order[i]] - 0.03, ranks[order[j]] + 0.03, color="black", linewidth=4)
    below = -0.25 - 0.2 * len(groups)
    for place, model in enumerate(order):
        better = place < (k + 1) // 2
        depth = below - 0.35 * (place if better else k - 1 - place) - 0.2
        edge = 0.55 if better else k + 0.45
        ax.plot([ranks[model], ranks[model], edge], [0, depth, depth], color="0.4", linewidth=1)
        text = f"{names[model]} {ranks[model]:.2f}"
        ax.text(edge, depth + 0.03, text, ha="right" if better else "left", va="bottom")
    ax.hlines(0.75, k, k - difference, color="tab:red", linewidth=2)
    ax.text(k, 0.82, f"critical difference {difference:.2f}", color="tab:red", va="bottom", ha="left")
    ax.set_ylim(below - 0.35 * ((k + 1) // 2) - 0.2, 1.3)
    ax.axis("off")
    return figure


def norms_of_patches(runs: Iterable[tuple[str, dict[str, Any]]]) -> Figure:
    """Of each model a histogram of the lengths of patch tokens over their median, and their map of one image.

    Args:
        runs: Models and their figures: ``norm_histogram`` of 60 bins from 0 to 6, ``norm_maps``, and
            ``norm_quantiles``, of which the fifth is the median.
    """
    runs = list(runs)
    figure = Figure(figsize=(2.2 * len(runs), 4.2))
    for i, (model, run) in enumerate(runs):
        counts = np.array(run["norm_histogram"]) / np.sum(run["norm_histogram"])
        ax = figure.add_subplot(2, len(runs), i + 1)
        ax.set_title(model, fontsize=9)
        ax.bar(np.linspace(0, 6, len(counts), endpoint=False), counts, width=6 / len(counts), align="edge")
        ax.set(yscale="log", ylim=(1e-5, 1), xlabel="length / median")
        ax = figure.add_subplot(2, len(runs), len(runs) + i + 1)
        ax.imshow(np.array(run["norm_maps"][0]) / run["norm_quantiles"][4], vmin=0, vmax=2)
        ax.axis("off")
    figure.tight_layout()
    return figure


def growth_of_seconds(seconds: dict[str, pd.Series], fitted: dict[str, float], over: str) -> Figure:
    """Seconds by size of each thing timed, and the power of the size that was fitted to them."""
    figure = Figure(figsize=(5.5, 3.4))
    ax = figure.add_subplot()
    for what, series in seconds.items():
        sizes, power = series.index.to_numpy(float), fitted[what]
        (points,) = ax.loglog(sizes, series, "o", label=f"{what}, {over} to the power of {power:.2f}")
        middle, height = np.exp(np.log(sizes).mean()), np.exp(np.log(series).mean())
        ax.loglog(sizes, height * (sizes / middle) ** power, color=points.get_color(), linewidth=1)
    ax.set(xlabel=over, ylabel="seconds")
    ax.legend(fontsize=8)
    return figure


def medians(lines: dict[str, Sequence[tuple[Any, dict[str, float]]]], x: str, y: str) -> Figure:
    """Medians with their quartiles, at numbers joined by lines, at names side by side. What is 1 throughout is what the
    others are measured against: the line at 1."""
    lines = {name: points for name, points in lines.items() if any(v["median"] != 1 for _, v in points)}
    levels = list(dict.fromkeys(at for points in lines.values() for at, _ in points))
    numbers = all(isinstance(at, int | float) for at in levels)
    figure = Figure(figsize=(5.5, 3.4) if numbers else (9, 3.6))
    ax = figure.add_subplot()
    ax.axhline(1, color="0.6", linewidth=1)
    for i, (name, points) in enumerate(lines.items()):
        beside = 0.6 * (i + 0.5) / len(lines) - 0.3
        places = [at if numbers else levels.index(at) + beside for at, _ in points]
        middle, q1, q3 = (np.array([v[q] for _, v in points]) for q in ("median", "q1", "q3"))
        style = "o-" if numbers else "o"
        ax.errorbar(places, middle, [middle - q1, q3 - middle], fmt=style, markersize=4, capsize=2, label=name)
    if numbers:
        ax.set_xlabel(x)
    else:
        ax.set_xticks(range(len(levels)), [str(at).replace(", ", ",\n") for at in levels], fontsize=8)
    ax.set_ylabel(y)
    ax.legend(fontsize=8)
    return figure
