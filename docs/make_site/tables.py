"""All tables of measured figures in one place, each below the sentences that say what it shows."""

import re
from collections.abc import Iterator
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1]

# the sections that say what was measured, in the order of the page
SECTIONS = (
    ("segmentation.md", "Measured"),
    ("your_own_masks.md", "3. Train"),
    ("pretraining.md", "What it costs"),
    ("budgets.md", "What it costs, and what it saves"),
    ("committees.md", "What cascades save"),
    ("forecasting.md", "Pretraining"),
    ("forecasting.md", "Measured"),
    ("classification.md", "Pretraining"),
    ("classification.md", "Measured"),
    ("synthetic.md", "Compared with real series"),
)


def all_tables() -> str:
    """Each table below a link to its section."""
    parts: list[str] = []
    for page, heading in SECTIONS:
        text = (DOCS / page).read_text()
        found = list(tables_of(section(text, heading)))
        if found:
            title = re.search(r"^# (.*)$", text, flags=re.M)
            parts.append(f"### {title[1] if title else page}: [{heading}]({page}#{slug(heading)})")
            parts += [f"{caption}\n\n{table}" for caption, table in found]
    return "\n\n".join(parts)


def section(text: str, heading: str) -> str:
    """What stands below a heading, up to the next one."""
    _, found, below = text.partition(f"\n## {heading}\n")
    if not found:
        raise LookupError(f"no section {heading!r}: mend SECTIONS")
    return below.partition("\n## ")[0]


def tables_of(text: str) -> Iterator[tuple[str, str]]:
    """Of each table, the paragraph before it and its lines."""
    blocks = text.strip().split("\n\n")
    for n, block in enumerate(blocks):
        if block.startswith("|"):
            yield (blocks[n - 1] if n else ""), block


def slug(heading: str) -> str:
    """The anchor of a heading, on a code host and on the site."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
