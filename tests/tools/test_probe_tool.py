"""tools/probe.py as a user runs it, on pictures of two classes that their colour tells apart."""

import json
import re

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from jumbo_backbone import save_checkpoint
from tests.conftest import tiny_model


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for i in range(80):
        place = folder / "train" / ("red", "blue")[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 120, (40, 50, 3)).astype(np.uint8)
        pixels[..., 2 * (i % 2)] += 120
        Image.fromarray(pixels).save(place / f"{i:02d}.png")
    model = tiny_model(img_size=32, patch_size=8, num_classes=0, global_pool="")
    save_checkpoint(model, folder / "encoder.safetensors")
    return folder


def test_a_probe(run, data, tmp_path):
    arguments = [data / "encoder.safetensors", data / "train", "--json", "p.json", "--workers", 0, "--threads", 1]
    output = run("probe.py", *arguments, cwd=tmp_path)
    assert re.search(r"read-out +width +linear top-1 +top-5 +20-NN top-1\njumbo\+mean +240\.0 +100\.0", output)
    told = json.loads((tmp_path / "p.json").read_text())
    found = told["results"]
    assert found["train"] == 72 and found["test"] == 8 and found["seed"] == 0 and not found["random"]
    assert list(found["read_outs"]) == ["jumbo+mean", "jumbo", "mean", "token"]
    assert found["read_outs"]["mean"]["linear_top1"] == 100 and found["read_outs"]["mean"]["width"] == 48
    assert {"cpu", "torch", "git"} <= set(told["machine"]) and told["command"].startswith("python tools/probe.py")


def test_random_weights_are_of_the_seed(run, data, tmp_path):
    arguments = [data / "encoder.safetensors", data / "train", "--random", "--workers", 0, "--read-out", "mean"]
    outputs = []
    for seed in (0, 0, 1):
        run("probe.py", *arguments, "--seed", seed, "--json", "p.json", "--test", data / "train", cwd=tmp_path)
        outputs.append(json.loads((tmp_path / "p.json").read_text())["results"])
    assert outputs[0] == outputs[1] and outputs[0]["train"] == outputs[0]["test"] == 80 and outputs[0]["random"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["encoder.safetensors", "nowhere"], "no pictures at .*nowhere"),
        (["nothing.safetensors", "train"], "no model at .*nothing"),
        (["encoder.safetensors", "train/red"], r"has pictures of 1 class \(red\)"),
        (["encoder.safetensors", "train", "--test", "train/red"], "lacks classes that train has: blue"),
        (["encoder.safetensors", "train", "--test", "other"], "other has classes that train lacks: green"),
        (["encoder.safetensors", "broken", "--workers", "0"], "0.png cannot be read as a picture: it is empty"),
    ],
)
def test_wrong_inputs(run, data, monkeypatch, arguments, message):
    for place in ("other/green/a.png", "other/red/a.png"):
        (data / place).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 40)).save(data / place)
    for i in range(20):
        place = data / "broken" / ("a", "b")[i % 2] / f"{i}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    output = run("probe.py", *arguments, cwd=data, code=2)
    assert re.search(message, output) and "Traceback" not in output


@pytest.mark.parametrize("test", [False, True])
def test_fine_tuning(run, data, tmp_path, test):
    arguments = [data / "encoder.safetensors", data / "train", "--read-out", "mean", "--workers", 0, "--threads", 1]
    arguments += ["--fine-tune", 6, "--batch-size", 16, "--json", "p.json"]
    arguments += ["--test", data / "train"] if test else []
    output = run("probe.py", *arguments, cwd=tmp_path)
    assert re.search(r"fine-tuned, 6 epochs: top-1 \d+\.\d, top-5 100\.0", output)
    told = json.loads((tmp_path / "p.json").read_text())["results"]["fine_tuning"]
    assert told["iterations"] == (30 if test else 27) and told["top1"] >= 75
    cfg = Config.fromfile(tmp_path / "work_dirs/fine_tune_encoder/finetune_pico.py")
    assert cfg.model.init_cfg == dict(type="Pretrained", checkpoint=str(data / "encoder.safetensors"))
    assert cfg.model.encoder.embed_dim == 48 and cfg.model.encoder.img_size == [32, 32] and cfg.model.num_classes == 2
    assert cfg.param_scheduler[1].end == cfg.train_cfg.max_iters == told["iterations"]
    assert cfg.val_dataloader.dataset.part == ("test" if test else "held_out")
    again = run("probe.py", *arguments, "--resume", cwd=tmp_path)
    assert "nothing is left to train" in again
    assert json.loads((tmp_path / "p.json").read_text())["results"]["fine_tuning"] == told
