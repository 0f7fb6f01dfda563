"""tools/research/benchmark_timeseries.py at tiny sizes: what it writes agrees with what it timed, runs are resumed, and
what is wrong is said in one line."""

import importlib.util
import json
import shlex
import statistics
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tests.conftest import imported_tool

pytest.importorskip("sktime")
import sktime.datasets

ROOT = Path(__file__).parents[2]
SMALL = ["--params", "embed_dim=4", "num_heads=2", "depth=1", "jumbo_multiplier=2", "max_epochs=1"]


@pytest.fixture(scope="module")
def bench():
    with imported_tool("benchmark_timeseries") as tool:
        yield tool


def part_of(name):
    """A module of the program, once it is imported."""
    return sys.modules[f"series_{name}"]


@pytest.fixture()
def small(bench, monkeypatch):
    sizes = dict(L=24, H=4, DEPTH=1, FIT_ON=2, TRAINING_STEPS=200, PATCHES=dict(patch_length=8, patch_stride=4))
    for part in map(part_of, ("training", "prediction")):
        for name in sizes.keys() & vars(part):
            monkeypatch.setattr(part, name, sizes[name])
    return bench


def run(bench, path, *words):
    arguments = shlex.split(" ".join(words))
    assert bench.main([*arguments, "--threads", "1", "--json", str(path)]) == 0
    told = json.loads(path.read_text())
    assert told["command"].startswith(f"python tools/research/benchmark_timeseries.py {arguments[0]}")
    assert {"cpu", "torch", "sktime", "pandas", "git"} <= set(told["machine"]) and told["machine"]["threads"] == 1
    return told["results"]


def test_epoch(small, tmp_path, monkeypatch, capsys):
    """With a network of ours in the place of PatchTST."""
    made = []
    training = part_of("training")
    monkeypatch.setattr(training, "require_transformers", lambda: None)
    monkeypatch.setattr(
        training, "make_patchtst", lambda dropout: made.append(dropout) or training.make_jumbo(training.make_design())
    )
    records = run(small, tmp_path / "out.json", "epoch --steps 2 --repeats 3 --batch-size 4")
    ours, _, theirs, dropped = records
    assert made == [0.0, 0.3] and [r["model"] for r in records][1::2] == ["jumbo, defaults", "patchtst, dropout 0.3"]
    assert ours["params"] == theirs["params"] and len(theirs["seconds"]) == len(theirs["cpu_seconds"]) == 3
    assert theirs["step_s"]["median"] == pytest.approx(statistics.median(theirs["seconds"]) / 2)
    share = statistics.median(o / t for o, t in zip(ours["seconds"], dropped["seconds"], strict=True))
    assert dropped["share_of_time"]["median"] == pytest.approx(share)
    assert f"{share:.3f} [" in capsys.readouterr().out.splitlines()[-1]


def test_patchtst_reads_what_ours_reads(bench):
    pytest.importorskip("transformers", reason="pip install '.[benchmark]'")
    training = part_of("training")
    model, loss = training.make_patchtst(0.3)
    past, future = torch.randn(14, 1, training.L), torch.randn(14, 1, training.H)
    model.eval()
    value = loss(((past, None), (future, None)))
    forecasts = model(past_values=past.view(2, 7, -1).transpose(1, 2)).prediction_outputs  # (2, H, 7)
    expected = (forecasts - future.view(2, 7, -1).transpose(1, 2)).square().mean()
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)


def test_without_transformers(bench, monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert bench.main(["epoch"]) == 2
    assert "epoch needs transformers, for PatchTST: pip install '.[benchmark]'" in capsys.readouterr().err


def test_predict(small, tmp_path, capsys):
    (r,) = run(small, tmp_path / "out.json", "predict --series 30 --length 40 --repeats 2")
    assert set(r["seconds"]) == set(r["cpu_seconds"]) == {"update", "predict", "network"}
    both = [30 / (u + p) for u, p in zip(r["seconds"]["update"], r["seconds"]["predict"], strict=True)]
    assert r["series_per_s"]["median"] == pytest.approx(statistics.median(both))
    assert r["series_per_s_network"]["median"] > r["series_per_s_predict"]["median"]
    assert f"{statistics.median(both):.0f} [" in capsys.readouterr().out


def test_memory_of_a_fresh_process(bench, tmp_path, capsys):
    (r,) = run(bench, tmp_path / "out.json", "memory --steps 60")
    assert 100e6 < r["bytes_before"] <= r["bytes"] < 2e9 and r["fit_seconds"] > 0 and 1 <= r["epochs"] <= 8
    assert f"{r['bytes'] / 1e6:.0f}" in capsys.readouterr().out


def test_memory_of_a_panel(bench, tmp_path, capsys):
    (r,) = run(bench, tmp_path / "out.json", "panel --series 30 --length 40 --horizon 3")
    assert 100e6 < r["bytes_before"] <= r["bytes"] < 2e9 and r["fit_seconds"] > 0 and r["predict_seconds"] > 0
    assert f"{r['bytes'] / 1e6:.0f}" in capsys.readouterr().out


def test_small(bench, tmp_path, monkeypatch, capsys):
    accuracy = part_of("accuracy")
    forecaster = accuracy.JumboForecaster
    monkeypatch.setattr(accuracy, "JumboForecaster", lambda **k: forecaster(max_epochs=1, **k))
    monkeypatch.setattr(accuracy, "SMALL", dict(airline=24, uschange=12))
    airline, change = run(bench, tmp_path / "out.json", "small --seeds 3")
    assert (airline["series"], airline["horizon"], airline["seed"], change["horizon"]) == ("airline", 24, 3, 12)
    y = sktime.datasets.load_airline().to_numpy()
    of_last = abs(y[-24:] - y[-25]).mean() / abs(np.diff(y[:-24])).mean()
    assert airline["mase"]["last value"] == pytest.approx(of_last) and 0 < airline["mase"]["jumbo"] < of_last
    assert f"{(of_last + change['mase']['last value']) / 2:.2f}" in capsys.readouterr().out.splitlines()[-1]


def test_long_horizon_is_resumed(bench, tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(400, 2)).cumsum(axis=0), columns=["a", "b"])
    table.insert(0, "date", pd.date_range("2020", periods=400, freq="h").astype(str))
    table.to_csv(tmp_path / "walks.csv", index=False)
    path = tmp_path / "out.json"
    arguments = ["long-horizon", str(tmp_path / "walks.csv"), "--context 24 --horizon 8 --seeds"]
    (first,) = run(bench, path, *arguments, "0", *SMALL)
    assert first["data"] == "walks" and first["mse"] > 0 and 0 < first["coverage_80"] <= first["coverage_95"]
    assert str(tmp_path) not in path.read_text()  # where things lie on a machine is nothing to tell

    ran = []
    accuracy = part_of("accuracy")
    evaluate = accuracy.evaluate_long_horizon
    monkeypatch.setattr(accuracy, "evaluate_long_horizon", lambda f, *a: ran.append(f.random_state) or evaluate(f, *a))
    again, second = run(bench, path, *arguments, "0", "1", *SMALL)
    assert again == first and second["seed"] == 1 and ran == [1]
    (line,) = [
        line for line in capsys.readouterr().out.splitlines()[-1:] if line.split()[:3] == ["walks", "24->8", "2"]
    ]
    assert f"{(first['mse'] + second['mse']) / 2:.4f}" in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: PART"),
        (["speed"], "invalid choice: 'speed'"),
        (["epoch", "--steps", "0"], "must be at least 1, got 0"),
        (["long-horizon", "no.csv"], "no data at no.csv: give a CSV file"),
        (["memory", "--json", "no/such/folder/out.json"], "cannot write no/such/folder/out.json"),
        (["long-horizon", __file__, *SMALL[:-1], "max_epoch=1"], "unexpected keyword argument 'max_epoch'"),
    ],
)
def test_bad_input_is_told_in_one_line(bench, capsys, arguments, message):
    assert bench.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("benchmark_timeseries: error: ") and err.count("\n") == 1
    assert message in err
