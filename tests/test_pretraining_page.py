"""docs/pretraining.md works: its commands and code in its order, on made-up pictures and with few steps."""

import importlib
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mmseg")
from PIL import Image

from jumbo_backbone import create_model, save_checkpoint
from jumbo_backbone.pretraining import load_weights
from jumbo_cli.command import status

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "pretraining.md").read_text()
COMMANDS = [
    shlex.split(line)
    for block in re.findall(r"```bash\n(.*?)```", PAGE, flags=re.S)
    for line in block.replace("\\\n", " ").splitlines()
]
SMALLER = ["train_cfg.max_iters=2", "train_cfg.val_interval=2", "train_dataloader.batch_size=2"]
SMALLER += ["train_dataloader.num_workers=0", "train_dataloader.persistent_workers=False"]
OF_MASKS = ["val_dataloader.num_workers=0", "val_dataloader.persistent_workers=False"]


@pytest.fixture()
def folder(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for i in range(30):
        mask = np.full((48, 64), 255 * (i % 2), dtype=np.uint8)
        mask[10:30, 10:40] = 255 - mask[0, 0]
        pixels = np.clip(mask[..., None] * 0.5 + rng.integers(0, 90, (48, 64, 3)), 0, 255).astype(np.uint8)
        for place in (f"pictures/{i % 3}/{i}.jpg", f"classes/{'ab'[i % 2]}/{i}.jpg", f"photos/{i}.jpg"):
            (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / place)
        (tmp_path / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask).save(tmp_path / "masks" / f"{i}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def jumbo(name: str, *arguments: str) -> int:
    try:
        return status(importlib.import_module(f"jumbo_cli.commands.{name}").COMMAND.run(arguments))
    except SystemExit as stopped:
        return stopped.code


def test_the_commands(folder, capfd):
    *own, on_gpus = COMMANDS
    assert [words[:2] for words in own] == [
        ["jumbo", n] for n in ("pretrain", "prepare", "train", "probe", "probe", "probe", "train")
    ]
    told, pico = [], Path("work_dirs/pretrain_mae_pico")
    pico.mkdir(parents=True)
    save_checkpoint(create_model("pico", img_size=64, patch_size=8, num_classes=0), pico / "encoder.safetensors")
    for _, name, *arguments in own:
        if name in ("pretrain", "train"):
            options = SMALLER + (OF_MASKS if name == "train" else [])
            arguments += options if "--cfg-options" in arguments else ["--cfg-options", *options]
        elif name == "probe":
            arguments += ["--workers", "0", "--epochs", "2", "--batch-size", "8"]
            if "--fine-tune" in arguments:
                arguments += ["--fine-tune", "1"]
        found = jumbo(name, *arguments)
        out, err = capfd.readouterr()
        assert found == 0, out + err
        told.append(out + err)
    left = {path.name for path in Path("work_dirs/pretrain_mae_pictures").iterdir()}
    named = set(re.findall(r"`([a-z]+\.(?:safetensors|json))`", PAGE)) - {"probe.json"}
    assert {"encoder.safetensors", "decoder.safetensors", "metrics.json", "run.json"} == named <= left
    assert Path("work_dirs/pretrain_mae_pictures/reconstructions/iter_2.png").is_file()
    assert "backbone from work_dirs/pretrain_mae_pictures/encoder.safetensors" in told[2] and "mIoU" in told[2]
    assert Path("probe.json").is_file() and "read-out" in told[4]
    assert "encoder from work_dirs/pretrain_mae_pico/encoder.safetensors" in told[6] and "top1" in told[6]
    assert "fine-tuned, 1 epochs: top-1" in told[5]

    begin = on_gpus.index("jumbo_cli")
    from jumbo_cli.commands.pretrain import COMMAND

    assert COMMAND.parse(on_gpus[begin + 2 :]).amp


def test_the_code(folder):
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
    session: dict = {}
    exec(block, session)
    assert session["drawn"].reconstruction.shape == (8, 3, 64, 64)
    load_weights(session["autoencoder"], folder)


def test_measured_figures_are_those_of_the_raw_file():
    raw = Path(__file__).resolve().parents[1] / "docs" / "benchmarks" / "cpu_masked_step.json"
    _, one, two = json.loads(raw.read_text())["results"]
    assert [one["decoder_depth"], two["decoder_depth"], one["batch"], one["preset"]] == [1, 2, 128, "pico"]
    time, memory = ([step["ratio"]["median"] for step in (one, two)], [step["memory_ratio"] for step in (one, two)])
    told = " ".join(PAGE.split())
    assert f"{time[0]:.2f} of the time with one decoder block of width 128 and {time[1]:.2f} with two" in told
    assert f"{memory[0]:.2f} and {memory[1]:.2f} of the memory" in told
    assert time[0] <= 0.65 >= memory[0]
