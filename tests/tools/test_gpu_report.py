"""The GPU report: every part works on CPU at tiny sizes, what fails is named and stops nothing, the page shows it."""

import json
import sys

import pytest

from tests.conftest import imported_tool

PASSES_AND_FAILS = (
    "def test_a(): pass\ndef test_b(): assert 1 == 2\nimport pytest\n@pytest.mark.skip\ndef test_c(): pass\n"
)


@pytest.fixture(scope="module")
def report():
    pytest.importorskip("sktime")
    pytest.importorskip("mmseg")
    with imported_tool("gpu_report") as module:
        yield module


@pytest.fixture(scope="module")
def parts(report):
    import gpu_parts

    return gpu_parts


EXPECTED = dict(  # at tiny sizes: records, and a figure of them that is above 0
    tests=(1, "passed"),
    speed=(2, "flops_per_s"),
    keep_rates=(3, "flops_per_s"),
    training=(2, "flops_per_s"),
    segmentation_step=(2, "flops"),
    segmentation_run=(1, "step_s"),
    forecaster=(1, "fit_s"),
    classifier=(1, "fit_s"),
    speed_compiled=(2, "flops_per_s"),
)


@pytest.mark.parametrize("name", EXPECTED)
def test_each_part_works_on_cpu(parts, name):
    assert list(parts.PARTS) == list(EXPECTED)
    part, (rows, above_0) = parts.PARTS[name], EXPECTED[name]
    records = part.measure(parts.At("cpu", tiny=True))
    assert len(records) == rows and all(record[above_0] > 0 for record in records)
    keys = {column["key"] if isinstance(column, dict) else column for column in part.columns.values()}
    assert keys - {"why"} <= set().union(*records)  # "why": of tests that failed


def test_failing_tests_are_records(parts, tmp_path):
    import subprocess

    (tmp_path / "test_some.py").write_text(PASSES_AND_FAILS)
    xml = tmp_path / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", f"--junit-xml={xml}", "-p", "no:cacheprovider", "test_some.py"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 1
    everything, failure = parts.test_records(xml)
    assert everything == dict(test="all", passed=1, failed=1, skipped=1)
    assert failure == dict(test="test_some::test_b", why="assert 1 == 2")


def test_it_runs_what_is_missing_and_names_what_is_not_there(report, parts, tmp_path, monkeypatch, capfd):
    path = tmp_path / "gpu.json"
    call = ["--rehearse", "--json", str(path), "--only", "keep_rates", "forecaster"]
    absent = parts.Part("Series", parts.forecaster_fit, {"": "data"}, needs=("no_such_library",))
    monkeypatch.setitem(report.PARTS, "forecaster", absent)
    assert report.main(call) == 0
    told = json.loads(path.read_text())
    assert told["parts"]["keep_rates"]["state"] == "done" and len(told["parts"]["keep_rates"]["records"]) == 3
    assert told["parts"]["forecaster"]["why"] == "no_such_library not installed"
    assert told["machines"][0]["rehearsal"] is True

    kept = told["parts"]["keep_rates"]
    monkeypatch.setattr(report, "measured", lambda *_: dict(state="failed", why="it broke", seconds=1.0))
    assert report.main(call) == 1  # the forecaster's failure; what was measured is not measured again
    again = json.loads(path.read_text())["parts"]
    assert again["keep_rates"] == kept and again["forecaster"]["why"] == "it broke"
    assert report.main([*call, "--again"]) == 1
    assert json.loads(path.read_text())["parts"]["keep_rates"] == kept  # a failure takes no figures away
    assert report.main([*call, "--again", "--minutes", "0"]) == 0
    assert "not begun, the time is up" in capfd.readouterr().err


def test_a_part_that_raises_or_takes_too_long_is_a_failure(report, parts, tmp_path, monkeypatch):
    def broken(at):
        raise RuntimeError("no kernel\nand more")

    monkeypatch.setitem(report.PARTS, "speed", parts.Part("Speed", broken, {}))
    assert report.child("speed", "cpu", "1", str(tmp_path / "told.json")) == 0
    assert json.loads((tmp_path / "told.json").read_text()) == dict(state="failed", why="RuntimeError: no kernel")
    told = report.measured("training", parts.At("cpu", tiny=True), 0.2)
    assert told["state"] == "failed" and told["why"].startswith("stopped after 0 s")


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        ([], "torch finds no CUDA device here"),
        (["--rehearse"], "give --json FILE"),
        (["--rehearse", "--json", "JSON", "--only", "speeds"], "invalid choice: 'speeds'"),
        (["--rehearse", "--json", "OTHER"], "is no GPU report"),
    ],
)
def test_bad_input(report, tmp_path, monkeypatch, capsys, argv, told):
    monkeypatch.setattr(report.torch.cuda, "is_available", lambda: False)
    (tmp_path / "other.json").write_text("[]")
    places = dict(JSON=str(tmp_path / "new.json"), OTHER=str(tmp_path / "other.json"))
    assert report.main([places.get(word, word) for word in argv]) == 2
    assert told in capsys.readouterr().err


def test_the_page_has_a_table_for_each_part(parts, tmp_path):
    import gpu_page

    nothing = list(gpu_page.gpu_section(tmp_path / "gpu.json"))
    assert nothing[-1] == "Not run: no GPU was at hand.\n"
    facts = dict(threads=8, gpu="H100", cpu="EPYC", cores=16, torch="2.14", git="abc", rehearsal=False)
    record = dict(name="jumbo", latency_s=dict(q1=0.1, median=0.2, q3=0.3), time_ratio=None, peak_memory_bytes=2**30)
    told = dict(
        segmentation_step=dict(state="done", seconds=9.0, machine=0, records=[record]),
        speed=dict(state="failed", why="out of memory", machine=0),
    )
    (tmp_path / "gpu.json").write_text(json.dumps(dict(machines=[facts], parts=told)))
    page = "\n".join(gpu_page.gpu_section(tmp_path / "gpu.json"))
    assert "|  | s a step | peak MiB |\n|---|---|---|\n| jumbo | 0.2 [0.1, 0.3] | 1024 |" in page
    assert "`speed`: failed: out of memory." in page and "`training`: not run." in page
    assert "1. H100 beside EPYC, 8 threads of 16 cores; torch 2.14, commit abc." in page
    assert page.count("###") == len(parts.PARTS)
