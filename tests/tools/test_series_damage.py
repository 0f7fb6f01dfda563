"""The program that measures forecasts of damaged series, small."""

import json

import numpy as np
import pytest

from tests.conftest import imported_tool


@pytest.fixture(scope="module")
def series_damage():
    with imported_tool("series_damage") as module:
        yield module


def test_it_measures_each_process_and_damage(series_damage, tmp_path, capsys):
    series_damage.main(["--zero-shot", "--count", "2", "--lengths", "60", "--json", str(tmp_path / "d.json")])
    told = json.loads((tmp_path / "d.json").read_text())
    assert told["command"].startswith("python tools/research/series_damage.py --zero-shot --count 2 --lengths 60")
    assert len(told["results"]) == 2 * 3 + 2
    clean = [r for r in told["results"] if r["damage"] == "clean"]
    assert [r["ratio"] for r in clean] == [1, 1] and all(r["mae"] > 0 for r in told["results"])
    assert "one outlier" in capsys.readouterr().out


def test_damage_is_what_it_is_called(series_damage):
    values = np.arange(1.0, 1001.0)
    found = series_damage.damaged(values, np.random.default_rng(0))
    assert 70 < np.isnan(found["10 % missing"]).sum() < 130
    changed = np.flatnonzero(found["one outlier"] != values)
    assert changed.tolist() == [960] and found["one outlier"][960] == 96100
    np.testing.assert_array_equal(values, np.arange(1.0, 1001.0))
