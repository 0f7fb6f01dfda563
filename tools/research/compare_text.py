"""Pieces of the page of results: tables, pictures, numbers, machines."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from jumbo_backbone.files import replacing


def table(rows: list[list[str]]) -> str:
    head, *body = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body]) + "\n"


def picture(figure: Figure, path: Path, what: str) -> str:
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110, bbox_inches="tight", metadata={"Software": None})
    return f"![{what}]({path.parent.name}/{path.name})\n"


def shown(value: Any, unit: float = 1) -> str:
    """A number in a unit; of a spread the median and the quartiles."""
    if isinstance(value, dict):
        return "{} [{}, {}]".format(*(shown(value[q], unit) for q in ("median", "q1", "q3")))
    if isinstance(value, int | float):
        return f"{value / unit:.4g}" if abs(value / unit) < 1e4 else f"{value / unit:,.0f}"
    return "-" if value is None else str(value)


def machine(facts: dict[str, Any]) -> str:
    threads = f"{facts['threads']} thread{'s' * (facts['threads'] > 1)}"
    beside = f", {facts['jobs']} runs beside each other" if facts["jobs"] > 1 else ""
    where = f"{facts['gpu']} beside {facts['cpu']}" if facts["gpu"] else facts["cpu"]
    return f"{where}, {threads} of {facts['cores']} cores{beside}; torch {facts['torch']}, commit {facts['git']}"
