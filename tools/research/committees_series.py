"""Cascades of classifiers of series, and two networks against one of twice the FLOPs."""

import argparse
import copy
import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from committees_results import BATCHES, keep
from tqdm import tqdm

from jumbo_backbone.benchmarking.report import blamed_on
from jumbo_backbone.benchmarking.timing import quartiles, take_turns


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
    from archives import load
    from sktime.datatypes import convert_to

    from timeseries import JumboClassifier

    train, (X, y) = load(problem)
    params = dict(ONE_MODEL) if kind == "budgets" else {}
    classifier = JumboClassifier(pretrained=None, random_state=seed, committee=kind, **params).fit(*train)
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
    from archives import load

    from jumbo_backbone.budgets.flops import count_flops
    from timeseries import JumboClassifier

    train, (X, y) = load(problem)
    record: dict[str, Any] = dict(accuracy={}, flops={})
    sizes = dict(one={}, two=dict(n_members=2), wide=dict(embed_dim=92))
    for name, params in sizes.items():
        classifier = JumboClassifier(pretrained=None, random_state=seed, num_kernels=0, **params).fit(*train)
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
