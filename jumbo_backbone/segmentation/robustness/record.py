"""The figures of a test on corrupted images, kept in a file after each cell: a test that was stopped goes on."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...benchmarking.report import machine_facts, write_json

CLEAN = "clean"
Figures = dict[str, dict[str, Any]]  # by the method


class Record:
    """Cells, "fog/3" by corruption and severity and "clean", of one model on one set of images.

    Args:
        path: Of the JSON file; what is there is gone on with.
        args: Of the command, which the file tells.
        settings: What the figures depend on.

    Raises:
        ValueError: If the file is of other settings, or none of this program's.
    """

    def __init__(self, path: Path, args: argparse.Namespace, settings: Mapping[str, Any]) -> None:
        self.path, self.args, self.settings = path, args, dict(settings)
        self.cells: dict[str, Figures] = {}
        if path.exists():
            try:
                found = json.loads(path.read_bytes())["results"]
                self.cells = found["cells"]
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"{path} is no record of this command: give another --out, or remove it") from error
            if other := [key for key, value in self.settings.items() if found.get(key) != value]:
                raise ValueError(
                    f"{path} is of another {', '.join(other)}: its figures cannot stand beside new ones; give another "
                    "--out, or remove it"
                )

    def has(self, cell: str, methods: Sequence[str]) -> bool:
        """Whether the figures of a cell are there for all methods."""
        return set(methods) <= set(self.cells.get(cell, ()))

    def add(self, cell: str, figures: Figures) -> None:
        """Keep the figures of a cell, and write the file."""
        self.cells[cell] = self.cells.get(cell, {}) | figures
        self.write()

    def write(self, **summary: Any) -> None:
        """Write the file, whole or not at all."""
        results = dict(self.settings, cells=self.cells, **summary)
        write_json(self.path, self.args.command, machine_facts(self.args), results)


def cell_of(corruption: str, severity: int) -> str:
    """The name of a cell."""
    return f"{corruption}/{severity}"


def summary_of(
    cells: Mapping[str, Figures], metric: str, corruptions: Sequence[str], severities: Sequence[int]
) -> dict[str, dict[str, Any]]:
    """By the method: ``mean`` over corruptions and severities, and ``retention``, this mean in per cent of the figure
    of clean images, unadapted; None if this is 0."""
    chosen = [cells[cell_of(corruption, severity)] for corruption in corruptions for severity in severities]
    clean = cells[CLEAN]["none"][metric]
    found = {}
    for method in chosen[0]:
        if all(method in cell for cell in chosen):
            mean = sum(cell[method][metric] for cell in chosen) / len(chosen)
            found[method] = dict(mean=mean, retention=100 * mean / clean if clean else None)
    return found


def table_of(
    cells: Mapping[str, Figures],
    metric: str,
    corruptions: Sequence[str],
    severities: Sequence[int],
    methods: Sequence[str],
) -> list[list[str]]:
    """Rows of a table, the first one a heading: figures by corruption, a column for each severity and method; the mean
    over the corruptions, and what it retains of the clean figure."""

    def row(name: str, value: Any) -> list[str]:
        found = [value(severity, method) for severity in severities for method in methods]
        return [name, *("-" if figure is None else f"{figure:.1f}" for figure in found)]

    summaries = {severity: summary_of(cells, metric, corruptions, [severity]) for severity in severities}
    columns = [f"{severity} {method}" for severity in severities for method in methods]
    heading = [column.removesuffix(" none") for column in columns]
    return [
        [metric, *heading],
        row(CLEAN, lambda severity, method: cells[CLEAN][method][metric]),
        *(
            row(name, lambda severity, method, name=name: cells[cell_of(name, severity)][method][metric])
            for name in corruptions
        ),
        row("mean", lambda severity, method: summaries[severity][method]["mean"]),
        row("retention %", lambda severity, method: summaries[severity][method]["retention"]),
    ]
