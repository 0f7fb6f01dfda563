"""`make demo` as it is run, for a few steps; and the predictors it is compared with."""

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("mmseg")

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tools" / "demo_scenes.py"


def run(*arguments, cwd):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, cwd=cwd, env=environment, timeout=300
    )


def test_a_few_steps(tmp_path):
    done = run("--minutes", "0.02", "--out", "demo", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    picture = tmp_path / done.stdout.strip().splitlines()[-1]
    assert picture == tmp_path / "demo" / "scenes.png"
    with Image.open(picture) as image:
        assert image.width > 1000
    results = json.loads((tmp_path / "demo" / "results.json").read_text())["mIoU"]
    _, _, table = done.stdout.partition("unseen scenes:\n")
    printed = re.findall(r"^  (\S.*?) +([\d.]+)$", table, flags=re.M)
    assert {name: float(value) for name, value in printed} == {name: round(v, 1) for name, v in results.items()}
    for noise in ("OneDL", "MultiScaleDeformableAttention", "custom_imports = dict("):
        assert noise not in done.stdout + done.stderr
    trivial = [value for name, value in results.items() if "Jumbo" not in name]
    assert len(trivial) == 3 and all(0 < value < 32.5 for value in trivial)  # at most half of what a whole run reaches
    assert list((tmp_path / "demo" / "scenes").glob("best_mIoU_*.pth"))


@pytest.fixture()
def demo(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    return importlib.import_module("demo_scenes")


@pytest.mark.parametrize("arguments", [("--minutes", "0"), ("--seed", "-1"), ("--out", "file")])
def test_wrong_arguments(demo, tmp_path, monkeypatch, capsys, arguments):
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit:
        demo.main(arguments)
    assert exit.value.code == 2
    assert " ".join(arguments).removeprefix("--out ") in capsys.readouterr().err


def test_mean_iou(demo):
    truth = np.array([[0, 0, 1], [1, 2, 2]])
    mean, each = demo.mean_iou(truth, np.array([[0, 1, 1], [1, 2, 0]]))
    np.testing.assert_allclose(each[:3], [100 / 3, 200 / 3, 50])
    assert mean == pytest.approx(sum(each) / len(demo.CLASSES))


def test_trivial_predictors_learn_what_they_can(demo):
    """Where place and colour do give classes away, they find out; so a low score on scenes says something."""
    labels = np.zeros((6, 8, 8), dtype=np.uint8)
    labels[:, 4:] = 1
    labels[:, :2, :2] = 2
    images = np.stack([40 * labels, 255 - 40 * labels, 0 * labels], axis=-1).astype(np.uint8)
    found = demo.trivial_predictors((images[:5], labels[:5]), images[5:], np.random.default_rng(0))
    majority, place, colour = found.values()
    assert (majority == 1).all()
    np.testing.assert_array_equal(place, labels[5:])
    assert np.mean(colour == labels[5:]) > 0.9
