"""docs/synthetic.md: its code runs, and its tables are those of the code and of the raw file."""

import json
import re
from pathlib import Path

from tests.conftest import imported_tool
from timeseries.synthetic import COMPONENTS, FAMILIES, FREQUENCIES

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGE = (DOCS / "synthetic.md").read_text()
RAW = json.loads((DOCS / "benchmarks" / "synthetic_features.json").read_text())["results"]
# real series from 10 to 90 % that reach out of the drawn ones from 2 to 98 %
BEYOND = {("m3_monthly", "season strength"), ("m3_quarterly", "autocorrelation")}


def cells(first: str) -> list[str]:
    (line,) = re.findall(rf"^\| {re.escape(first)} \|.*$", PAGE, flags=re.M)
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_code_of_the_page_runs():
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
    session: dict = {}
    exec(block, session)
    assert session["drawn"].values.shape == (200, 120) and session["name"] in FAMILIES
    assert (session["monthly"].periods == (12, 1)).all()
    assert session["pairs"].shape == (16, 2, 512)


def test_shares_are_those_of_the_code():
    for name, family in FAMILIES.items():
        assert cells(name)[2:] == [f"{100 * share:.0f}" for share in family.shares]
    for name, component in COMPONENTS.items():
        assert cells(name)[-1] == f"{100 * component.share:.0f}"
    for name, (main, second, share) in FREQUENCIES.items():
        expected = [str(main) if main else "2 to 60", str(second) if second > 1 else "none", f"{100 * share:.0f}"]
        assert cells(name)[1:] == expected


def test_features_are_those_of_the_raw_file_and_cover_real_series():
    with imported_tool("synthetic_features") as tool:
        assert tool.table(RAW) in PAGE
    beyond = set()
    for file, rows in RAW.items():
        for name, row in rows.items():
            if row["real"][1] < row["drawn"][0] or row["real"][3] > row["drawn"][4]:
                beyond.add((file, name))
    assert beyond == BEYOND
