"""Comparisons: what is run, what is kept, and that the page says what the raw results say."""

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import imported_tool

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def compare():
    with imported_tool("compare") as module:
        yield module


@pytest.fixture(scope="module")
def parts(compare):
    import compare_experiments

    return compare_experiments


@pytest.fixture
def call(compare, folder):
    def run(part, *argv):
        return compare.main(
            [part, "--experiments", str(folder / "experiments"), "--out", str(folder / "out"), *map(str, argv)]
        )

    return run


EXPERIMENT = '''
question = "Which answers?"
note = """
By the tests
alone."""
kind = "classification"
[settings]
params = {{ num_kernels = 84, max_epochs = 1, embed_dim = 8, num_heads = 2, depth = 1, pretrain_epochs = 1 }}
[quick]
params = {{ depth = 2 }}
only = {{ model = ["jumbo"] }}
[factors]
seed = {seeds}
problem = ["UnitTest"]
[factors.model]
jumbo = {{}}
"class token" = {{ params = {{ num_kernels = 0 }}, encoder = {{ jumbo_ffn = "patch", jumbo_multiplier = 1 }} }}
broken = {{ params = {{ embed_dim = 7 }} }}
[report]
metric = "accuracy"
better = "higher"
scale = 100
rows = "problem"
columns = "model"
pairs = ["seed"]
'''


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "which.toml").write_text(EXPERIMENT.format(seeds="[0, 1]"))
    return tmp_path


def test_runs_are_all_combinations_with_their_settings_joined(parts, folder):
    experiment = parts.Experiment.load(folder / "experiments" / "which.toml")
    runs = experiment.runs()
    assert [str(r) for r in runs][:3] == ["0 UnitTest jumbo", "0 UnitTest class token", "0 UnitTest broken"]
    assert len(runs) == 6
    assert runs[1].settings["problem"] == "UnitTest"
    assert runs[1].settings["params"]["num_kernels"] == 0
    assert runs[1].settings["params"]["max_epochs"] == 1
    assert runs[0].settings["params"]["num_kernels"] == 84
    (quick, other) = experiment.runs(quick=True)
    assert quick.settings["params"]["depth"] == 2
    assert (quick.cell["seed"], other.cell["seed"]) == (0, 1)
    assert [str(r) for r in experiment.runs(only=[("seed", "1"), ("model", "jumbo")])] == ["1 UnitTest jumbo"]


def test_a_run_that_breaks_leaves_the_others_and_what_is_there_is_not_run_again(call, folder, capsys):
    assert call("run", "--only", "seed=0") == 1
    told = capsys.readouterr().err
    assert "which: 0 UnitTest broken broke" in told
    assert "not divisible" in told  # why
    assert "which: 1 runs to go" in told
    path = folder / "out" / "which.json"
    results = json.loads(path.read_text())
    assert [r["cell"]["model"] for r in results["results"]] == ["jumbo", "class token"]
    assert all(0 <= r["figures"]["accuracy"] <= 1 for r in results["results"])
    machine = results["machines"][results["results"][0]["machine"]]
    assert {"git", "torch", "sktime", "cpu", "threads"} <= set(machine)

    before = path.read_bytes()
    assert call("run", "--only", "seed=0", "model=jumbo", "model=class token") == 0
    assert path.read_bytes() == before
    assert call("run", "--hours", "0") == 0  # no time left: nothing begins
    assert path.read_bytes() == before
    assert call("list") == 0
    assert "2 of    6" in capsys.readouterr().out

    assert call("report") == 0
    page = (folder / "out.md").read_text()
    figure = 100 * results["results"][0]["figures"]["accuracy"]
    assert f"| UnitTest | {figure:.2f} |" in page
    assert "## Which answers?\n\nBy the tests alone.\n\n" in page
    assert "Not run: seed 1; model broken" in page
    assert "| class token | 1 |" in page
    assert "**Reduced**" not in page
    assert call("report", "--quick") == 0
    assert "**Reduced**" in (folder / "out.md").read_text()


def test_settings_that_change_are_run_anew(parts, folder):
    experiment = parts.Experiment.load(folder / "experiments" / "which.toml")
    run = experiment.runs()[0]
    record = dict(cell=run.cell, settings=run.settings)
    assert run.is_in(record)
    assert not run.is_in(dict(record, settings=parts.merged(run.settings, dict(params=dict(depth=3)))))


@pytest.mark.parametrize(
    "path", sorted((ROOT / "tools" / "research" / "experiments").glob("*.toml")), ids=lambda p: p.stem
)
def test_every_experiment_can_be_run_and_reported(parts, path):
    import compare_kinds as kinds
    import compare_report as report

    experiment = parts.Experiment.load(path)
    assert experiment.kind in kinds.KINDS
    assert experiment.kind in report.SECTIONS
    every = [(r.cell, r.settings) for r in experiment.runs()]
    assert len({json.dumps(e) for e in every}) == len(every) >= len(experiment.runs(quick=True)) > 0
    for factor in ("rows", "columns", "pairs", "over"):
        levels = experiment.report.get(factor, [])
        if experiment.kind != "program":
            assert set([levels] if isinstance(levels, str) else levels) <= set(experiment.factors)


def test_the_page_says_what_the_raw_results_say(compare, tmp_path):
    """A table that was edited by hand, or results without a new report, fail here."""
    (tmp_path / "results").mkdir()
    for path in (ROOT / "docs" / "results").glob("*.json"):
        shutil.copy(path, tmp_path / "results")
    assert compare.main(["report", "--out", str(tmp_path / "results")]) == 0
    assert (tmp_path / "results.md").read_text() == (ROOT / "docs" / "results.md").read_text()
    pictures = {p.name for p in (tmp_path / "results").glob("*.png")}
    assert pictures == {p.name for p in (ROOT / "docs" / "results").glob("*.png")}


def test_every_raw_result_belongs_to_a_run(parts):
    for path in (ROOT / "docs" / "results").glob("*.json"):
        runs = parts.Experiment.load(ROOT / "tools" / "research" / "experiments" / f"{path.stem}.toml").runs()
        for record in json.loads(path.read_text())["results"]:
            assert any(run.is_in(record) for run in runs), (path.name, record["cell"])


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["run", "whether"], "no experiment whether: choose among which"),
        (["run", "--data", "nowhere"], "no folder of data at nowhere"),
        (["run", "--only", "jumbo"], "give FACTOR=LEVEL"),
        (["run", "--jobs", "0"], "--jobs"),
        (["run", "--only", "model=vit"], "no model 'vit'"),
    ],
)
def test_bad_input_is_told_in_a_line(call, argv, said, capsys):
    assert call(*argv) == 2
    told = capsys.readouterr().err
    assert said in told
    assert len(told.strip().splitlines()) == 1


def test_a_file_that_is_no_experiment_is_named(call, folder, capsys):
    (folder / "experiments" / "which.toml").write_text("question = ")
    assert call("list") == 2
    assert "which.toml is no experiment" in capsys.readouterr().err


def test_runs_without_their_data_are_left_out_and_said(call, folder, capsys):
    path = folder / "experiments" / "which.toml"
    path.write_text(EXPERIMENT.format(seeds="[0]").replace("UnitTest", "Nowhere"))
    assert call("run") == 0
    assert "3 runs left out, needs Nowhere: give --data FOLDER" in capsys.readouterr().err


@pytest.mark.parametrize(("gain", "said"), [("rises", "borne out"), ("falls", "contradicted")])
def test_a_hypothesis_is_borne_out_or_not(parts, gain, said):
    import compare_report as report
    import pandas as pd

    claim = dict(against="b", over="problem", gain=gain, sizes={f"p{i}": i for i in range(8)})
    about = dict(better="lower", hypotheses=dict(larger=claim))
    experiment = parts.Experiment("x", "", "classification", {}, {}, {}, about)
    index = pd.Index([f"p{i}" for i in range(8)], name="problem")
    wide = pd.DataFrame(dict(a=[1.0] * 8, b=[1.0 + i for i in range(8)]), index=index)  # errors: a gains the more
    (table,) = report.hypotheses(experiment, wide, "a")
    assert "| larger | b | 8 | +1.00 |" in table and said in table
    (table,) = report.hypotheses(experiment, wide[:5], "a")
    assert "not tested: too few runs" in table


def test_of_a_grid_the_best_in_validation_counts(parts):
    import compare_report as report

    experiment = parts.Experiment(
        "grid", "", "classification", {}, dict(rate=[1, 2], model=["a"], seed=[0]), {},
        dict(choose=dict(among=["rate"], by="validation_loss")),
    )  # fmt: skip
    figures = [dict(accuracy=0.9, validation_loss=None), dict(accuracy=0.5, validation_loss=0.7)]
    records = [
        dict(cell=dict(rate=rate, model="a", seed=0), figures=f, machine=1)
        for rate, f in zip((1, 2), figures, strict=True)
    ]
    assert report.chosen(experiment, records).accuracy.tolist() == [0.5]  # not the best of the test


def test_times_tell_their_machine_if_there_are_several(parts, tmp_path):
    import compare_report as report

    columns = dict(model="model", rate=dict(key="rate", unit=2), spread="spread")
    experiment = parts.Experiment(
        "speed", "", "program", {}, dict(setting=["small", "large"]), {}, dict(columns=columns)
    )  # fmt: skip
    quartiles = dict(q1=1.0, median=1.5, q3=2.25)
    records = [
        dict(cell=dict(setting=s), figures=dict(results=[dict(model="a", rate=r, spread=quartiles)]), machine=m)
        for s, r, m in (("large", 3, 1), ("small", 24690.0, 2))
    ]
    (text,) = report.program(experiment, records, tmp_path)
    assert text.splitlines()[0] == "| setting | model | rate | spread | machine |"
    assert text.splitlines()[2:] == [
        "| small | a | 12,345 | 1.5 [1, 2.25] | 2 |",
        "| large | a | 1.5 | 1.5 [1, 2.25] | 1 |",
    ]
    (text,) = report.program(experiment, records[:1], tmp_path)
    assert "machine" not in text


DEVICES = dict(cpu={}, cuda=dict(device="cuda"))


def test_several_devices_have_their_own_columns(parts, tmp_path):
    import compare_report as report

    about = dict(
        columns=dict(model="model", speed="speed", size="size"), by_device=["speed"],
        plot=dict(x="setting", lines="model", y="speed", label="faster"),
    )  # fmt: skip
    factors = dict(setting=["small", "large"], device=DEVICES)
    experiment = parts.Experiment("speed", "", "program", {}, factors, {}, about)

    def record(setting, device, speed):
        result = dict(model="a", size=7, speed=dict(q1=speed - 1, median=speed, q3=speed + 1))
        machine = list(DEVICES).index(device) + 1
        return dict(cell=dict(setting=setting, device=device), figures=dict(results=[result]), machine=machine)

    records = [record("small", "cpu", 3), record("small", "cuda", 30), record("large", "cpu", 2)]
    text, drawn = report.program(experiment, records, tmp_path)
    assert text.splitlines()[0] == "| setting | model | speed, cpu | speed, cuda | size | machine |"
    assert text.splitlines()[2:] == [
        "| small | a | 3 [2, 4] | 30 [29, 31] | 7 | 1, 2 |",
        "| large | a | 2 [1, 3] | - | 7 | 1 |",
    ]
    assert "speed.png" in drawn
    text, _ = report.program(experiment, [records[0], records[2]], tmp_path)
    assert text.splitlines()[0] == "| setting | model | speed | size |"


def test_growth_on_several_devices_is_told_apart(parts, tmp_path):
    import compare_report as report

    experiment = parts.Experiment(
        "growth", "", "growth", {}, dict(steps=[1, 10, 100], device=DEVICES), {}, dict(over="steps")
    )
    records = [
        dict(cell=dict(steps=n, device=d), figures=dict(fit_seconds=n**power, predict_seconds=1.0))
        for d, power in (("cpu", 1.0), ("cuda", 0.5))
        for n in (1, 10, 100)
        if (d, n) != ("cuda", 10)
    ]
    text, grows, _ = report.growth(experiment, records, tmp_path)
    assert text.splitlines()[0] == "| steps | fit, cpu s | fit, cuda s | predict, cpu s | predict, cuda s |"
    assert text.splitlines()[3] == "| 10 | 10.00 | - | 1.000 | - |"
    assert "fit, cpu grows as steps to the power of 1.00" in grows
    assert "cuda" not in grows  # of two sizes no power is told
