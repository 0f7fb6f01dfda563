"""tools/research/benchmark_committees.py: the figures are those of the cascade, and the program runs."""

import functools
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from sktime.datasets import load_unit_test

import timeseries
from tests.conftest import imported_tool, write_cascade, write_config, write_pairs

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tool():
    with imported_tool("benchmark_committees") as tool:
        yield tool


def test_segmentation(tool, tmp_path, capsys):
    pytest.importorskip("mmseg")
    for number in range(6):  # every other is padded to the size of its neighbours, which does not count
        write_pairs(tmp_path, 1, size=(34, 52) if number % 2 else (48, 64), first=number)
    write_config(tmp_path)
    cascade = write_cascade(tmp_path, "cascade")
    path = tmp_path / "raw.json"
    options = ["--checkpoints", *(str(tmp_path / f"{name}.pth") for name in ("first", "second"))]
    options += ["--tolerances", "0", "0.9", "--plot", str(tmp_path / "plot.png")]
    assert tool.main(["segmentation", str(cascade), "--repeats", "1", "--json", str(path), *options]) == 0
    assert (tmp_path / "plot.png").stat().st_size > 5000
    records = json.loads(path.read_text())["results"]
    assert [(r["ensemble"], r["tolerance"]) for r in records[:4]] == [(False, 0), (False, 0.9), (True, 0), (True, 0.9)]
    assert len(records) == 8 and records[0]["samples"] == 6
    for own, mean in zip(records[:2] + records[4:6], records[2:4] + records[6:], strict=True):
        assert own["groups"]["1 + 2"] == mean["groups"]["1 + 2"] == mean["members"][1]
    for exact, within in zip(records[::2], records[1::2], strict=True):
        assert within["shares"][0] >= exact["shares"][0]
    assert any(r["shares"][0] > 0.5 for r in records if r["tolerance"])
    for record in records:
        assert sum(record["shares"]) == pytest.approx(1) and len(record["thresholds"]) == 2
        went_on = record["shares"][1]  # the first costs a part of the second, who pays it, too
        expected = record["costs"][0] / record["costs"][1] + went_on
        assert record["flops_share"] == pytest.approx(expected, rel=1e-6)
        for batch in ("batch 1", "batch 16"):  # what is timed is what is told
            assert [n / 6 for n in record[batch]["left"]] == pytest.approx(record["shares"])
        assert record["batch 1"]["whole"]["median"] > 0 and record["batch 16"]["backbone"]["median"] > 0
    assert capsys.readouterr().out.count("first > second") == 4
    own = {r["value"] for r in records if (r["ensemble"], r["tolerance"]) == (False, 0)}
    row = tool.MEASURE["segmentation"][1](records)[1]
    assert float(row[4]) == pytest.approx(100 * np.mean(list(own)), abs=0.06) and "±" in row[5]


def test_the_picture_has_means_and_standard_errors_over_checkpoints(tool, tmp_path, monkeypatch):
    plt = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.setattr(plt, "close", lambda figure: None)
    records = json.loads((ROOT / "docs/benchmarks/cpu_committees_segmentation.json").read_text())["results"]
    tool.plot_segmentation(records, "a title", tmp_path / "plot.png")
    figure = plt.gcf()
    (axes,) = figure.axes
    drawn = {bar.get_label(): bar.lines[2][0].get_segments()[0] for bar in axes.containers}
    assert len(drawn) == 3 + 4
    values = {r["checkpoint"]: 100 * r["groups"]["2"] for r in records}.values()
    middle, error = np.mean(list(values)), np.std(list(values), ddof=1) / 3**0.5
    assert drawn["member 2: full"][:, 1].tolist() == pytest.approx([middle - error, middle + error])
    alone = [r for r in records if not r["ensemble"] and r["tolerance"] == 0.005]
    (x, low), (_, high) = drawn["cascade, answers alone, may lose 0.5 points"]
    assert x == pytest.approx(np.mean([r["flops_share"] for r in alone]))
    assert (low + high) / 2 == pytest.approx(100 * np.mean([r["value"] for r in alone]))
    assert axes.get_xlabel() == "mean FLOPs of an image, over those of the last member (full)"
    assert "means of 3 checkpoints, bars: standard error" in figure.get_suptitle()


def test_series(tool, tmp_path, capsys, monkeypatch):
    small = functools.partial(timeseries.JumboClassifier, embed_dim=8, depth=1, max_epochs=1)
    monkeypatch.setattr(timeseries, "JumboClassifier", small)
    path = tmp_path / "raw.json"
    words = ["series", "UnitTest", "--committees", "kernels", "--repeats", "2", "--series", "3", "--json", str(path)]
    assert tool.main(words) == 0
    (record,) = json.loads(path.read_text())["results"]
    assert sum(record["answered"]) == 22 and all(0 <= x <= 1 for x in record["accuracy"].values())
    for form in ("arrays", "tables"):
        assert record[f"{form}, batch 1"]["ms"] > 0 and record[f"{form}, batch 16"]["median"] > 0
    unequal = {name: value for name, value in record.items() if not name.startswith("arrays")}  # in length
    assert tool.table_series([record, unequal | dict(problem="other")])[2][6:8] == ["-", "-"]
    assert tool.table_series([unequal])[0][6:] == ["tables, batch 1", "tables, batch 16"]
    assert "UnitTest" in capsys.readouterr().out


def test_series_are_counted(tool):
    parts = sys.modules["committees_series"]  # of the program
    X, _ = load_unit_test(split="test", return_type="pd-multiindex")
    for batches, sizes in ((parts.some_of(X, 4, 10), [4, 4]), (parts.some_of(np.zeros((9, 1, 5)), 4, 9), [4, 4])):
        assert [parts.count_series(batch) for batch in batches] == sizes


def test_routing(tool, capsys):
    assert tool.main(["routing", "--repeats", "1"]) == 0
    assert "%" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["segmentation", "none.py"], "no config at none.py"),
        (["segmentation", __file__, "--checkpoints", "none.pth"], "no checkpoint at none.pth"),
        (["segmentation", __file__, "--tolerances", "-1"], "at least 0"),
        (["routing", "--repeats", "0"], "at least 1"),
    ],
)
def test_bad_input(tool, capsys, words, told):
    try:
        code = tool.main(words)
    except SystemExit as stopped:
        code = stopped.code
    assert code == 2 and told in capsys.readouterr().err
