"""The page on the raw files behind all figures: the command and the machine of each, and the pages that cite it."""

import json
import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[1]

INTRO = """# Raw files

Every figure of these pages comes from one of these files, with all raw timings; the tests compare the figures with
them.
"""


def page() -> str:
    parts = [INTRO]
    for folder in ("benchmarks", "results"):
        entries = [_entry(file) for file in sorted((DOCS / folder).glob("*.json"))]
        parts.append("\n".join([f"## {folder}\n", *entries]))
    return "\n\n".join(parts) + "\n"


def _entry(file: Path) -> str:
    """An item of a list."""
    told = json.loads(file.read_text())
    command = told.get("command") or (f"compare.py run {file.stem}" if file.parent.name == "results" else "")
    pages = [f"[{page.stem}]({page.name})" for page in sorted(DOCS.glob("*.md")) if names(page.read_text(), file)]
    parts = [_machine(told), f"named on {', '.join(pages)}" if pages else "", f"`{_short(command)}`" if command else ""]
    return f"- [{file.name}]({file.parent.name}/{file.name}): " + "; ".join(filter(None, parts))


def names(text: str, file: Path) -> bool:
    """Whether a page names a file: itself, its picture, or a pattern that it fits."""
    words = re.findall(r"[\w.*-]+", text)
    return file.stem in {word.split(".")[0] for word in words} or any(
        fnmatch(file.name, word) for word in words if "_*" in word
    )


def _machine(told: dict[str, Any]) -> str:
    machines = told["machines"] if "machines" in told else [told["machine"]] if "machine" in told else []
    machines = list(machines.values()) if isinstance(machines, dict) else machines
    names = [m if isinstance(m, str) else str(m.get("cpu") or m.get("device") or m.get("processor")) for m in machines]
    return "; ".join(dict.fromkeys(names))


def _short(command: str, most: int = 160) -> str:
    return command if len(command) <= most else command[: most - 2] + " …"
