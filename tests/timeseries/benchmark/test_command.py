"""`jumbo benchmark-series`."""

import json

import numpy as np
import pytest

pytest.importorskip("sktime")
pytest.importorskip("matplotlib")
from jumbo_cli.commands.benchmark_series import COMMAND
from jumbo_cli.failing import BROKE, DONE, WRONG_INPUT
from tests.timeseries.benchmark.fakes import write_fakes
from timeseries.benchmark.report import overall, table

HEAD = "@attribute series_name string\n@attribute start_timestamp date\n@frequency quarterly\n@horizon 4\n@data\n"


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Two small files, and fake peers."""
    folder, rng = tmp_path / "data", np.random.default_rng(0)
    folder.mkdir()
    for name, count in [("a", 4), ("b", 3)]:
        lines = []
        for n in range(count):
            values = 50 + 10 * np.sin(np.pi / 2 * np.arange(30 + n)) + rng.normal(size=30 + n)
            lines.append(f"s{n}:1990-01-01 00-00-00:{','.join(f'{v:.3f}' for v in values)}\n")
        (folder / f"{name}.tsf").write_text(HEAD + "".join(lines))
    write_fakes(tmp_path / "fakes")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "fakes"))
    monkeypatch.setenv("FAKE_CALLS", str(tmp_path / "calls"))
    monkeypatch.chdir(tmp_path)
    return folder


def run(*words):
    return COMMAND.run([str(word) for word in words])


def logged(tmp_path, out="out"):
    return [json.loads(line) for line in (tmp_path / out / "evaluations.jsonl").read_text().splitlines()]


def test_ours_beside_its_peers(data, tmp_path, capsys):
    arguments = (data, "--peers", "--params", "max_epochs=0", "--out", "out")
    assert run(*arguments, "--origin", 1) == DONE
    out = capsys.readouterr().out
    methods = ["JumboForecaster", "SeasonalNaive", "DynamicOptimizedTheta", "AutoETS", "FLAIR"]
    assert all(out.count(f"  {method} ") == 3 for method in methods) and "a, 4 series" in out and "b, 3 series" in out
    assert "The last horizon was evaluated 0 times" in out
    told = json.loads((tmp_path / "out" / "origin_1.json").read_text())
    results = told["results"]
    assert told["machine"]["threads"] == 1 and results["peers"] == {"statsforecast": "2.1.0", "flaircast": "2.1.0"}
    assert results["settings"]["seed"] == 0 and results["settings"]["params"] == {"max_epochs": 0}
    assert [(r["set"], r["method"]) for r in results["sets"]] == [(name, m) for name in "ab" for m in methods]
    assert sum(r["rank"] for r in results["sets"][:5]) == pytest.approx(15)
    naive = results["sets"][1]
    assert naive["mase"] == pytest.approx(naive["naive_mase"])
    assert results["overall"]["SeasonalNaive"]["relative_mase"] == pytest.approx(1)
    assert (tmp_path / "out" / "origin_1.png").read_bytes().startswith(b"\x89PNG")
    assert [(line["set"], line["method"], line["origin"]) for line in logged(tmp_path)] == [
        (name, method, 1) for name in "ab" for method in methods
    ]
    calls = len((tmp_path / "calls").read_text().splitlines())
    assert run(*arguments, "--origin", 1) == DONE  # peers from the cache
    assert len((tmp_path / "calls").read_text().splitlines()) == calls and len(logged(tmp_path)) == 20
    again = json.loads((tmp_path / "out" / "origin_1.json").read_text())["results"]
    timeless = [{k: v for k, v in r.items() if "seconds" not in k} for r in results["sets"]]
    assert timeless == [{k: v for k, v in r.items() if "seconds" not in k} for r in again["sets"]]


def test_ours_alone_and_peers_alone(data, tmp_path, capsys):
    assert run(data, "--sets", "b", "--series", 2, "--params", "max_epochs=0", "--out", "out") == DONE
    out = capsys.readouterr().out
    assert "b, 2 series" in out and "SeasonalNaive" not in out and "rank" not in out
    assert "The last horizon was evaluated 1 times" in out and not (tmp_path / "out" / "cache").exists()
    assert run(data, "--sets", "b", "--peers-only", "--out", "out", "--cache", "kept") == DONE
    out = capsys.readouterr().out
    assert "JumboForecaster" not in out and "The last horizon was evaluated 5 times" in out
    assert (tmp_path / "kept" / "forecasts.sqlite").is_file()
    assert {line["series"] for line in logged(tmp_path)} == {2, 3} and logged(tmp_path)[0]["mase"] > 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["absent"], "no folder at absent: give one with .tsf files"),
        ([".", "--out", "out"], "no .tsf file in ."),
        (["data", "--sets", "c"], "no c.tsf in data: there are a, b"),
        (["data", "--origin", "20"], "no series is longer than 84 steps, 21 times the horizon of 4"),
        (["data", "--origin", "-1"], "must be at least 0, got -1"),
        (["data", "--series", "0"], "must be at least 1, got 0"),
        (["data", "--params", "epochs=1"], "JumboForecaster has no argument 'epochs': context_length, horizon"),
        (["data", "--params", "loss=best"], "unknown loss 'best'"),
        (["data", "--peers", "--peers-python", "absent"], "absent cannot run the peers"),
        (["data", "--out", "data/a.tsf"], "data/a.tsf"),
    ],
)
def test_bad_input(data, capsys, words, told):
    try:
        code = run(*words)
    except SystemExit as stopped:
        code = stopped.code
    err = capsys.readouterr().err
    assert code == WRONG_INPUT and told in err and "Traceback" not in err
    assert len(err.splitlines()) == 1


def test_a_worker_that_breaks(data, capsys):
    text = (data / "b.tsf").read_text() + "odd:1990-01-01 00-00-00:1,2,3,4,5,6,7,666,1,2,3,4\n"
    (data / "b.tsf").write_text(text)
    assert run(data, "--sets", "b", "--peers-only", "--out", "out") == BROKE
    assert "the worker of SeasonalNaive ended with code 9" in capsys.readouterr().err


def test_a_set_without_a_figure():
    """Series without a scale have no MASE: no ratio then, no rank, and no mean over sets."""
    figures = dict(series=2, no_scale=2, too_short=1, smape=3.0, wql=None, msis=None, coverage_80=None)
    figures |= dict(coverage_95=None, fit_seconds=1.0, predict_seconds=1.0)
    records = [dict(figures, set="a", method="x", mase=None, naive_mase=None, rank=None)]
    records.append(dict(figures, set="b", method="x", mase=0.5, naive_mase=1.0, rank=1.0, no_scale=0, too_short=0))
    told = overall(records)
    assert told == {"x": {"relative_mase": None, "rank": None, "seconds": 4.0}}
    lines = table(records, told).splitlines()
    assert "a, 2 series, 2 of them left out of MASE and MSIS" in lines[1] and lines[1].endswith("1 more are too short")
    assert lines[3] == "b, 2 series"
