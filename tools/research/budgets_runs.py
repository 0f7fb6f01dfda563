"""What both kinds of benchmark_budgets.py share: which runs there are, at which budgets each is tested, and times."""

import argparse
import json
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from tqdm import tqdm

from jumbo_backbone import ComputeBudget
from jumbo_backbone.benchmarking.report import blamed_on, write_json
from jumbo_backbone.benchmarking.timing import quartiles, take_turns

ALONE = "alone"
ELASTIC = "elastic"


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
            write_json(
                args.json, ["python", "tools/research/benchmark_budgets.py", *args.command], args.timed_on, results
            )

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
