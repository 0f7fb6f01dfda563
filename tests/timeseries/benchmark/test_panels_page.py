"""Figures of panels and of simulated series on the page of forecasting are those of the raw files."""

import json
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "forecasting.md").read_text()
METHODS = ("JumboForecaster", "SeasonalNaive", "DynamicOptimizedTheta", "AutoETS", "FLAIR")
SETS = {"M3 yearly": "m3_yearly", "M3 quarterly": "m3_quarterly", "M3 monthly": "m3_monthly", "M4 hourly": "m4_hourly"}


def results(name):
    return json.loads((DOCS / "benchmarks" / f"{name}.json").read_text())["results"]


def table(head):
    rows = PAGE.split(f"| {head} | JumboForecaster ")[1].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


@pytest.mark.parametrize(("head", "key"), [("MASE", "mase"), ("WQL", "wql"), ("within 80 %", "coverage_80")])
def test_tables_of_panels(head, key):
    raw = results("cpu_panels_zero_shot")
    found = {(record["set"], record["method"]): record for record in raw["sets"]}
    for name, *cells in table(head):
        if name.startswith("geometric"):
            expected = [raw["overall"][method]["relative_mase"] for method in METHODS]
        else:
            short, count = re.fullmatch(r"(.+) \((\d+)\)", name).groups()
            expected = [found[SETS[short], method][key] for method in METHODS]
            assert found[SETS[short], METHODS[0]]["series"] == int(count)
        digits = len(cells[0].partition(".")[2])
        assert cells == [f"{value:.{digits}f}" for value in expected]


def test_sentences():
    earlier = results("cpu_panels_zero_shot_earlier")["overall"]["JumboForecaster"]["relative_mase"]
    assert f"the geometric mean is {earlier:.3f}" in PAGE
    intervals = results("cpu_calibration")
    told = "The 80 % intervals hold {:.2f} to {:.2f} of the values", "the 95 % intervals {:.2f} to {:.2f}"
    for coverage, words in zip((0.8, 0.95), told, strict=True):
        inside = [record["inside"] for record in intervals if record["coverage"] == coverage]
        assert words.format(min(inside), max(inside)) in PAGE


def test_the_table_of_weighing():
    raw = results("cpu_weighing_origin_0")
    rows = PAGE.split("| series | weighed |")[1].split("\n\n")[0].splitlines()[2:]
    assert len(rows) == len(raw) == 5
    for row in rows:
        name, *cells = (cell.strip() for cell in row.strip("|").split("|"))
        found = raw[SETS.get(name, name)]
        rules = [found["mean of the experts"], found["best expert in the past"]]
        expected = [f"{found['jumbo']['mase']:.3f}"]
        for rule in rules:
            expected += [f"{rule['mase']:.3f}", f"{rule['gain']:.3f} ± {rule['error']:.3f}"]
            assert rule["p"] < 1e-4
        assert cells == expected


def test_sentences_on_the_class_token():
    for origin, words in ((0, "{} against {} at the last horizon (p {:.2f})"), (1, "{} against {} at the one")):
        found = results(f"cpu_weighing_tokens_origin_{origin}")["all series"]
        mases = (f"{found[name]['mase']:.3f}" for name in ("class_token", "jumbo_token"))
        assert words.format(*mases, found["class_token"]["p"]) in PAGE
