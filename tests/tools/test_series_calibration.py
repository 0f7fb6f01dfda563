"""The program that measures intervals on simulated series: small, and against what it says of itself."""

import json

import numpy as np
import pytest

from tests.conftest import imported_tool


@pytest.fixture(scope="module")
def series_calibration():
    with imported_tool("series_calibration") as module:
        yield module


def test_it_measures_each_process_length_step_and_coverage(series_calibration, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(series_calibration, "LENGTHS", (30,))
    series_calibration.main(["--count", "4", "--json", str(tmp_path / "c.json")])
    told = json.loads((tmp_path / "c.json").read_text())
    assert told["command"].startswith("python tools/research/series_calibration.py --count 4")
    assert len(told["results"]) == 4 * 1 * 2 * 2
    for record in told["results"]:
        assert 0 <= record["inside"] <= 1
        assert record["width_over_theory"] > 0
    assert "random walk" in capsys.readouterr().out


def test_the_deviations_of_theory_are_those_of_the_processes(series_calibration):
    for name, process in series_calibration.PROCESSES.items():
        rng = np.random.default_rng(0)
        values, deviation = process(rng, 4000, 60 + series_calibration.H)
        known, future = values[:, :60], values[:, 60:]
        best = {  # the best forecast that there is
            "white noise": np.zeros((4000, 12)),
            "AR(0.8)": known[:, -1:] * 0.8 ** np.arange(1, 13),
            "random walk": known[:, -1:].repeat(12, axis=1),
            "trend + season": None,
        }[name]
        if best is not None:
            np.testing.assert_allclose((future - best).std(axis=0), deviation, rtol=0.05)
