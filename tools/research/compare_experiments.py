"""What a comparison consists of: experiments, their runs, and the raw results of these (see compare.py)."""

import itertools
import json
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jumbo_backbone.files import replacing
from jumbo_cli.failing import BadInputError


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
    """A file of tools/research/experiments.

    Attributes:
        name: Of the file.
        question: What it is to answer.
        kind: What a run measures.
        settings: Of every run.
        factors: Levels by factor: a table of settings by name, or a list of values of the setting of that name.
        quick: Settings of the reduced report, and under "only" the levels that it takes.
        report: What to make of the figures (see compare_report.py).
        note: What its readers have to know of how it is answered.
    """

    name: str
    question: str
    kind: str
    settings: dict[str, Any]
    factors: dict[str, dict[str, Any] | list[Any]]
    quick: dict[str, Any]
    report: dict[str, Any]
    note: str = ""

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


def results_of(path: Path) -> dict[str, Any]:
    """Machines, and results: each its cell, settings, figures, seconds, and the number of its machine."""
    return json.loads(path.read_text()) if path.exists() else dict(machines=[], results=[])


def keep(path: Path, results: dict[str, Any]) -> None:
    """Write a file, a line a run."""
    with replacing(path) as temporary:
        lines = ",\n".join(json.dumps(r) for r in results["results"])
        machines = json.dumps(results["machines"], indent=1)
        temporary.write_text(f'{{"machines": {machines},\n"results": [\n{lines}\n]}}\n')


def places(experiment: Experiment, factors: list[str]) -> Callable[[tuple], list[int]]:
    """A key that puts levels in the order of the experiment's file."""
    return lambda levels: [list(experiment.factors[f]).index(v) for f, v in zip(factors, levels, strict=True)]


def several(records: list[dict]) -> bool:
    """Whether they come from several machines, whose times do not compare."""
    return len({r["machine"] for r in records}) > 1
