#!/usr/bin/env python3
"""Measure one model for many compute budgets against models trained for each budget alone.

"segmentation" trains a config at each budget alone, and its elastic twin once; "series" does the same with the
classifier of series, its network alone, without convolutions. Each model is tested at the budget that it was trained
for; the elastic ones, and those trained at the full budget ("not trained for"), at all of them. Times are of every
budget in turn, A B C A B C ..., so that a machine which slows down meanwhile slows all alike.

The file is written after every run, and runs that it has are not repeated. The plot shows metric against time.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from budgets_runs import ALONE, ELASTIC, budgets_of, plain
from budgets_segmentation import measure_segmentation
from budgets_series import measure_series

from jumbo_backbone import ComputeBudget
from jumbo_backbone.benchmarking.report import aligned, machine_facts, require_writable, where
from jumbo_backbone.files import replacing
from jumbo_cli.arguments import Parser, number
from jumbo_cli.failing import BadInputError, exit_code

EXAMPLES = """examples:
  %(prog)s segmentation seg_configs/jumbo_upernet_camvid.py seg_configs/jumbo_upernet_camvid_elastic.py \\
      --data-root data/camvid --iterations 400 --json camvid.json --plot camvid.png
  %(prog)s series GunPoint archive/Libras --json series.json --plot series.png
"""


# ---- output


def cell(
    results: dict, args: argparse.Namespace, kind: str, trained: ComputeBudget | None, tested: ComputeBudget
) -> dict[int, float]:
    """Metric by seed, the mean over the subjects; only of seeds that have all of them."""
    wanted = dict(kind=kind, trained=plain(trained), **args.recipe)
    found = [r for r in results["metrics"] if wanted.items() <= r["run"].items() and r["tested"] == plain(tested)]
    subjects = {r["run"]["subject"] for r in results["metrics"]}
    by_seed: dict[int, list[float]] = {}
    for r in found:
        by_seed.setdefault(r["run"]["seed"], []).append(r["metric"])
    return {seed: float(np.mean(m)) for seed, m in sorted(by_seed.items()) if len(m) == len(subjects)}


def table(results: dict, args: argparse.Namespace) -> list[list[str]]:
    """A line for each budget: metrics with the standard error of the mean over seeds, paired differences, times."""
    budgets, scale = budgets_of(args), args.scale
    parts = list(dict.fromkeys(t["part"] for t in results["times"]))
    head = ["keep rate", "resolution", ALONE, ELASTIC, "elastic - full alone", "not trained for"]
    rows = [[*head, *(f"{part} ms" for part in parts), *(f"{part} speed-up" for part in parts)]]

    def mean(by_seed: dict[int, float], sign: str = "") -> str:
        values = np.array(list(by_seed.values()))
        if not len(values):
            return "-"
        error = f" ± {scale * values.std(ddof=1) / np.sqrt(len(values)):.1f}" if len(values) > 1 else ""
        return f"{scale * values.mean():{sign}.1f}{error}"

    full = cell(results, args, ALONE, budgets[0], budgets[0])
    for budget in budgets:
        elastic = cell(results, args, ELASTIC, None, budget)
        paired = {seed: elastic[seed] - full[seed] for seed in elastic if seed in full}
        row = [f"{budget.keep_rate:g}", "full" if budget.resolution is None else f"{budget.resolution:.3g}"]
        row += [mean(cell(results, args, ALONE, budget, budget)), mean(elastic), mean(paired, "+")]
        row.append("-" if budget == budgets[0] else mean(cell(results, args, ALONE, budgets[0], budget)))
        at = [t for part in parts for t in results["times"] if (t["part"], t["tested"]) == (part, plain(budget))]
        row += [f"{1e3 * t['seconds']['median']:.1f}" for t in at]
        rows.append(row + [f"{t['speedup']['median']:.2f}" for t in at])
    return rows


def plot(results: dict, args: argparse.Namespace, title: str, path: Path) -> None:
    """Metric against time: a curve for each way to train, a marker for each resolution."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    budgets = budgets_of(args)
    part = results["times"][-1]["part"] if args.kind == "segmentation" else results["times"][0]["part"]
    timed = [t for t in results["times"] if t["part"] == part]
    slowest = 1e3 * timed[0]["seconds"]["median"]  # of the full budget; the ratio to it is steadier than a time
    milliseconds = {json.dumps(t["tested"]): slowest / t["speedup"]["median"] for t in timed}
    figure, axes = plt.subplots(figsize=(8, 4.8), layout="constrained")
    ways = {
        "one elastic model": (ELASTIC, lambda b: None, "#c2410c"),
        "a model for each budget": (ALONE, lambda b: b, "#0f766e"),
        "the full model, not trained for less": (ALONE, lambda b: budgets[0], "#8a93a6"),
    }
    aside = 0.006 * (max(milliseconds.values()) - min(milliseconds.values()))  # so that no bar hides another
    for way, (label, (kind, trained, colour)) in enumerate(ways.items(), start=-1):
        for n, resolution in enumerate((None, *args.resolutions)):
            found = [
                (milliseconds[json.dumps(plain(b))], list(cell(results, args, kind, trained(b), b).values()))
                for b in budgets
                if b.resolution == resolution
            ]
            found = [(ms, values) for ms, values in found if len(values)]
            if not found:
                continue
            ms, means = [f[0] + way * aside for f in found], [args.scale * np.mean(f[1]) for f in found]
            errors = [args.scale * np.std(f[1], ddof=1) / np.sqrt(len(f[1])) if len(f[1]) > 1 else 0 for f in found]
            size = "full resolution" if resolution is None else f"resolution {resolution:.2g}"
            style = dict(color=colour, marker="os^D"[n], linestyle=["-", "--", ":", "-."][n], capsize=3, lw=1.4)
            axes.errorbar(ms, means, yerr=errors, label=f"{label}, {size}", **style)
    top = axes.get_xaxis_transform()
    for budget in budgets:
        at = milliseconds[json.dumps(plain(budget))]
        axes.text(at, 1.0, f"{budget.keep_rate:g}", transform=top, ha="center", va="top", fontsize="x-small")
    whole = "an image, the whole network"  # the part that segmentation is drawn by
    what = whole if args.kind == "segmentation" else f"{args.batch_size} series of {part}"
    axes.set(xlabel=f"time of {what}, ms (that of the full budget over the speed-up)", ylabel=args.metric)
    axes.margins(x=0.07, y=0.1)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{title}; means over seeds, bars: standard error; numbers: keep rate", fontsize="medium")
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize="small")
    figure.savefig(path, format="png", dpi=150)
    plt.close(figure)


# ---- command line


def parse_args(argv: list[str]) -> argparse.Namespace:
    parser = Parser(
        prog="benchmark_budgets.py",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    segmentation, series = (kinds.add_parser(kind) for kind in ("segmentation", "series"))
    positive, share = number(int, 1), number(float, 0.01)
    for sub in (segmentation, series):
        add = sub.add_argument
        add("--seeds", nargs="+", type=number(int, 0), default=[0, 1, 2], metavar="N", help="runs of each (0 1 2)")
        add("--keep-rates", nargs="+", type=share, default=[0.7, 0.5], metavar="R", help="beside 1 (0.7 0.5)")
        add("--repeats", type=positive, default=30, metavar="N", help="rounds of timing (30)")
        add("--no-runs", dest="runs", action="store_false", help="train nothing: times and table of what the file has")
        add("--threads", type=positive, default=1, metavar="N", help="CPU threads (1)")
        add("--json", type=Path, metavar="FILE", help="write every raw figure and the machine's facts")
        add("--plot", type=Path, metavar="FILE.png", help="draw metric against time")
    segmentation.add_argument("config", type=Path, help="trained for each budget alone")
    segmentation.add_argument("elastic_config", type=Path, help="trained once for all")
    segmentation.add_argument("--data-root", help="folder of the data set")
    segmentation.add_argument(
        "--resolutions", nargs="*", type=share, default=[5 / 7], metavar="S", help="scales beside 1 (0.714)"
    )
    segmentation.add_argument("--iterations", type=positive, required=True, metavar="N", help="of every run")
    segmentation.add_argument("--work-dir", type=Path, metavar="DIR", help="keep the checkpoint of every run there")
    series.add_argument("problems", nargs="+", metavar="PROBLEM", help="a folder, or a problem that sktime brings")
    series.add_argument("--epochs", type=positive, default=30, metavar="N", help="of every run (30)")
    series.add_argument(
        "--lengths", nargs="+", type=positive, default=[500, 1000], metavar="T", help="steps (500 1000)"
    )
    series.add_argument("--batch-size", type=positive, default=256, metavar="N", help="series at once, timed (256)")
    args = parser.parse_args(argv)
    args.device = "cpu"
    if args.kind == "segmentation":
        args.scale, args.metric, args.recipe = 1, "mIoU, %", dict(iterations=args.iterations)
        for path in (args.config, args.elastic_config):
            if not path.is_file():
                raise BadInputError(f"no config at {path}: see seg_configs")
    else:
        args.scale, args.metric, args.resolutions = 100, "accuracy, %", []
        args.recipe = dict(num_kernels=0, validation=0.0, max_epochs=args.epochs)
    for path in filter(None, (args.json, args.plot)):
        require_writable(path)
    # where things lie on this machine is nothing to tell
    args.command = [Path(word).name if Path(word).is_absolute() else word for word in argv]
    return args


def main(argv: list[str] | None = None) -> int:
    def body() -> None:
        args = parse_args(sys.argv[1:] if argv is None else argv)
        torch.set_num_threads(args.threads)
        args.machine = machine_facts(args)
        results = measure_segmentation(args) if args.kind == "segmentation" else measure_series(args)
        title = f"{args.kind} {where(args, args.timed_on)}"
        print("\n".join([title, "", *aligned(table(results, args))]))
        if args.plot:
            with replacing(args.plot) as temporary:
                plot(results, args, title, temporary)

    return exit_code("benchmark_budgets", body)


if __name__ == "__main__":
    sys.exit(main())
