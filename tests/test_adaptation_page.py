"""docs/adaptation.md works: its commands and code in its order, on made-up pictures."""

import importlib
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mmseg")
import torch
from PIL import Image

from jumbo_backbone import save_checkpoint
from jumbo_cli.command import status
from tests.conftest import tiny_model, write_config, write_pairs, write_trained

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "adaptation.md").read_text()
SEGMENTATION, ROBUSTNESS, IMAGENET = (
    [shlex.split(line) for line in block.splitlines()] for block in re.findall(r"```bash\n(.*?)```", PAGE, flags=re.S)
)


@pytest.fixture()
def folder(tmp_path, monkeypatch):
    write_pairs(tmp_path, 2)
    write_config(tmp_path).rename(tmp_path / "my_config.py")
    write_trained(tmp_path / "my_config.py", tmp_path / "my.pth")
    (tmp_path / "images" / "validation").rename(tmp_path / "photos")
    (tmp_path / "images" / "validation").symlink_to(tmp_path / "photos")
    rng = np.random.default_rng(0)
    for i in range(4):
        place = tmp_path / "pictures" / "ab"[i % 2] / f"{i}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 40, 3)).astype(np.uint8)).save(place)
    save_checkpoint(tiny_model(img_size=32, patch_size=8, num_classes=2), tmp_path / "classifier.safetensors")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def jumbo(name: str, *arguments: str) -> int:
    try:
        return status(importlib.import_module(f"jumbo_cli.commands.{name}").COMMAND.run(arguments))
    except SystemExit as stopped:
        return stopped.code


def test_the_code(folder):
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
    session: dict = {}
    exec(block, session)
    assert session["logits"].shape == (16, 10) and len(session["parameters_to_adapt"](session["model"])) == 54
    adapter = session["adapter"]
    assert all(torch.equal(p, adapter.start[name]) for name, p in adapter.adapted.items())


def test_the_arguments_have_the_defaults_of_the_page(folder):
    from jumbo_backbone.adaptation import SAR

    adapter = SAR(tiny_model())
    rows = dict(re.findall(r"^\| `(\w+)`[^|]* \| ([\w.]+) \|", PAGE, flags=re.M))
    assert rows.keys() == {"episodic", "share", "loss_stride", "margin", "rho", "recovery"}
    for name in ("episodic", "loss_stride", "margin", "rho"):
        assert str(getattr(adapter, name)) == rows[name]
    assert f"{adapter.recovery:.3f}" == rows["recovery"]
    assert "| `lr`, `momentum` | 0.001, 0.9 |" in PAGE and adapter.lr == 0.001
    assert adapter.optimizer.param_groups[0]["momentum"] == 0.9


def test_the_commands_of_segmentation(folder, capfd):
    assert [words[:2] for words in SEGMENTATION] == [["jumbo", name] for name in ("test", "test", "infer")]
    for _, name, *arguments in SEGMENTATION:
        found = jumbo(name, *arguments)
        out, err = capfd.readouterr()
        assert found == 0, out + err
        assert name == "infer" or re.search(r"mIoU .* unadapted .* adapted by", out)
    assert json.loads(Path("results/metrics.json").read_text())["adapted"]["episodic"]
    assert len(list(Path("predictions").glob("*_overlay.png"))) == 2


def test_the_commands_of_robustness(folder, capfd, monkeypatch):
    pytest.importorskip("imagecorruptions")
    from jumbo_backbone.segmentation.cli import robustness

    monkeypatch.setitem(robustness.GROUPS, "all", ("fog", "contrast"))  # of the 15
    pip, *own = ROBUSTNESS
    assert pip == ["pip", "install", "jumbo-backbone[seg,robustness]"]
    for words in own:
        assert words[:2] == ["jumbo", "robustness"]
        found = jumbo(*words[1:], "--workers", "0")
        out, err = capfd.readouterr()
        assert found == 0 and "retention" in out, out + err
    left = {path.name for path in Path("robustness").iterdir()}
    assert left == set(re.findall(r"`((?:robustness|corruptions)\.(?:json|png))`", PAGE))
    assert set(json.loads(Path("robustness/robustness.json").read_text())["results"]["cells"]) == {
        "clean",
        *(f"{name}/{severity}" for name in ("fog", "contrast") for severity in (1, 3, 5)),
    }


def test_the_recipe_parses():
    from jumbo_cli.commands.robustness import COMMAND

    ((_, name, *arguments),) = IMAGENET
    args = COMMAND.parse(arguments)
    assert name == "robustness" and args.severities == [5] and args.adapt == ["sar", "tent"]
