"""A line for every evaluation, so that those of the last horizon can be counted."""

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_FILE = "evaluations.jsonl"
_LOGGED = ("set", "series", "origin", "method", "params", "version", "mase")


def log_evaluation(folder: Path, record: Mapping[str, Any], commit: str | None) -> None:
    """Add a line: when, at which commit, and what came out."""
    line = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "commit": commit}
    line |= {name: record[name] for name in _LOGGED if name in record}
    with (folder / _FILE).open("a") as file:
        file.write(json.dumps(line) + "\n")


def count_last_horizon(folder: Path) -> int:
    """How many evaluations of a set by a method, of those in the log, held out the last horizon."""
    count = 0
    for line in (folder / _FILE).read_text().splitlines():
        with suppress(ValueError, KeyError, TypeError):  # a line that a full disk or an editor cut
            count += json.loads(line)["origin"] == 0
    return count
