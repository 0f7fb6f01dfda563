"""Features of real and drawn series: the test part is not read, and features are what they say."""

import json

import numpy as np
import pytest

from tests.conftest import imported_tool


@pytest.fixture()
def tool():
    with imported_tool("synthetic_features") as module:
        yield module


def write_tsf(path, series, horizon):
    lines = ["# made up", "@relation x", "@frequency monthly", f"@horizon {horizon}", "@data"]
    lines += [f"T{k}:1990-01-01 00-00-00:{','.join(map(str, row))}" for k, row in enumerate(series)]
    path.write_text("\n".join(lines))
    return path


def test_the_test_part_is_cut_off(tool, tmp_path):
    file = write_tsf(tmp_path / "x.tsf", [[1, 2, 3, 999, 999], [4, 5, 6, 7, 999, 999]], 2)
    series, frequency = tool.read_training_parts(file)
    assert [row.tolist() for row in series] == [[1, 2, 3], [4, 5, 6, 7]] and frequency == "monthly"


def test_features_of_plain_series(tool):
    t, rng = np.arange(240.0), np.random.default_rng(0)
    line = tool.features(t + 1 + 1e-3 * rng.normal(size=240), 1)
    assert line["trend strength"] > 0.999 and line["autocorrelation"] > 0.95
    wave = tool.features(10 + np.sin(2 * np.pi * t / 12) + 0.01 * rng.normal(size=240), 12)
    assert wave["season strength"] > 0.99 and wave["spectral entropy"] < 0.5
    noise = tool.features(rng.normal(size=240), 12)
    assert noise["season strength"] < 0.2 and noise["spectral entropy"] > 0.85
    assert noise["autocorrelation of differences"] == pytest.approx(-0.5, abs=0.15)


def test_a_file_and_a_table_come_out(tool, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tool, "_DRAWN", 5)
    series = np.random.default_rng(0).normal(50, 5, (6, 60)).round(2).tolist()
    file = write_tsf(tmp_path / "own_monthly.tsf", series, 6)
    tool.main([str(file), "--json", str(tmp_path / "out.json")])
    rows = json.loads((tmp_path / "out.json").read_text())["results"]["own_monthly"]
    assert len(rows) == 9 and all(len(side) == 5 for row in rows.values() for side in row.values())
    assert "| own_monthly | season strength |" in capsys.readouterr().out
