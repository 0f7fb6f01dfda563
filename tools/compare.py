#!/usr/bin/env python3
"""Measure what the project claims, side by side with what a user would take instead, and report it as it came out.

An experiment is a file tools/experiments/NAME.toml: a question, what a run measures (its kind, see compare_kinds.py),
the settings of every run, and factors, of whose levels every combination is a run. Raw results go to one JSON file an
experiment, written after every run with the machine, versions and commit; runs that it has are not repeated, so what
was interrupted goes on where it stopped. The report is made of these files alone.
"""

import argparse
import itertools
import json
import math
import multiprocessing
import sys
import time
import tomllib
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sktime
from benchmark import BadInputError, Parser, exit_code, machine_facts, number, replacing
from tqdm import tqdm

HERE = Path(__file__).resolve().parent
EXAMPLES = """examples:
  %(prog)s list --data data                                      what there is, and how much of it has been run
  %(prog)s run --quick --out results_quick                       few runs of everything, without any data
  %(prog)s run architecture_camvid --data data --jobs 2 --hours 2
  %(prog)s report                                                docs/results.md from docs/results/*.json
"""


# ---- what is to be run


@dataclass(frozen=True)
class Run:
    """One combination of levels: their names by factor, and the settings that follow."""

    cell: dict[str, Any]
    settings: dict[str, Any]

    def is_in(self, record: dict[str, Any]) -> bool:
        return record["cell"] == self.cell and record["settings"] == self.settings

    def __str__(self) -> str:
        return " ".join(map(str, self.cell.values()))


@dataclass(frozen=True)
class Experiment:
    """A file of tools/experiments.

    Attributes:
        name: Of the file.
        question: What it is to answer.
        kind: What a run measures.
        settings: Of every run.
        factors: Levels by factor: a table of settings by name, or a list of values of the setting of that name.
        quick: Settings of the reduced report, and under "only" the levels that it takes.
        report: What to make of the figures (see compare_report.py).
    """

    name: str
    question: str
    kind: str
    settings: dict[str, Any]
    factors: dict[str, dict[str, Any] | list[Any]]
    quick: dict[str, Any]
    report: dict[str, Any]

    @classmethod
    def load(cls, path: Path) -> "Experiment":
        try:
            told = tomllib.loads(path.read_text())
            return cls(path.stem, **{"settings": {}, "quick": {}, "report": {}} | told)
        except (tomllib.TOMLDecodeError, TypeError) as error:
            raise BadInputError(f"{path} is no experiment: {error}") from None

    def runs(self, quick: bool = False, only: Sequence[tuple[str, str]] = ()) -> list[Run]:
        """All combinations, the last factor changing fastest; of some factors only the levels named, as text."""
        settings = dict(self.settings)
        factors = dict(self.factors)
        if quick:
            settings = merged(settings, {k: v for k, v in self.quick.items() if k != "only"})
            for name, levels in self.quick.get("only", {}).items():
                all_levels = factors[name]
                factors[name] = {k: all_levels[k] for k in levels} if isinstance(all_levels, dict) else levels
        return [
            Run({k: v for k, (v, _) in zip(factors, levels, strict=True)}, merged(settings, *(s for _, s in levels)))
            for levels in itertools.product(*(self._levels(name, factors[name], only) for name in factors))
        ]

    @staticmethod
    def _levels(
        factor: str, levels: dict[str, Any] | list[Any], only: Sequence[tuple[str, str]]
    ) -> list[tuple[Any, dict[str, Any]]]:
        if not isinstance(levels, dict):
            levels = {level: {} if factor == "seed" else {factor: level} for level in levels}
        wanted = [level for name, level in only if name == factor]
        if unknown := set(wanted) - set(map(str, levels)):
            raise BadInputError(
                f"no {factor} {', '.join(map(repr, unknown))}: choose among {', '.join(map(str, levels))}"
            )
        return [(k, v) for k, v in levels.items() if not wanted or str(k) in wanted]


def merged(first: dict[str, Any], *others: dict[str, Any]) -> dict[str, Any]:
    """Tables within tables joined, the later value of anything else."""
    told = dict(first)
    for other in others:
        for key, value in other.items():
            both = isinstance(value, dict) and isinstance(told.get(key), dict)
            told[key] = merged(told[key], value) if both else value
    return told


def experiments(names: list[str], folder: Path) -> list[Experiment]:
    """Those of these names, all if there are none.

    Raises:
        BadInputError: If there is none of a name.
    """
    there = {path.stem: path for path in sorted(folder.glob("*.toml"))}
    if unknown := [name for name in names if name not in there]:
        raise BadInputError(f"no experiment {', '.join(unknown)}: choose among {', '.join(there)}")
    return [Experiment.load(there[name]) for name in names or there]


# ---- what has been run


def results_of(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.exists() else dict(machines=[], results=[])


def keep(path: Path, results: dict[str, Any]) -> None:
    with replacing(path) as temporary:
        lines = ",\n".join(json.dumps(r) for r in results["results"])
        machines = json.dumps(results["machines"], indent=1)
        temporary.write_text(f'{{"machines": {machines},\n"results": [\n{lines}\n]}}\n')


def missing(experiment: Experiment, args: argparse.Namespace, results: dict[str, Any]) -> list[Run]:
    return [
        r for r in experiment.runs(args.quick, args.only) if not any(r.is_in(record) for record in results["results"])
    ]


def run(args: argparse.Namespace) -> int:
    """Run what is missing; the number of runs that broke."""
    from compare_kinds import lacks

    args.out.mkdir(parents=True, exist_ok=True)
    machine = machine_facts(args) | dict(sktime=sktime.__version__, numpy=np.__version__)
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
        # what is timed has the machine to itself
        jobs = 1 if experiment.kind in ("growth", "program") else args.jobs
        facts = machine | dict(jobs=jobs)
        if facts not in results["machines"]:
            results["machines"].append(facts)
        for each, figures, seconds in tqdm(
            measured(experiment, todo, jobs, deadline, args), experiment.name, len(todo), leave=False, disable=None
        ):
            if isinstance(figures, Exception):  # the others go on; what broke is tried again next time
                broken += 1
                traceback.print_exception(figures)
                print(f"{experiment.name}: {each} broke", file=sys.stderr)
                continue
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
        add("--out", type=Path, default=HERE.parent / "docs" / "results", metavar="DIR", help="raw results")
        if name == "run":
            add("--data", type=Path, metavar="DIR", help="within which camvid/, ETTh1.csv, … lie somewhere")
            add("--jobs", type=number(int, 1), default=1, metavar="N", help="runs beside each other (1)")
            add("--threads", type=number(int, 1), default=1, metavar="N", help="of each (1)")
            add("--hours", type=number(float, 0), default=math.inf, metavar="H", help="begin no run after as many")
        if name == "report":
            add("--page", type=Path, metavar="FILE.md", help="(DIR.md beside the results)")
    args = parser.parse_args(argv)
    args.experiments = experiments(args.names, args.experiments)
    if args.part == "run":
        args.device = "cpu"
        if args.data and not args.data.is_dir():
            raise BadInputError(f"no folder of data at {args.data}")
    return args


def main(argv: list[str] | None = None) -> int:
    broken = 0

    def body() -> None:
        nonlocal broken
        args = parse_args(sys.argv[1:] if argv is None else argv)
        if args.part == "list":
            show(args)
        elif args.part == "run":
            broken = run(args)
        else:
            from compare_report import write_report

            page = args.page or args.out.with_suffix(".md")
            write_report(args.experiments, args.out, page, args.quick)
            print(page)

    return exit_code("compare", body) or int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
