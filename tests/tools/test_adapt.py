"""--adapt of tools/test.py and infer.py: off by default, the unadapted figure beside the adapted one, and refusals."""

import json
import re

import pytest

pytest.importorskip("mmseg")

from tests.conftest import write_cascade, write_config, write_pairs, write_trained


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_pairs(folder, 3)
    write_config(folder)
    write_trained(folder / "tiny.py", folder / "x.pth")
    write_cascade(folder, "cascade")
    return folder


LOUD = ["--adapt-options", "lr=2000.0"]  # so that a step shows


@pytest.mark.parametrize(
    "how", [["sar"], ["tent", "--episodic", *LOUD], ["tent", "--slide", "--max-batch", "2", *LOUD]]
)
def test_the_report_has_both_figures(run, data, tmp_path, how):
    arguments = [data / "tiny.py", data / "x.pth"]
    if "--slide" in how:
        run("test.py", *arguments, "--slide", "--max-batch", "2", "--out", "plain", cwd=tmp_path)
    else:
        run("test.py", *arguments, "--out", "plain", cwd=tmp_path)
    output = run("test.py", *arguments, "--adapt", *how, "--out", "out", cwd=tmp_path)
    plain, told = (json.loads((tmp_path / f / "metrics.json").read_text()) for f in ("plain", "out"))
    adapted = told.pop("adapted")
    assert "adapted" not in plain and told == plain  # the unadapted figures are those of a test without it
    assert adapted["method"] == how[0] and adapted["episodic"] == ("--episodic" in how) and adapted["left_out"] == 0
    if "tent" in how:
        assert adapted["mIoU"] != plain["mIoU"] and adapted["options"] == {"lr": 2000.0}
    line = re.search(rf"mIoU +(\S+) unadapted +(\S+) adapted by {how[0]} +\((\S+)\)", output)
    found = [float(number) for number in line.groups()]
    assert found[:2] == pytest.approx([plain["mIoU"], adapted["mIoU"]], abs=0.01)
    assert found[2] == pytest.approx(found[1] - found[0], abs=0.02) and set(adapted["IoU"]) == {"ground", "box", "disc"}


def test_infer(run, data, tmp_path):
    photos = data / "images" / "validation"
    output = run("infer.py", data / "tiny.py", data / "x.pth", photos, "--adapt", "sar", cwd=tmp_path)
    assert len(list((tmp_path / "predictions").glob("*_overlay.png"))) == 3
    assert "infer.py: adapted by sar: " in output and "images or windows counted" in output
    output = run("infer.py", data / "tiny.py", data / "x.pth", photos, "--adapt", "tent", "--episodic", cwd=tmp_path)
    assert "infer.py: adapted by tent: all images counted" in output


@pytest.mark.parametrize(
    "tool, config, arguments, message",
    [
        ("test.py", "tiny.py", ["--episodic"], "--episodic says how to adapt: give --adapt"),
        ("test.py", "tiny.py", ["--adapt", "sar", "--tta"], "--adapt and --tta: each of the scales and flips"),
        ("test.py", "cascade.py", ["--adapt", "sar"], "a cascade cannot be adapted, as its thresholds are chosen for"),
        ("infer.py", "cascade.py", ["--adapt", "tent"], "a cascade cannot be adapted"),
        ("infer.py", "tiny.py", ["--episodic"], "--episodic says how to adapt"),
        ("test.py", "tiny.py", ["--adapt-options", "lr=0.1"], "--adapt-options says how to adapt"),
        ("infer.py", "tiny.py", ["--adapt", "tent", "--adapt-options", "rho=1"], "tent cannot be made with {'rho': 1}"),
        ("test.py", "tiny.py", ["--adapt", "cotta"], "invalid choice: 'cotta'"),
    ],
)
def test_refusals(run, data, tmp_path, tool, config, arguments, message):
    images = [data / "images" / "validation"] if tool == "infer.py" else []
    output = run(tool, data / config, data / "x.pth", *images, *arguments, cwd=tmp_path, code=2)
    assert message in output and "Traceback" not in output
