#!/usr/bin/env python3
"""Measure cascades against their last member: how good, how fast, and who answers.

"segmentation" reads configs of cascades (see tools/calibrate.py). Their thresholds are chosen on one half of the
validation images, in the order of their names, and tested on the other, and the other way round; of several
checkpoints the table has the means, and the standard error of the difference. "series" fits
classifiers of series with a committee and calibrates them on their training series; they are timed on sktime's
"numpy3D" arrays, if all series have one length, and on pandas tables, which sktime takes longer to check. It also fits
ensembles of two networks beside one network of twice the FLOPs. "routing" times a cascade of image classifiers whose
members are free, which leaves the price of going on.

Times of a cascade and of its last member are taken in turn. The file is written after every measurement; of series it
keeps what it has, and what it lacks is measured.
"""

import argparse
import copy
import functools
import itertools
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
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
    require_writable,
    take_turns,
    where,
    write_json,
)
from tqdm import tqdm

EXAMPLES = """examples:
  %(prog)s segmentation seg_configs/jumbo_cascade_camvid.py --data-root data/camvid --json camvid.json
  %(prog)s segmentation seg_configs/jumbo_cascade_camvid.py --checkpoints seed?/iter_1250.pth --tolerances 0 0.005
  %(prog)s series GunPoint ArrowHead archive/Libras --json series.json
  %(prog)s routing
"""
BATCHES = (1, 16)


# ---- segmentation


@contextmanager
def clocked(modules: list[torch.nn.Module]) -> Iterator[list[float]]:
    """Seconds of each call of some modules."""
    seconds, started = [], []
    hooks = []
    for module in modules:
        hooks.append(module.register_forward_pre_hook(lambda *_: started.append(time.perf_counter())))
        hooks.append(module.register_forward_hook(lambda *_: seconds.append(time.perf_counter() - started.pop())))
    try:
        yield seconds
    finally:
        for hook in hooks:
            hook.remove()


def measure_segmentation(args: argparse.Namespace) -> list[dict]:
    from jumbo_backbone.segmentation.cli import add_config_arguments, read_config
    from jumbo_backbone.segmentation.data.check import require_datasets

    parser, records = Parser(), []
    add_config_arguments(parser)
    for config in args.configs:
        data_root = ["--data-root", args.data_root] if args.data_root else []
        cfg = read_config(parser.parse_args([str(config), *data_root]))
        require_datasets(cfg, splits=("val",))
        cfg.val_dataloader.update(num_workers=0, persistent_workers=False, batch_size=1)
        for checkpoint in args.checkpoints or [None]:
            if checkpoint:
                for member in cfg.model.members:
                    member.checkpoint = str(checkpoint)
            about = dict(config=config.stem, checkpoint=checkpoint and checkpoint.parent.name)
            for record in cascades(cfg, args):
                records.append(about | record)
                keep(args, records)
    return records


def cascades(cfg, args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The cascade of a config, whose stages answer alone and with those before them, at every tolerance."""
    from calibrate import ask, pieces
    from mmengine.registry import init_default_scope
    from mmseg.registry import MODELS

    import jumbo_backbone.segmentation  # noqa: F401  (registers)
    from jumbo_backbone.committees.costs import member_costs
    from jumbo_backbone.committees.outcomes import stage_groups
    from jumbo_backbone.committees.thresholds import choose_thresholds

    init_default_scope("mmseg")
    model = MODELS.build(cfg.model).eval()
    cascade = model.cascade
    images = [(piece.inputs, piece.valid) for piece in pieces(cfg, model, "cpu")]
    outcomes = ask(cfg, model, "cpu", ensembles=True)
    costs = member_costs(cascade, images[0][0])
    half = len(images) // 2
    parts = [torch.arange(half), torch.arange(half, len(images))]
    for ensemble, tolerance in itertools.product((False, True), args.tolerances):
        stages = stage_groups(len(costs), ensemble)
        chosen = []
        for own in parts[::-1]:  # thresholds of a half are chosen on the other one
            there = outcomes.part(own)
            least = there.metric_of(stages[-1]) - tolerance
            chosen.append(choose_thresholds(there, stages, costs, least).thresholds)
        routed = [outcomes.part(p).routed(stages, t, costs) for p, t in zip(parts, chosen, strict=True)]
        answers = [outcomes.part(p).answers(stages, t)[0] for p, t in zip(parts, chosen, strict=True)]
        cascade.ensemble = ensemble
        record = dict(
            names=cascade.names,
            costs=costs,
            ensemble=ensemble,
            tolerance=tolerance,
            samples=len(images),
            thresholds=[[t if t <= 1 else None for t in found] for found in chosen],
            members=[outcomes.metric_of(g) for g in stages],
            groups={" + ".join(str(i + 1) for i in g): outcomes.metric_of(g) for g in outcomes.groups},
            value=float(outcomes.score(torch.cat(answers).sum(dim=0))),
            shares=np.mean([r.shares for r in routed], axis=0).tolist(),
            flops_share=float(np.mean([r.cost for r in routed])) / costs[-1],
        )
        for size in BATCHES:
            record[f"batch {size}"] = time_cascade(model, images, parts, chosen, size, args)
        yield record


def time_cascade(model, images: list, parts: list, chosen: list, size: int, args: argparse.Namespace) -> dict:
    """Last member's time over the cascade's, the whole and in backbones alone: quartiles over the rounds. And how many
    images left at each stage."""
    cascade, backbones = model.cascade, list({m.segmentor.backbone: 0 for m in model.cascade.models})
    last = len(cascade.members) - 1
    batches = [
        (*stacked([images[i] for i in rows.tolist()]), thresholds)
        for part, thresholds in zip(parts, chosen, strict=True)
        for rows in part.split(size)
    ]
    whole, inner = [], []
    left = torch.zeros(last + 1, dtype=torch.long)
    with torch.inference_mode(), clocked(backbones) as seconds:
        for batch, valid, thresholds in batches:  # warms up, too
            cascade.thresholds = thresholds
            left += torch.bincount(cascade.route(batch, valid=valid).stage, minlength=last + 1)
        for _ in tqdm(range(args.repeats), desc=f"batch {size}", leave=False, disable=None):
            taken = {"cascade": [0.0, 0.0], "last": [0.0, 0.0]}
            for batch, valid, thresholds in batches:
                cascade.thresholds = thresholds
                route = functools.partial(cascade.route, valid=valid)
                for name, call in (("cascade", route), ("last", functools.partial(cascade.ask, last))):
                    seconds.clear()
                    start = time.perf_counter()
                    call(batch)
                    taken[name][0] += time.perf_counter() - start
                    taken[name][1] += sum(seconds)
            whole.append(taken["last"][0] / taken["cascade"][0])
            inner.append(taken["last"][1] / taken["cascade"][1])
    return dict(whole=quartiles(whole), backbone=quartiles(inner), left=left.tolist())


def stacked(images: list[tuple[torch.Tensor, torch.Tensor | None]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixels, and which of them count, of several images in a batch."""
    valid = [torch.ones_like(x[:, 0], dtype=torch.bool) if v is None else v for x, v in images]
    return torch.cat([x for x, _ in images]), torch.cat(valid)


def table_segmentation(records: list[dict]) -> list[list[str]]:
    """A line for each cascade: means over the checkpoints."""
    head = ["cascade", "answers", "may lose", "last", "cascade", "difference", "leave", "FLOPs"]
    rows = [[*head, *(f"{part} x, batch {size}" for size in BATCHES for part in ("backbone", "whole"))]]
    lines = [(r["config"], r["ensemble"], r["tolerance"]) for r in records]
    for line in dict.fromkeys(lines):
        mine = [r for r, own in zip(records, lines, strict=True) if own == line]
        _, ensemble, tolerance = line
        last, value = (
            np.array([100 * x for x in xs]) for xs in ([r["members"][-1] for r in mine], [r["value"] for r in mine])
        )
        off = value - last
        spread = f" ± {off.std(ddof=1) / len(off) ** 0.5:.1f}" if len(off) > 1 else ""
        shares, flops = np.mean([r["shares"] for r in mine], axis=0), np.mean([r["flops_share"] for r in mine])
        row = [" > ".join(mine[0]["names"]), "mean" if ensemble else "own", f"{100 * tolerance:g}"]
        row += [f"{last.mean():.1f}", f"{value.mean():.1f}", f"{off.mean():+.1f}{spread}"]
        row += [" ".join(f"{s:.0%}" for s in shares), f"{flops:.0%}"]
        timed = [[r[f"batch {s}"][part]["median"] for r in mine] for s in BATCHES for part in ("backbone", "whole")]
        rows.append(row + [f"{np.mean(t):.2f}" for t in timed])
    return rows


# ---- routing


def measure_routing(args: argparse.Namespace) -> list[dict]:
    """What gathering, confidence and scattering cost at batch 16, beside the members' own time."""
    from jumbo_backbone import Cascade, create_model

    torch.manual_seed(0)
    model = create_model(args.model).eval()
    torch.nn.init.normal_(model.head.weight, std=0.02)
    x = torch.randn(16, 3, 224, 224)
    with torch.inference_mode():
        scores = model(x)
        cascade = Cascade([lambda x: scores[: len(x)], lambda x: scores[: len(x)]], [0.0])
        middle = float((scores.amax(dim=1) - scores.logsumexp(dim=1)).exp().median())
        cascade.thresholds = [middle]
        steps = [lambda: model(x), lambda: cascade(x)]
        seconds = take_turns(steps, [1, 200], args.repeats, "cpu", "routing")
    shares = quartiles([routing / member for member, routing in zip(*seconds, strict=True)])
    return [dict(model=args.model, batch=16, goes_on=8, share_of_member=shares)]


def table_routing(records: list[dict]) -> list[list[str]]:
    return [["member", "routing, share of its time"]] + [
        [r["model"], f"{r['share_of_member']['median']:.3%}"] for r in records
    ]


# ---- series


def measure_series(args: argparse.Namespace) -> list[dict]:
    records = json.loads(args.json.read_text())["results"] if args.json and args.json.exists() else []
    done = {(r["problem"], r["committee"], r["seed"]) for r in records}
    runs = [(p, kind, seed) for kind in args.committees for seed in args.seeds for p in args.problems]
    missing = [(p, kind, seed) for p, kind, seed in runs if (Path(p).name, kind, seed) not in done]
    for problem, kind, seed in tqdm(missing, desc="fits", disable=None):
        with blamed_on(f"{problem}, {kind}, seed {seed}"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            record = dict(problem=Path(problem).name, committee=kind, seed=seed)
            records.append(record | (doubled if kind == DOUBLED else cascaded)(problem, kind, seed, args))
        keep(args, records)
    return records


DOUBLED = "doubled"  # beside the committees of the classifier: two networks, and one of twice the FLOPs
ONE_MODEL = dict(num_kernels=0, elastic=dict(keep_rates=(0.5,), resolutions=(0.5,)))


def cascaded(problem: str, kind: str, seed: int, args: argparse.Namespace) -> dict[str, Any]:
    """A classifier as a committee, and the same networks all asked."""
    from benchmark_classification import load
    from sktime.datatypes import convert_to

    from timeseries import JumboClassifier

    train, (X, y) = load(problem)
    params = dict(ONE_MODEL) if kind == "budgets" else {}
    classifier = JumboClassifier(random_state=seed, committee=kind, **params).fit(*train)
    everything = copy.deepcopy(classifier)
    everything.committee = None
    found, first = classifier.calibration_, copy.deepcopy(classifier)
    first.calibration_ = replace(found, thresholds=[0.0] * len(found.thresholds))
    accuracy = {
        name: float((model.predict(X) == y).mean())
        for name, model in (("first", first), ("last", everything), ("cascade", classifier))
    }
    record = dict(accuracy=accuracy, answered=np.bincount(classifier.predict_stage(X), minlength=2).tolist())
    record |= dict(validated=found.samples, left=found.shares, costs=found.costs, token_share=None)
    if kind == "kernels":
        record["token_share"] = float(classifier.networks_[0].share)
    forms = dict(tables=convert_to(X, "pd-multiindex", as_scitype="Panel"))
    if forms["tables"].groupby(level=0).size().nunique() == 1:  # all of one length
        forms["arrays"] = convert_to(X, "numpy3D", as_scitype="Panel")
    for form, panel in forms.items():
        for size in BATCHES:
            some = some_of(panel, size, args.series)
            steps = [lambda m=m, some=some: [m.predict_proba(x) for x in some] for m in (everything, classifier)]
            for step in steps:
                step()
            last, cascade = take_turns(steps, [1, 1], args.repeats, "cpu", problem)
            timed = quartiles([a / b for a, b in zip(last, cascade, strict=True)])
            timed["ms"] = 1e3 * float(np.median(cascade)) / sum(map(count_series, some))
            record[f"{form}, batch {size}"] = timed
    return record


def count_series(X) -> int:
    return len(X) if isinstance(X, np.ndarray) else X.index.get_level_values(0).nunique()


def some_of(X, size: int, series: int) -> list:
    """Batches of a test set, at most so many series of it, evenly drawn."""
    instances = X if isinstance(X, np.ndarray) else [x for _, x in X.groupby(level=0)]
    rows = np.linspace(0, len(instances) - 1, min(series, len(instances)), dtype=int)
    groups = [rows[i : i + size] for i in range(0, len(rows) - size + 1, size)] or [rows]
    if isinstance(X, np.ndarray):
        return [X[group] for group in groups]
    return [pd.concat([instances[i] for i in group]) for group in groups]


def doubled(problem: str, kind: str, seed: int, args: argparse.Namespace) -> dict[str, Any]:
    """Accuracy and FLOPs of the mean of two networks, of one, and of one of about twice the FLOPs."""
    from benchmark_classification import load

    from jumbo_backbone.budgets.flops import count_flops
    from timeseries import JumboClassifier

    train, (X, y) = load(problem)
    record: dict[str, Any] = dict(accuracy={}, flops={})
    sizes = dict(one={}, two=dict(n_members=2), wide=dict(embed_dim=92))
    for name, params in sizes.items():
        classifier = JumboClassifier(random_state=seed, num_kernels=0, **params).fit(*train)
        record["accuracy"][name] = float((classifier.predict(X) == y).mean())
        record["flops"][name] = count_flops(classifier.predict_proba, some_of(X, 1, 1)[0])
    return record


def table_series(records: list[dict]) -> list[list[str]]:
    """A line for each problem, and one for the means, of each committee."""
    speeds = [f"{form}, batch {s}" for form in ("arrays", "tables") for s in BATCHES]
    speeds = [name for name in speeds if any(name in r for r in records)]
    rows = [["problem", "committee", "first", "last", "cascade", "leave", *speeds]]
    for kind in dict.fromkeys(r["committee"] for r in records if r["committee"] != DOUBLED):
        mine = [r for r in records if r["committee"] == kind]
        problems = dict.fromkeys(r["problem"] for r in mine)
        for group in (*([r for r in mine if r["problem"] == p] for p in problems), mine):
            name = "mean" if len(problems) > 1 and group is mine else group[0]["problem"]
            accuracies = [
                f"{100 * np.mean([r['accuracy'][k] for r in group]):.1f}" for k in ("first", "last", "cascade")
            ]
            left = np.mean([r["answered"][0] / sum(r["answered"]) for r in group])
            times = ([r[name]["median"] for r in group if name in r] for name in speeds)
            rows.append([name, kind, *accuracies, f"{left:.0%}", *(f"{np.mean(t):.2f}" if t else "-" for t in times)])
    if both := [r for r in records if r["committee"] == DOUBLED]:
        told = {k: np.mean([r["accuracy"][k] for r in both]) for k in ("one", "two", "wide")}
        flops = {k: np.mean([r["flops"][k] / r["flops"]["one"] for r in both]) for k in told}
        for k, text in (("one", "one network"), ("two", "two networks"), ("wide", "one wider network")):
            rows.append([text, f"{flops[k]:.2f} x FLOPs", "", f"{100 * told[k]:.1f}", *[""] * (len(rows[0]) - 4)])
    return rows


# ---- command line


def keep(args: argparse.Namespace, records: list[dict]) -> None:
    """Write what was measured so far."""
    if args.json:
        write_json(args.json, ["tools/benchmark_committees.py", *args.command], args.machine, records)


def parse_args(argv: list[str]) -> argparse.Namespace:
    parser = Parser(
        prog="benchmark_committees.py",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    segmentation, series, routing = (kinds.add_parser(kind) for kind in ("segmentation", "series", "routing"))
    positive = number(int, 1)
    for sub in (segmentation, series, routing):
        sub.add_argument("--repeats", type=positive, default=10, metavar="N", help="rounds of timing (10)")
        sub.add_argument("--threads", type=positive, default=1, metavar="N", help="CPU threads (1)")
        sub.add_argument("--json", type=Path, metavar="FILE", help="write every raw figure and the machine's facts")
    segmentation.add_argument("configs", nargs="+", type=Path, metavar="CONFIG", help="of a CascadeSegmentor")
    segmentation.add_argument("--data-root", help="folder of the data set")
    segmentation.add_argument(
        "--checkpoints", nargs="+", type=Path, metavar="FILE", help="each in place of all members' own: other seeds"
    )
    segmentation.add_argument(
        "--tolerances",
        nargs="+",
        type=number(float, 0),
        default=[0.0],
        metavar="MIOU",
        help="how much less than the last member's will do, such as 0.005 (0)",
    )
    series.add_argument("problems", nargs="+", metavar="PROBLEM", help="a folder, or a problem that sktime brings")
    kinds_of = ("kernels", "budgets", DOUBLED)
    series.add_argument(
        "--committees", nargs="+", choices=kinds_of, default=list(kinds_of), metavar="KIND", help="of what (all)"
    )
    series.add_argument("--series", type=positive, default=64, metavar="N", help="at most timed, of a problem (64)")
    series.add_argument("--seeds", nargs="+", type=number(int, 0), default=[0], metavar="N", help="of each (0)")
    routing.add_argument("--model", default="jumbo_pico_patch16_224", help="whose time is the measure")
    args = parser.parse_args(argv)
    args.device = "cpu"
    if args.json:
        require_writable(args.json)
    for config in getattr(args, "configs", ()):
        if not config.is_file():
            raise BadInputError(f"no config at {config}: see seg_configs")
    for checkpoint in getattr(args, "checkpoints", None) or ():
        if not checkpoint.is_file():
            raise BadInputError(f"no checkpoint at {checkpoint}: give what training left")
    args.command = [Path(word).name if Path(word).is_absolute() else word for word in argv]
    return args


MEASURE: dict[str, tuple[Callable, Callable]] = {
    "segmentation": (measure_segmentation, table_segmentation),
    "series": (measure_series, table_series),
    "routing": (measure_routing, table_routing),
}


def main(argv: list[str] | None = None) -> int:
    def body() -> None:
        args = parse_args(sys.argv[1:] if argv is None else argv)
        torch.set_num_threads(args.threads)
        args.machine = machine_facts(args)
        measure, table = MEASURE[args.kind]
        records = measure(args)
        keep(args, records)
        print("\n".join([f"{args.kind} {where(args, args.machine)}", "", *aligned(table(records))]))

    return exit_code("benchmark_committees", body)


if __name__ == "__main__":
    sys.exit(main())
