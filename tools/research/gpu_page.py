"""The section of docs/results.md on what only a GPU tells, made of the file of gpu_report.py alone."""

import json
from collections.abc import Iterator
from pathlib import Path

from compare_text import machine, shown, table
from gpu_parts import PARTS, Part


def gpu_section(path: Path) -> Iterator[str]:
    """Paragraphs: a table for each part, with the columns that the part names, and why it has none."""
    yield "## What only a GPU tells\n"
    yield "By tools/research/gpu_report.py; each part in a process of its own.\n"
    if not path.exists():
        yield "Not run: no GPU was at hand.\n"
        return
    told = json.loads(path.read_text())
    for name, part in PARTS.items():
        yield f"### {part.title}\n"
        result = told["parts"].get(name, dict(state="not run"))
        if "records" in result:
            yield table(rows_of(part, result["records"]))
            yield f"`{name}`, {result['seconds']:.0f} s, machine {result['machine'] + 1}.\n"
        else:
            yield f"`{name}`: {result['state']}{': ' * ('why' in result)}{result.get('why', '')}.\n"
    for n, facts in enumerate(told["machines"], start=1):
        rehearsal = " A rehearsal on CPU at tiny sizes: the figures mean nothing." if facts["rehearsal"] else ""
        yield f"{n}. {machine(facts | dict(jobs=1))}.{rehearsal}\n"


def rows_of(part: Part, records: list[dict]) -> list[list[str]]:
    """A heading and a row for each record; columns that no record fills are left out."""
    specs = {name: column if isinstance(column, dict) else dict(key=column) for name, column in part.columns.items()}
    filled = {name: spec for name, spec in specs.items() if any(r.get(spec["key"]) is not None for r in records)}
    body = [[shown(r.get(spec["key"]), spec.get("unit", 1)) for spec in filled.values()] for r in records]
    return [list(filled), *body]
