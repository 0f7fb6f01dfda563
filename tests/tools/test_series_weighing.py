"""The program that compares the weigher with rules, on a small panel."""

import json

import numpy as np
import pytest

from tests.conftest import imported_tool


@pytest.fixture(scope="module")
def series_weighing():
    with imported_tool("series_weighing") as module:
        yield module


@pytest.fixture
def panel(tmp_path):
    """Eight quarterly series with a trend and a season, 40 quarters each."""
    rng, t = np.random.default_rng(0), np.arange(40)
    lines = ["@attribute series_name string", "@attribute start_timestamp date", "@frequency quarterly"]
    lines += ["@horizon 4", "@missing false", "@equallength true", "@data"]
    for n in range(8):
        values = 100 + t + 8 * np.sin(np.pi * t / 2) + rng.normal(size=40)
        lines.append(f"S{n}:2000-01-01 00-00-00:" + ",".join(f"{v:.3f}" for v in values))
    path = tmp_path / "quarters.tsf"
    path.write_text("\n".join(lines))
    return path


def test_it_compares_weighers_and_rules_pair_by_pair(series_weighing, panel, tmp_path, capsys):
    series_weighing.main([str(panel), "--weights", "a=synthetic", "b=synthetic", "--json", str(tmp_path / "w.json")])
    told = json.loads((tmp_path / "w.json").read_text())
    assert told["command"] == (
        "python tools/research/series_weighing.py quarters.tsf --weights a=synthetic b=synthetic --origin 1"
    )
    found = told["results"]["quarters"]
    assert list(found) == ["a", "b", series_weighing.MEAN, series_weighing.PAST]
    assert found["b"]["gain"] == 0 and found["b"]["mase"] == found["a"]["mase"]
    assert found["a"]["mase"] < found[series_weighing.MEAN]["mase"]  # most experts know no season
    assert found[series_weighing.MEAN]["verdict"] == "better"
    assert told["results"]["all series"] == found
    assert "quarters (8 series)" in capsys.readouterr().out


def test_errors_are_those_of_the_estimator(series_weighing, panel):
    """The same held-out steps and the same scale as the evaluation of the package."""
    from timeseries import JumboForecaster
    from timeseries.evaluation import evaluate_panel
    from timeseries.weights import load_weigher

    errors = series_weighing.errors_of(panel, 0, {"a": load_weigher("synthetic")})
    scores = evaluate_panel(JumboForecaster(max_epochs=0, random_state=0), panel)
    np.testing.assert_allclose(errors["a"], scores.table["MASE"], rtol=1e-4)
