"""The pictures of `jumbo benchmark`."""

from pathlib import Path
from typing import Any

from .. import BudgetTable
from .benchmark_table import label_of


def plot(records: list[dict], title: str, path: Path) -> None:
    """Throughput against image size: colour for the model, marker for the batch, dashes for the dtype."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

    lines: dict[tuple[str, int, str], dict[int, dict]] = {}
    for r in records:
        lines.setdefault((label_of(r), r["batch_size"], r["dtype"]), {})[r["img_size"]] = r["images_per_s"]
    models, batches, dtypes = (list(dict.fromkeys(key[i] for key in lines)) for i in range(3))
    figure, axes = plt.subplots(figsize=(8.5, 5), layout="constrained")
    for model, batch, dtype in sorted(lines, key=lambda key: models.index(key[0])):  # a column of the legend a model
        by_size = lines[model, batch, dtype]
        sizes = sorted(by_size)
        q1, median, q3 = ([by_size[size][q] for size in sizes] for q in ("q1", "median", "q3"))
        colour = f"C{models.index(model) % 10}"
        label = model + f", batch {batch}" * (len(batches) > 1) + f", {dtype}" * (len(dtypes) > 1)
        style: dict[str, Any] = dict(
            marker="os^Dv"[batches.index(batch) % 5], linestyle=["-", "--"][dtypes.index(dtype)]
        )
        axes.plot(sizes, median, color=colour, label=label, **style)
        axes.fill_between(sizes, q1, q3, color=colour, alpha=0.2, linewidth=0)
    axes.set(xlabel="image size (pixels)", ylabel="images/s", xscale="log")
    axes.set_xticks(sorted({r["img_size"] for r in records}))
    axes.xaxis.set(major_formatter="{x:g}", minor_locator=NullLocator())
    rates = [r["images_per_s"]["median"] for r in records]
    if max(rates) > 4 * min(rates):
        ticks = LogLocator(subs=(1, 2, 5) if max(rates) > 30 * min(rates) else (1, 1.5, 2, 3, 5, 7))
        axes.set_yscale("log")
        axes.yaxis.set(major_locator=ticks, major_formatter="{x:g}", minor_formatter=NullFormatter())
    else:
        axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, fontsize="medium")
    figure.legend(loc="outside lower center", ncols=min(len(models), 3), frameon=False, fontsize="small")
    figure.savefig(path, format="png", dpi=150)
    plt.close(figure)


def plot_budgets(table: BudgetTable, title: str, path: Path) -> None:
    """Accuracy against time: a curve for each resolution."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for n, size in enumerate(dict.fromkeys(row.budget.resolution for row in table)):
        rows = [row for row in table if row.budget.resolution == size]
        label = "full resolution" if size is None else f"resolution {size:g}"
        metrics: list[Any] = [r.metric for r in rows]
        axes.plot([r.latency_ms for r in rows], metrics, marker="os^Dv"[n % 5], label=label)
        for row in rows:
            assert row.metric is not None  # it was validated
            where = (row.latency_ms, row.metric)
            axes.annotate(f"{row.budget.keep_rate:g}", where, xytext=(4, -11), textcoords="offset points", fontsize=8)
    axes.set(xlabel="time of a batch, ms (numbers: keep rate)", ylabel="top-1 accuracy, %")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.suptitle(title, fontsize="medium")
    figure.savefig(path, format="png", dpi=150)
    plt.close(figure)
