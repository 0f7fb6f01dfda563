#!/usr/bin/env python3
"""Measure what the project claims, side by side with what a user would take instead, and report it as it came out.

An experiment is a file tools/research/experiments/NAME.toml: a question, what a run measures (its kind, see
compare_kinds.py), the settings of every run, and factors, of whose levels every combination is a run. Raw results go
to one JSON file an experiment, written after every run with the machine, versions and commit; runs that it has are not
repeated, so what was interrupted goes on where it stopped. The report is made of these files alone.
"""

import argparse
import itertools
import math
import multiprocessing
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

import numpy as np
import sktime
from compare_experiments import Experiment, Run, experiments, keep, results_of
from tqdm import tqdm

from jumbo_backbone.benchmarking.report import machine_facts
from jumbo_cli.arguments import Parser, number
from jumbo_cli.failing import BadInputError, exit_code

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
EXAMPLES = """examples:
  %(prog)s list                                                  what there is, and how much of it has been run
  %(prog)s run --quick --out results_quick                       few runs of everything, without any data
  %(prog)s run architecture_segmentation --data data --only width=pico --jobs 2 --hours 2
  %(prog)s report                                                docs/results.md from docs/results/*.json
"""


# ---- running


def missing(experiment: Experiment, args: argparse.Namespace, results: dict[str, Any]) -> list[Run]:
    return [
        r for r in experiment.runs(args.quick, args.only) if not any(r.is_in(record) for record in results["results"])
    ]


def run(args: argparse.Namespace) -> int:
    """Run what is missing; the number of runs that broke."""
    from compare_kinds import TIMED, device_of, lacks  # takes seconds, which a list or a report need not wait for

    args.out.mkdir(parents=True, exist_ok=True)
    versions = dict(sktime=sktime.__version__, numpy=np.__version__)
    deadline = time.monotonic() + 3600 * args.hours
    broken = 0
    for experiment in args.experiments:
        path = args.out / f"{experiment.name}.json"
        results = results_of(path)
        todo, lacking = [], Counter()
        for each in missing(experiment, args, results):
            lack = lacks(each.settings, args.data)
            lacking.update([lack] if lack else [])
            todo += [] if lack else [each]
        for lack, count in lacking.items():
            print(f"{experiment.name}: {count} runs left out, {lack}", file=sys.stderr)
        jobs = 1 if experiment.kind in TIMED else args.jobs
        machines = {
            device: machine_facts(argparse.Namespace(device=device, threads=args.threads)) | versions | dict(jobs=jobs)
            for device in {device_of(experiment.kind, r.settings) for r in todo}
        }
        for each, figures, seconds in tqdm(
            measured(experiment, todo, jobs, deadline, args), experiment.name, len(todo), leave=False, disable=None
        ):
            if isinstance(figures, Exception):  # the others go on; what broke is tried again next time
                broken += 1
                traceback.print_exception(figures)
                print(f"{experiment.name}: {each} broke", file=sys.stderr)
                continue
            facts = machines[device_of(experiment.kind, each.settings)]
            if facts not in results["machines"]:
                results["machines"].append(facts)
            record = dict(cell=each.cell, settings=each.settings, figures=figures, seconds=round(seconds, 1))
            results["results"].append(record | dict(machine=results["machines"].index(facts)))
            keep(path, results)
        left = len(missing(experiment, args, results))
        print(f"{experiment.name}: {left} runs to go" if left else f"{experiment.name}: complete", file=sys.stderr)
    return broken


def measured(
    experiment: Experiment, todo: list[Run], jobs: int, deadline: float, args: argparse.Namespace
) -> Iterator[tuple[Run, dict[str, Any] | Exception, float]]:
    """Runs as they end: what they measured or why they broke, and seconds. None begins after the deadline."""
    from compare_kinds import measure

    begun: dict[Future, tuple[Run, float]] = {}
    waiting = iter(todo)
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        while True:
            more = itertools.islice(waiting, jobs - len(begun)) if time.monotonic() < deadline else ()
            for each in more:
                seed = each.cell.get("seed", 0)
                call = (measure, experiment.kind, each.settings, seed, args.data, args.threads)
                begun[pool.submit(*call)] = each, time.monotonic()
            if not begun:
                return
            for future in wait(begun, return_when=FIRST_COMPLETED).done:
                each, start = begun.pop(future)
                yield each, future.exception() or future.result(), time.monotonic() - start


# ---- command line


def show(args: argparse.Namespace) -> None:
    for experiment in args.experiments:
        runs = experiment.runs(args.quick, args.only)
        left = len(missing(experiment, args, results_of(args.out / f"{experiment.name}.json")))
        print(f"{experiment.name:28} {len(runs) - left:4} of {len(runs):4}  {experiment.question}")


def level(text: str) -> tuple[str, str]:
    factor, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r}: give FACTOR=LEVEL, such as model=jumbo")
    return factor, value


def parse_args(argv: list[str]) -> argparse.Namespace:
    parser = Parser(
        prog="compare.py", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = parser.add_subparsers(dest="part", required=True, parser_class=Parser, metavar="list|run|report")
    for name, what in (
        ("list", "what there is, and how many of its runs have been made"),
        ("run", "make the runs that are missing"),
        ("report", "write a page from the raw results alone"),
    ):
        add = parts.add_parser(name, help=what).add_argument
        add("names", nargs="*", metavar="EXPERIMENT", help="all if none is named")
        add("--experiments", type=Path, default=HERE / "experiments", metavar="DIR", help="where they are described")
        add("--quick", action="store_true", help="the reduced ones")
        add("--only", nargs="+", type=level, default=[], metavar="FACTOR=LEVEL", help="of all combinations those")
        add("--out", type=Path, default=ROOT / "docs" / "results", metavar="DIR", help="raw results")
        if name == "run":
            add("--data", type=Path, metavar="DIR", help="within which camvid/, ETTh1.csv, … lie somewhere")
            add("--jobs", type=number(int, 1), default=1, metavar="N", help="runs beside each other (1)")
            add("--threads", type=number(int, 1), default=1, metavar="N", help="of each (1)")
            add("--hours", type=number(float, 0), default=math.inf, metavar="H", help="begin no run after as many")
        if name == "report":
            add("--page", type=Path, metavar="FILE.md", help="(DIR.md beside the results)")
    args = parser.parse_args(argv)
    args.experiments = experiments(args.names, args.experiments)
    if args.part == "run" and args.data and not args.data.is_dir():
        raise BadInputError(f"no folder of data at {args.data}")
    return args


def main(argv: list[str] | None = None) -> int:
    """0; 1 if a run broke, 2 for what the user can put right, 130 for Ctrl-C."""
    code = 0

    def body() -> None:
        nonlocal code
        args = parse_args(sys.argv[1:] if argv is None else argv)
        if args.part == "list":
            show(args)
        elif args.part == "report":
            from compare_report import write_report

            page = args.page or args.out.with_suffix(".md")
            write_report(args.experiments, args.out, page, args.quick)
            print(page)
        else:
            try:
                code = 1 if run(args) else 0
            except KeyboardInterrupt:
                print("compare: interrupted; what was measured is kept, the same command goes on", file=sys.stderr)
                code = 130

    return exit_code("compare", body) or code


if __name__ == "__main__":
    sys.exit(main())
