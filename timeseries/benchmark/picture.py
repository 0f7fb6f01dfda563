"""The picture of `jumbo benchmark-series`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

from .report import OURS


def draw(records: Sequence[Mapping[str, Any]], title: str, path: Path) -> None:
    """Accuracy and coverage of each method, side by side for each set, as a PNG."""
    matplotlib.use("Agg", force=False)
    import matplotlib.pyplot as plt

    sets = list(dict.fromkeys(record["set"] for record in records))
    methods = list(dict.fromkeys(record["method"] for record in records))
    figure, (accuracy, coverage) = plt.subplots(1, 2, figsize=(max(10, 4 + 2 * len(sets)), 4.2), layout="constrained")
    width = 0.8 / len(methods)
    for m, method in enumerate(methods):
        mine = [record for record in records if record["method"] == method]
        places = [sets.index(record["set"]) + (m - (len(methods) - 1) / 2) * width for record in mine]
        style = dict(width=width, label=method, color="C3" if method == OURS else f"C{(7, 0, 1, 2)[m % 4]}")
        accuracy.bar(places, [_number(r["mase"]) / _number(r["naive_mase"]) for r in mine], **style)
        coverage.bar(places, [_number(r["coverage_80"]) for r in mine], **style)
    accuracy.axhline(1, color="black", linewidth=0.8)
    accuracy.set_ylabel("MASE over that of the seasonal naive forecast")
    coverage.axhline(0.8, color="black", linewidth=0.8)
    coverage.set(ylabel="share of values within 80 % intervals", ylim=(0, 1))
    for axes in (accuracy, coverage):
        axes.set_xticks(range(len(sets)), sets)
    figure.suptitle(title, fontsize="medium")
    figure.legend(*accuracy.get_legend_handles_labels(), loc="outside lower center", ncols=len(methods), frameon=False)
    figure.savefig(path, format="png", dpi=120)
    plt.close(figure)


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
