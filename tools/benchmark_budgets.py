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
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmark import (
    BadInputError,
    Parser,
    aligned,
    blamed_on,
    exit_code,
    machine_facts,
    number,
    quartiles,
    replacing,
    require_writable,
    take_turns,
    where,
    write_json,
)
from tqdm import tqdm

from jumbo_backbone import ComputeBudget

EXAMPLES = """examples:
  %(prog)s segmentation seg_configs/jumbo_upernet_camvid.py seg_configs/jumbo_upernet_camvid_elastic.py \\
      --data-root data/camvid --iterations 400 --json camvid.json --plot camvid.png
  %(prog)s series GunPoint archive/Libras --json series.json --plot series.png
"""

ALONE, ELASTIC = "alone", "elastic"


# ---- what both kinds share


def budgets_of(args: argparse.Namespace) -> list[ComputeBudget]:
    """All budgets of the table, the full one first."""
    return [ComputeBudget(k, resolution=r) for r in (None, *args.resolutions) for k in (1.0, *args.keep_rates)]


def plain(budget: ComputeBudget | None) -> dict[str, Any] | None:
    """As JSON, what differs between the budgets here."""
    return None if budget is None else dict(keep_rate=budget.keep_rate, resolution=budget.resolution)


def runs_of(args: argparse.Namespace, subjects: list[str]) -> Iterator[dict[str, Any]]:
    """Every training run: what is trained, with which seed, for which budget alone (None: for all)."""
    for seed in args.seeds:
        for subject in subjects:
            for budget in (*budgets_of(args), None):
                yield dict(subject=subject, seed=seed, kind=ELASTIC if budget is None else ALONE, trained=plain(budget))


def tested_at(run: dict[str, Any], args: argparse.Namespace) -> list[ComputeBudget]:
    budgets = budgets_of(args)
    if run["kind"] == ELASTIC or run["trained"] == plain(budgets[0]):
        return budgets
    return [budget for budget in budgets if plain(budget) == run["trained"]]


def measure(
    args: argparse.Namespace,
    subjects: list[str],
    test: Callable[[dict], list[float]],
    times: Callable[[], list[dict]],
) -> dict:
    """The file's content: what it had, the runs that it lacked, and times if it has none. The machine that the file
    names is that of the times.

    Args:
        args: Command line.
        subjects: What is trained.
        test: Trains as a run says, and returns the metric at each budget of ``tested_at``.
        times: Returns the timings.
    """
    told = json.loads(args.json.read_text()) if args.json and args.json.exists() else {}
    results = told.get("results", dict(metrics=[], times=[]))
    args.timed_on = told["machine"] if results["times"] else args.machine
    done = [r["run"] for r in results["metrics"]]
    missing = [run for run in runs_of(args, subjects) if args.runs and {**run, **args.recipe} not in done]

    def write() -> None:
        if args.json:
            write_json(args.json, ["tools/benchmark_budgets.py", *args.command], args.timed_on, results)

    for run in tqdm(missing, desc="runs", disable=None):
        with blamed_on(f"{run['subject']}, seed {run['seed']}"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            metrics = test(run)
        for budget, metric in zip(tested_at(run, args), metrics, strict=True):
            record = dict(run={**run, **args.recipe}, tested=plain(budget), metric=metric, git=args.machine["git"])
            results["metrics"].append(record)
        write()
    if not results["times"]:
        results["times"] = times()
        write()
    return results


def timed_budgets(
    calls: list[Callable[[ComputeBudget], Any]], names: list[str], args: argparse.Namespace
) -> list[dict[str, Any]]:
    """Seconds of some calls at every budget, and their ratio to the full one, round by round."""
    budgets, records = budgets_of(args), []
    for name, call in zip(names, calls, strict=True):
        steps = [lambda b=b, call=call: call(b) for b in budgets]
        with torch.inference_mode():
            for step in steps:
                step()
            seconds = take_turns(steps, [1] * len(steps), args.repeats, "cpu", name)
        for budget, taken in zip(budgets, seconds, strict=True):
            ratio = quartiles([full / here for full, here in zip(seconds[0], taken, strict=True)])
            records.append(dict(part=name, tested=plain(budget), seconds=quartiles(taken), speedup=ratio))
    return records


# ---- segmentation


def measure_segmentation(args: argparse.Namespace) -> dict:
    from mmengine.runner import Runner

    import jumbo_backbone.segmentation  # noqa: F401  (registers)

    def train(run: dict[str, Any], folder: str) -> Runner:
        cfg = segmentation_config(args, run["kind"], run["seed"])
        if run["trained"]:
            cfg.model.backbone.budget = run["trained"]
            if run["trained"]["keep_rate"] < 1:
                cfg.custom_hooks.append(dict(type="KeepRateWarmupHook"))
        cfg.work_dir = folder
        runner = Runner.from_cfg(cfg)
        runner.train()
        return runner

    def test(run: dict[str, Any]) -> list[float]:
        with tempfile.TemporaryDirectory() as temporary:
            runner, metrics = train(run, str(args.work_dir / folder_of(run) if args.work_dir else temporary)), []
            for budget in tested_at(run, args):
                runner.model.backbone.default_budget = budget
                metrics.append(float(runner.test()["mIoU"]))
            return metrics

    def times() -> list[dict[str, Any]]:
        from mmengine.registry import init_default_scope
        from mmseg.registry import DATASETS, MODELS

        init_default_scope("mmseg")
        cfg = segmentation_config(args, ALONE, 0)
        model = MODELS.build(cfg.model).eval()
        height, width = DATASETS.build(cfg.test_dataloader.dataset)[0]["inputs"].shape[1:]  # as the test resizes it
        side = cfg.model.backbone.patch_size
        frames = torch.randn(
            1, cfg.model.backbone.get("in_channels", 3), -(-height // side) * side, -(-width // side) * side
        )
        windows = []  # of a frame, in batches
        hook = model.backbone.register_forward_pre_hook(lambda _, inputs: windows.append(inputs[0]))

        def backbone(budget: ComputeBudget) -> None:
            for batch in windows:
                model.backbone(batch, budget)

        def whole(budget: ComputeBudget) -> None:
            model.backbone.default_budget = budget
            model.inference(frames, [dict(img_shape=frames.shape[2:], ori_shape=frames.shape[2:])])

        with torch.inference_mode():
            whole(ComputeBudget())
        hook.remove()
        return timed_budgets([backbone, whole], ["backbone", "whole"], args)

    return measure(args, [args.config.stem], test, times)


def folder_of(run: dict[str, Any]) -> str:
    """Where --work-dir keeps a run, for example "alone_keep0.7_full_seed0"."""
    parts = [run["kind"]]
    if run["trained"]:
        resolution = run["trained"]["resolution"]
        size = "full" if resolution is None else f"resolution{resolution:.3g}"
        parts += [f"keep{run['trained']['keep_rate']:g}", size]
    return "_".join([*parts, f"seed{run['seed']}"])


def segmentation_config(args: argparse.Namespace, kind: str, seed: int):
    """The config of a run."""
    return scaled_config(args.config if kind == ALONE else args.elastic_config, args.data_root, args.iterations, seed)


def scaled_config(config: Path | str, data_root: Path | str | None, iterations: int, seed: int):
    """A config for one run in this process, its schedule scaled to the iterations asked for, nothing left behind."""
    from jumbo_backbone.segmentation.cli import add_config_arguments, read_config
    from jumbo_backbone.segmentation.data.check import require_datasets

    parser = Parser()
    add_config_arguments(parser)
    data = ["--data-root", str(data_root)] if data_root else []
    cfg = read_config(parser.parse_args([str(config), *data]))
    require_datasets(cfg)
    scale = iterations / cfg.train_cfg.max_iters
    for scheduler in cfg.param_scheduler:
        scheduler.begin, scheduler.end = (round(scale * at) for at in (scheduler.begin, scheduler.end))
    cfg.train_cfg.update(max_iters=iterations, val_interval=10 * iterations)
    cfg.default_hooks.checkpoint = dict(type="CheckpointHook", by_epoch=False, interval=10 * iterations)
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        cfg[loader].update(num_workers=0, persistent_workers=False)
    cfg.randomness, cfg.log_level = dict(seed=seed), "ERROR"
    cfg.visualizer.vis_backends = []  # mmengine would go on writing to the first run's folder
    return cfg


# ---- series


def measure_series(args: argparse.Namespace) -> dict:
    from benchmark_classification import load

    from timeseries import JumboClassifier
    from timeseries.networks.network import ClassifierNet

    def test(run: dict[str, Any]) -> list[float]:
        problem = next(p for p in args.problems if Path(p).name == run["subject"])
        train, (X, y) = load(problem)
        trained = run["trained"]
        if trained is None:
            params = dict(elastic=dict(keep_rates=args.keep_rates, resolutions=(1.0,)))
        else:
            params = dict(keep_rate=trained["keep_rate"])
        classifier = JumboClassifier(random_state=run["seed"], **args.recipe, **params).fit(*train)
        return [float((classifier.set_budget(b.keep_rate).predict(X) == y).mean()) for b in tested_at(run, args)]

    def times() -> list[dict[str, Any]]:
        calls, names = [], []
        for length in args.lengths:
            patch = -(-length // 16)  # the classifier's own choice
            sizes = dict(embed_dim=64, depth=3, num_heads=4, jumbo_multiplier=4)
            network = ClassifierNet(1, 2, length, 0, patch_length=patch, patch_stride=patch // 2, **sizes).eval()
            x = torch.randn(args.batch_size, 1, length)
            calls.append(lambda b, network=network, x=x: network.from_tokens(x, None, b))
            names.append(f"{length} steps")
        return timed_budgets(calls, names, args)

    return measure(args, [Path(p).name for p in args.problems], test, times)


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
    for label, (kind, trained, colour) in ways.items():
        for n, resolution in enumerate((None, *args.resolutions)):
            found = [
                (milliseconds[json.dumps(plain(b))], list(cell(results, args, kind, trained(b), b).values()))
                for b in budgets
                if b.resolution == resolution
            ]
            found = [(ms, values) for ms, values in found if len(values)]
            if not found:
                continue
            ms, means = [f[0] for f in found], [args.scale * np.mean(f[1]) for f in found]
            errors = [args.scale * np.std(f[1], ddof=1) / np.sqrt(len(f[1])) if len(f[1]) > 1 else 0 for f in found]
            size = "full resolution" if resolution is None else f"resolution {resolution:.2g}"
            style = dict(color=colour, marker="os^D"[n], linestyle=["-", "--", ":", "-."][n], capsize=3, lw=1.4)
            axes.errorbar(ms, means, yerr=errors, label=f"{label}, {size}", **style)
    axes.set(xlabel=f"milliseconds ({part}): of the full budget, by the speed-up", ylabel=args.metric)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, fontsize="medium")
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
