"""tools/research/benchmark_classification.py on tiny problems: what it writes is what it measured, and runs are not
repeated."""

import json
from pathlib import Path

import pytest

pytest.importorskip("sktime")

from tests.conftest import imported_tool, write_waves

ROOT = Path(__file__).parents[2]
SMALL = ["--params", "embed_dim=4", "num_heads=2", "depth=1", "jumbo_multiplier=2", "max_epochs=1", "num_kernels=84"]
SMALL += ["pretrained=None"]


@pytest.fixture(scope="module")
def bench():
    with imported_tool("benchmark_classification") as tool:
        yield tool


@pytest.fixture(scope="module")
def waves(tmp_path_factory):
    return write_waves(tmp_path_factory.mktemp("archive"))


def test_a_run_and_no_second(bench, waves, tmp_path, capsys, monkeypatch):
    path = tmp_path / "out.json"
    words = [str(waves), "--seeds", "0", "1", "--threads", "1", "--json", str(path), *SMALL]
    assert bench.main(words) == 0
    told = json.loads(path.read_text())
    assert told["command"].startswith("python tools/research/benchmark_classification.py Waves --seeds 0 1")
    first, second = told["results"]
    assert (first["seed"], second["seed"], first["model"]) == (0, 1, "jumbo")
    assert first["accuracy"] == first["accuracy_convolutions"] == 0.95  # 19 of 20, since one truth is false
    assert first["train"] == first["test"] == 20 and first["fit_seconds"] > 0 and first["log_loss"] > 0
    assert "Waves" in capsys.readouterr().out
    monkeypatch.setattr(bench, "measure_jumbo", lambda *_: pytest.fail("measured again"))
    assert bench.main(words) == 0
    assert capsys.readouterr().out.splitlines()[-1].split()[:2] == ["mean", "0.950"]


def test_minirocket_that_refuses_is_told(bench, waves, tmp_path, monkeypatch):
    monkeypatch.setattr(bench.importlib.util, "find_spec", lambda name: name)

    def refuse(*_):
        return dict(error="ValueError: too short")

    monkeypatch.setattr(bench, "measure_minirocket", refuse)
    path = tmp_path / "out.json"
    assert bench.main([str(waves), "--seeds", "0", "--minirocket", "--json", str(path), *SMALL]) == 0
    assert json.loads(path.read_text())["results"][1]["error"] == "ValueError: too short"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["some/Nowhere"], "Nowhere_TRAIN.ts: give a folder NAME with NAME_TRAIN.ts and NAME_TEST.ts"),
        (["GunPoint", "--seeds", "-1"], "--seeds"),
    ],
)
def test_bad_input(bench, words, message, capsys):
    try:
        code = bench.main(words)
    except SystemExit as exit:
        code = exit.code
    assert code == 2 and message in capsys.readouterr().err
