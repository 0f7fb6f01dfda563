#!/usr/bin/env python3
"""Measure the classifier: accuracy, log loss and seconds on problems of the UCR and UEA archives, by the splits that
come with them, and beside it MiniRocket with a ridge classifier.

A problem is a folder that holds NAME_TRAIN.ts and NAME_TEST.ts, or the name of one that sktime brings with it. The
halves of the classifier are measured by themselves as well: the encoder's tokens, and the fixed convolutions. share is
what the tokens count. With --per-class N, each seed draws N series of each class to learn from; a smaller class gives
all. The file is written after every run, and runs that it has are not repeated.
"""

import argparse
import importlib.util
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import sktime
import torch
from archives import drawn, load, measure_minirocket, timed
from tqdm import tqdm

from jumbo_backbone.benchmarking.report import aligned, blamed_on, machine_facts, require_writable, where, write_json
from jumbo_cli.arguments import Parser, key_value, number
from jumbo_cli.failing import BadInputError, exit_code
from timeseries import JumboClassifier

EXAMPLES = """examples:
  %(prog)s GunPoint ItalyPowerDemand archive/Libras --seeds 0 1 2 --minirocket --json classification.json
"""


def measure_jumbo(train: tuple, test: tuple, seed: int, params: dict[str, Any]) -> dict[str, Any]:
    classifier = JumboClassifier(**{"random_state": seed, **params})
    told = timed(classifier, train, test)
    classes = classifier.classes_
    truth = np.searchsorted(classes, test[1])
    p = classifier.predict_proba(test[0])
    known = (truth < len(classes)) & (classes[np.minimum(truth, len(classes) - 1)] == test[1])
    told["log_loss"] = float(-np.log(np.maximum(p[known, truth[known]], 1e-12)).mean())
    told["shares"] = [float(n.share) for n in classifier.networks_]
    told["epochs"] = [h.best for h in classifier.history_]
    if classifier.pretrained is None:
        for half, share in (("tokens", 1.0), ("convolutions", 0.0)):
            if classifier.num_kernels or share:
                for network in classifier.networks_:
                    network.share.fill_(share)
                told[f"accuracy_{half}"] = float((classifier.predict(test[0]) == test[1]).mean())
        return told
    for half, changes in (("tokens", dict(num_kernels=0)), ("convolutions", dict(pretrained=None, max_epochs=0))):
        alone = JumboClassifier(**{"random_state": seed, **params, **changes}).fit(*train)
        told[f"accuracy_{half}"] = float((alone.predict(test[0]) == test[1]).mean())
    return told


def measure(args: argparse.Namespace) -> list[dict]:
    records = json.loads(args.json.read_text())["results"] if args.json and args.json.exists() else []
    models = ["jumbo", "minirocket"] if args.minirocket else ["jumbo"]
    runs = []
    for seed in args.seeds:
        for problem in args.problems:
            for model in models:
                params = args.params if model == "jumbo" else {}
                run = dict(problem=Path(problem).name, model=model, seed=seed, params=params)
                runs.append((problem, run if args.per_class is None else run | dict(per_class=args.per_class)))

    def is_of(record: dict, run: dict) -> bool:
        return run.items() <= record.items() and record.get("per_class") == run.get("per_class")

    missing = [(problem, run) for problem, run in runs if not any(is_of(r, run) for r in records)]
    for problem, run in tqdm(missing, desc="classification", leave=False, disable=None):
        with blamed_on(run["problem"]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            train, test = load(problem)
            train = drawn(train, args.per_class, run["seed"])
            if run["model"] == "jumbo":
                told = measure_jumbo(train, test, run["seed"], run["params"])
            else:
                told = measure_minirocket(train, test, run["seed"])
        records.append({**run, "train": len(train[1]), "test": len(test[1]), **told, "git": args.machine["git"]})
        if args.json:
            write_json(
                args.json,
                ["python", "tools/research/benchmark_classification.py", *args.command],
                args.machine,
                records,
            )
    wanted = [run for _, run in runs]
    return [r for r in records if any(is_of(r, run) for run in wanted)]


def table(records: list[dict]) -> list[list[str]]:
    """The mean over the seeds of each problem, and over the problems that all models took."""
    rows = [["", "jumbo", "tokens alone", "convolutions alone", "share", "minirocket", "fit s", "minirocket fit s"]]
    problems = list(dict.fromkeys(r["problem"] for r in records))

    def mean(problem: str, model: str, name: str) -> float:
        found = [r for r in records if (r["problem"], r["model"]) == (problem, model)]
        values = [np.mean(r[name]) for r in found if name in r]
        return float(np.mean(values)) if values else float("nan")

    columns = [("jumbo", "accuracy"), ("jumbo", "accuracy_tokens"), ("jumbo", "accuracy_convolutions")]
    columns += [
        ("jumbo", "shares"),
        ("minirocket", "accuracy"),
        ("jumbo", "fit_seconds"),
        ("minirocket", "fit_seconds"),
    ]
    cells = np.array([[mean(p, *column) for column in columns] for p in problems])
    both = ~np.isnan(cells[:, 4])
    named = list(zip(problems, cells, strict=True)) + [("mean", cells.mean(axis=0))]
    if both.any():
        named.append(("mean where minirocket can", cells[both].mean(axis=0)))
    for name, row in named:
        texts = [f"{v:.3f}" for v in row[:5]] + [f"{v:.1f}" for v in row[5:]]
        rows.append([name, *("-" if t == "nan" else t for t in texts)])
    return rows


def parse_args(argv: list[str]) -> argparse.Namespace:
    parser = Parser(
        prog="benchmark_classification.py",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    positive, seed = number(int, 1), number(int, 0)
    add("problems", nargs="+", metavar="PROBLEM", help="a folder, or a problem that sktime brings")
    add("--seeds", nargs="+", type=seed, default=[0, 1, 2], metavar="N", help="a run for each (0 1 2)")
    add("--per-class", type=positive, metavar="N", help="labelled series of each class (all)")
    add("--minirocket", action="store_true", help="measure MiniRocket as well; needs numba")
    add("--params", nargs="+", type=key_value, default=[], metavar="K=V", help="arguments of JumboClassifier")
    add("--threads", type=positive, default=torch.get_num_threads(), metavar="N", help="CPU threads (%(default)s)")
    add("--json", type=Path, metavar="FILE", help="write every raw figure and the machine's facts")
    args = parser.parse_args(argv)
    args.params, args.device = dict(args.params), "cpu"
    if args.json:
        require_writable(args.json)
    if args.minirocket and not importlib.util.find_spec("numba"):
        raise BadInputError("MiniRocket needs numba: pip install '.[benchmark]'")
    for problem in args.problems:
        if Path(problem).is_absolute() or "/" in problem:
            for part in ("TRAIN", "TEST"):
                if not (path := Path(problem) / f"{Path(problem).name}_{part}.ts").is_file():
                    raise BadInputError(f"no data at {path}: give a folder NAME with NAME_TRAIN.ts and NAME_TEST.ts")
    # where things lie on this machine is nothing to tell
    args.command = [Path(word).name if Path(word).is_absolute() else word for word in argv]
    return args


def main(argv: list[str] | None = None) -> int:
    def body() -> None:
        args = parse_args(sys.argv[1:] if argv is None else argv)
        torch.set_num_threads(args.threads)
        args.machine = {**machine_facts(args), "sktime": sktime.__version__, "numpy": np.__version__}
        records = measure(args)
        print("\n".join([f"classification {where(args, args.machine)}", "", *aligned(table(records))]))

    return exit_code("benchmark_classification", body)


if __name__ == "__main__":
    sys.exit(main())
