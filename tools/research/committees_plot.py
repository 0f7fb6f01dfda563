"""The picture of what cascades of segmentors save: metric against cost, with the spread over checkpoints."""

from pathlib import Path

import numpy as np

MEMBER, TOGETHER, CASCADES = "#8a93a6", "#0f766e", {False: "#c2410c", True: "#1d4ed8"}


def plot_segmentation(records: list[dict], title: str, path: Path) -> None:
    """Means over the checkpoints, with bars of one standard error where there are several; costs are means, too."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4.8), layout="constrained")

    def point(costs: list[float], values: list[float], style: str, colour: str, label: str, aside: float = 0.0) -> None:
        error = 100 * np.std(values, ddof=1) / len(values) ** 0.5 if len(values) > 1 else None
        where = np.mean(costs) + aside, 100 * np.mean(values)
        axes.errorbar(*where, yerr=error, fmt=style, color=colour, capsize=3, ms=7, label=label)

    names = records[0]["names"]
    once = list({record["checkpoint"]: record for record in records}.values())
    for n, name in enumerate(names):
        costs = [sum(r["costs"][n : n + 1]) / r["costs"][-1] for r in once]
        point(costs, [r["groups"][str(n + 1)] for r in once], "o^v"[n % 3], MEMBER, f"member {n + 1}: {name}")
    whole = " + ".join(str(n + 1) for n in range(len(names)))
    costs = [sum(r["costs"]) / r["costs"][-1] for r in once]
    point(costs, [r["groups"][whole] for r in once], "s", TOGETHER, f"ensemble {whole}, all answers averaged")
    tolerances = sorted({record["tolerance"] for record in records})
    for ensemble, tolerance in dict.fromkeys((r["ensemble"], r["tolerance"]) for r in records):
        mine = [r for r in records if (r["ensemble"], r["tolerance"]) == (ensemble, tolerance)]
        lost = f"may lose {100 * tolerance:g} points" if tolerance else "may lose nothing"
        label = f"cascade, answers {'averaged' if ensemble else 'alone'}, {lost}"
        marker = "*P"[tolerances.index(tolerance) % 2]
        shares, values, aside = [r["flops_share"] for r in mine], [r["value"] for r in mine], 0.008 * ensemble
        point(shares, values, marker, CASCADES[ensemble], label, aside)  # so that no bar hides another
    axes.set(xlabel=f"mean FLOPs of an image, over those of the last member ({names[-1]})", ylabel="mIoU, %")
    axes.margins(x=0.08, y=0.15)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    spread = f"; means of {len(once)} checkpoints, bars: standard error" if len(once) > 1 else ""
    figure.suptitle(f"{title}{spread}", fontsize="medium")
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize="small")
    figure.savefig(path, format="png", dpi=150)
    plt.close(figure)
