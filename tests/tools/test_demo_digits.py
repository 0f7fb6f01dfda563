"""tools/demo_digits.py runs as `make demo` runs it, writes what it says, and learns."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from jumbo_backbone import JumboViT

SCRIPT = Path(__file__).parents[2] / "tools" / "demo_digits.py"


def run(*arguments, cwd):
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, cwd=cwd, env=environment
    )


def test_one_epoch(tmp_path):
    done = run("--epochs", "2", "--out", "demo", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    accuracy, baseline = map(float, re.search(r"test accuracy ([\d.]+)% .*: ([\d.]+)%", done.stdout).groups())
    assert baseline < accuracy <= 100  # two epochs of twelve: better than naming one class
    picture = tmp_path / done.stdout.strip().splitlines()[-1]
    assert picture == tmp_path / "demo" / "digits_attention.png"
    with Image.open(picture) as image:
        assert image.width > 1000
    model = JumboViT.from_pretrained(tmp_path / "demo" / "model")
    assert model(torch.rand(1, 3, *model.patch_embed.img_size)).shape == (1, 10)


def test_out_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    done = run("--out", "file", cwd=tmp_path)
    assert done.returncode == 2
    assert "cannot write to --out file" in done.stderr


@pytest.mark.parametrize("arguments", [("--epochs", "0"), ("--max-seconds", "0"), ("--seed", "-1")])
def test_bad_numbers(tmp_path, arguments):
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert arguments[0] in done.stderr and "at least" in done.stderr
