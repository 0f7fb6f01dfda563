"""tools/research/benchmark_budgets.py on tiny problems: which runs there are, at which budgets they are tested, none
twice."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sktime")
pytest.importorskip("mmseg")

from tests.conftest import imported_tool, write_config, write_pairs, write_waves

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def bench():
    with imported_tool("benchmark_budgets") as tool:
        yield tool


@pytest.fixture(scope="module")
def waves(tmp_path_factory):
    return write_waves(tmp_path_factory.mktemp("archive"), 12)


def told(path) -> tuple[list[dict], list[dict]]:
    results = json.loads(path.read_text())["results"]
    return results["metrics"], results["times"]


def test_series(bench, waves, tmp_path, capsys, monkeypatch):
    path = tmp_path / "out.json"
    words = ["series", str(waves), "--seeds", "0", "1", "--keep-rates", "0.5", "--epochs", "1", "--repeats", "3"]
    words += ["--lengths", "64", "--batch-size", "2", "--json", str(path), "--plot", str(tmp_path / "out.png")]
    assert bench.main(words) == 0
    metrics, times = told(path)
    seen = [(m["run"]["seed"], m["run"]["kind"], m["tested"]["keep_rate"]) for m in metrics]
    one = [("alone", 1.0), ("alone", 0.5), ("alone", 0.5), ("elastic", 1.0), ("elastic", 0.5)]
    assert seen == [(seed, *rest) for seed in (0, 1) for rest in one]
    assert [m["run"]["trained"] and m["run"]["trained"]["keep_rate"] for m in metrics[:5]] == [1, 1, 0.5, None, None]
    assert all(0 <= m["metric"] <= 1 and m["run"]["max_epochs"] == 1 for m in metrics)
    assert [(t["part"], t["tested"]["keep_rate"]) for t in times] == [("64 steps", 1.0), ("64 steps", 0.5)]
    assert times[0]["speedup"]["median"] == 1 and (tmp_path / "out.png").stat().st_size > 5000

    lines = capsys.readouterr().out.splitlines()
    accuracy = [100 * m["metric"] for m in metrics if m["run"]["kind"] == "elastic" and m["tested"]["keep_rate"] == 0.5]
    assert lines[-1].split()[:2] == ["0.5", "full"] and f"{np.mean(accuracy):.1f} ± " in lines[-1]
    monkeypatch.setattr("timeseries.JumboClassifier.fit", lambda *_: pytest.fail("trained again"))
    assert bench.main(words) == 0
    assert capsys.readouterr().out.splitlines() == lines
    assert bench.main([*words, "--seeds", "0", "1", "2", "--no-runs"]) == 0  # what there is
    assert capsys.readouterr().out.splitlines() == lines

    content = json.loads(path.read_text())
    content["machine"]["cpu"] = "Another CPU"  # where the times come from
    path.write_text(json.dumps(content))
    assert bench.main(words) == 0
    assert "on Another CPU" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("kind", "axis"),
    [("segmentation", "time of an image, the whole network"), ("series", "time of 256 series of 500 steps")],
)
def test_the_picture_names_its_axes_and_bars(bench, tmp_path, monkeypatch, kind, axis):
    plt = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.setattr(plt, "close", lambda figure: None)
    told_of = json.loads((ROOT / f"docs/benchmarks/cpu_budgets_{kind}.json").read_text())
    args = bench.parse_args(shlex.split(told_of["command"])[2:])
    bench.plot(told_of["results"], args, "a title", tmp_path / "plot.png")
    figure = plt.gcf()
    (axes,) = figure.axes
    assert axes.get_xlabel().startswith(f"{axis}, ms (") and axes.get_ylabel() == args.metric
    assert "means over seeds, bars: standard error; numbers: keep rate" in figure.get_suptitle()
    rates = [f"{budget.keep_rate:g}" for budget in bench.budgets_of(args)]
    assert [text.get_text() for text in axes.texts] == rates
    bars = [segment for bar in axes.containers for segment in bar.lines[2][0].get_segments()]
    places = [round(float(segment[0, 0]), 6) for segment in bars]
    assert len(set(places)) == len(places)  # none hides another


def test_segmentation(bench, tmp_path, capsys):
    write_pairs(tmp_path, 4)
    plain = write_config(tmp_path).rename(tmp_path / "plain.py")
    elastic = tmp_path / "elastic.py"
    elastic.write_text('_base_ = "plain.py"\nmodel = dict(type="ElasticSegmentor")\n')
    path = tmp_path / "out.json"
    words = ["segmentation", str(plain), str(elastic), "--iterations", "2", "--seeds", "0", "--keep-rates", "0.5"]
    words += ["--resolutions", "0.5", "--repeats", "2", "--json", str(path)]
    assert bench.main(words) == 0
    metrics, times = told(path)
    kinds = [(m["run"]["kind"], m["tested"]["keep_rate"], m["tested"]["resolution"]) for m in metrics]
    grid = [(1.0, None), (0.5, None), (1.0, 0.5), (0.5, 0.5)]
    assert kinds[:4] == [("alone", *at) for at in grid] and kinds[7:] == [("elastic", *at) for at in grid]
    assert kinds[4:7] == [("alone", *at) for at in grid[1:]]
    assert [m["run"]["trained"] for m in metrics[4:7]] == [m["tested"] for m in metrics[4:7]]
    assert all(0 <= m["metric"] <= 100 and m["run"]["iterations"] == 2 for m in metrics)
    assert [t["part"] for t in times] == ["backbone"] * 4 + ["whole"] * 4
    assert all(t["seconds"]["median"] > 0 for t in times)
    assert "not trained for" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["segmentation", "absent.py", "absent.py", "--iterations", "1"], "no config at absent.py"),
        (["series", "GunPoint", "--keep-rates", "0"], "must be at least"),
        (["series", "GunPoint", "--json", "absent/out.json"], "cannot write"),
    ],
)
def test_bad_input_is_told_in_one_line(bench, capsys, words, message):
    assert bench.main(words) == 2
    error = capsys.readouterr().err.strip()
    assert message in error and "\n" not in error
