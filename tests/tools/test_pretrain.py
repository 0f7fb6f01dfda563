"""tools/pretrain.py as a user runs it: on a folder of a few pictures, killed, resumed, and with wrong inputs."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from jumbo_backbone.segmentation import JumboViTBackbone
from jumbo_backbone.segmentation.training.work_dir import PRETRAINED, Checkpoints
from tests.running import assert_the_same_weights, metrics

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "pretrain.py"
ITERS = 12
ARCH = dict(embed_dim=24, depth=2, num_heads=2, jumbo_multiplier=2)


def assert_the_same_file(found: Path, expected: Path) -> None:
    """Of safetensors: the order in their headers is random."""
    contents = []
    for path in (found, expected):
        with safe_open(path, framework="pt") as file:
            contents.append((file.metadata(), {name: file.get_tensor(name) for name in file.keys()}))  # noqa: SIM118
    (about, tensors), (other_about, other_tensors) = contents
    assert about == other_about and tensors.keys() == other_tensors.keys()
    assert all(torch.equal(tensor, other_tensors[name]) for name, tensor in tensors.items())


def write_pictures(folder: Path, count: int = 24) -> Path:
    """Pictures of several sizes and formats, in two folders, one within the other."""
    rng = np.random.default_rng(0)
    (folder / "photos" / "more").mkdir(parents=True)
    for i in range(count):
        small = Image.fromarray(rng.integers(0, 256, (3, 4, 3), dtype=np.uint8))
        picture = small.resize((40 + i, 60 - i), Image.Resampling.BILINEAR)
        place = folder / "photos" / ("more" if i % 2 else ".")
        picture.save(place / f"{i:02d}{('.png', '.jpg', '.bmp', '.webp')[i % 4]}")
    return folder / "photos"


def write_config(folder: Path, **changes: object) -> Path:
    config = dict(
        model=dict(
            encoder=dict(_delete_=True, arch=ARCH, img_size=32, patch_size=8),
            decoder_dim=16,
            decoder_depth=1,
            decoder_heads=2,
        ),
        train_dataloader=dict(
            batch_size=4,
            num_workers=0,
            persistent_workers=False,
            dataset=dict(data_root=str(folder / "photos"), img_size=32, hold_out_every=4),
        ),
        val_dataloader=dict(
            batch_size=4,
            dataset=dict(data_root=str(folder / "photos"), img_size=32, hold_out_every=4),
        ),
        optim_wrapper=dict(optimizer=dict(lr=5e-3)),
        param_scheduler=[dict(type="CosineAnnealingLR", eta_min=0.0, by_epoch=False, begin=0, end=ITERS)],
        train_cfg=dict(max_iters=ITERS, val_interval=6),
        default_hooks=dict(checkpoint=dict(interval=3), logger=dict(interval=1), pretrained=dict(pictures=2)),
    )
    base = ROOT / "seg_configs" / "_base_" / "pretrain_mae.py"
    path = folder / "tiny.py"
    path.write_text("\n".join([f"_base_ = {str(base)!r}", *(f"{k} = {v!r}" for k, v in config.items())]) + "\n")
    return path


def start(*arguments: object, cwd: Path, launch: list[str] | None = None) -> subprocess.Popen:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *(launch or []), str(TOOL), *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=cwd, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_pictures(folder)
    return folder, write_config(folder)


@pytest.fixture(scope="module")
def trained(data):
    process = start(data[1], cwd=data[0])
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return data[0] / "work_dirs" / "tiny", output


def test_a_run(trained):
    work_dir, output = trained
    assert "eta" in output and "held_out_loss" in output
    assert json.loads((work_dir / "run.json").read_text())["command"].split()[0].endswith("pretrain.py")
    assert [row["iter"] for row in metrics(work_dir)] == [6, 12]
    assert metrics(work_dir)[1]["held_out_loss"] < metrics(work_dir)[0]["held_out_loss"]
    picture = Image.open(work_dir / "reconstructions" / "iter_12.png")
    assert picture.size == (3 * 128 + 8, 2 * 128 + 4)
    assert (work_dir / "decoder.safetensors").is_file()


def test_a_segmentor_begins_with_the_encoder(trained):
    file = trained[0] / "encoder.safetensors"
    init = dict(type="Pretrained", checkpoint=str(file))
    backbone = JumboViTBackbone(ARCH, img_size=64, patch_size=8, out_indices=(0, 1), init_cfg=init)
    backbone.init_weights()
    weights = load_file(file)
    assert torch.equal(backbone.vit.blocks[1].mlp.fc1.weight, weights["blocks.1.mlp.fc1.weight"])
    assert backbone.vit.pos_embed.shape[1] == 64 and weights["pos_embed"].shape[1] == 16


def test_killed_and_resumed_with_other_workers(trained, data, tmp_path):
    """To the bit, although two processes load now, where none did before."""
    process = start(data[1], "--work-dir", tmp_path, "--cfg-options", "train_dataloader.num_workers=1", cwd=tmp_path)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("iter_*.pth")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, output
    options = ["train_dataloader.num_workers=2"]
    process = start(data[1], "--work-dir", tmp_path, "--resume", "--cfg-options", *options, cwd=tmp_path)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert_the_same_weights(tmp_path / "iter_12.pth", trained[0] / "iter_12.pth")
    assert metrics(tmp_path) == metrics(trained[0])
    for name in ("encoder.safetensors", "decoder.safetensors"):
        assert_the_same_file(tmp_path / name, trained[0] / name)


def test_a_new_run_keeps_the_files_of_the_one_before(trained, data, tmp_path):
    for name in (*PRETRAINED, "iter_12.pth"):
        (tmp_path / name).touch()
    cfg = Config.fromfile(data[1])
    cfg.work_dir = str(tmp_path)
    folder = Checkpoints(cfg).set_apart()
    assert sorted(path.name for path in folder.iterdir()) == sorted([*PRETRAINED, "iter_12.pth"])


@pytest.mark.parametrize(
    "options, message",
    [
        (["--data-root", "nowhere"], r"no pictures at .*nowhere: there is no such folder or file"),
        (["--data-root", "empty"], r"no pictures at .*empty, nor in folders below: looked for bmp"),
        (["--data-root", "one"], r"one has 1 picture, too few to hold one of 4 out"),
        (["--cfg-options", "model.mask_ratio=0.99"], r"mask_ratio=0.99 hides all of 16 patches"),
        (["--cfg-options", "model.mask_ratio=0.01"], r"mask_ratio=0.01 hides none of 16 patches"),
        (["--cfg-options", "model.encoder.img_size=30"], r"30x30 is not a multiple of patch_size 8x8"),
        (["--cfg-options", "model.decoder_heads=3"], r"decoder_heads=3 does not divide decoder_dim=16"),
        (["--cfg-options", "model.encoder.arch.jumbo_fnn=patch"], r"did you mean model.encoder.arch.jumbo_ffn"),
        (["--cfg-options", "model.encoder.in_chans=1"], r"images must be \(B, 1, H, W\), got \(1, 3, 32, 32\)"),
        (["--cfg-options", "train_dataloader.dataset.img_size=36"], r"36x36 is not a multiple of the patch 8x8"),
        (["--cfg-options", "train_dataloader.dataset.part=val"], r"part='val' is unknown"),
    ],
)
def test_wrong_inputs(run, data, tmp_path, options, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "one").mkdir()
    Image.new("RGB", (40, 40)).save(tmp_path / "one" / "a.png")
    output = run("pretrain.py", data[1], "--work-dir", tmp_path / "w", *options, cwd=tmp_path, code=2)
    assert re.search(message, output), output
    assert "Traceback" not in output


def test_a_config_with_labels_is_not_for_pretraining(run, tmp_path):
    output = run("pretrain.py", "jumbo_upernet_scenes", cwd=tmp_path, code=2)
    assert "trains a JumboSegmentor, which needs labels: jumbo train jumbo_upernet_scenes" in output


def test_two_processes(data, tmp_path):
    """torchrun on CPU, with bfloat16: each process has its own pictures and masks, and both end with one model."""
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29531"]
    options = ["--launcher", "pytorch", "--amp", "--cfg-options", "train_cfg.max_iters=6"]
    process = start(data[1], "--work-dir", "w", *options, cwd=tmp_path, launch=launch)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert json.loads((tmp_path / "w" / "run.json").read_text())["processes"] == 2
    (row,) = metrics(tmp_path / "w")
    assert 0 < row["held_out_loss"] < 3
    assert (tmp_path / "w" / "encoder.safetensors").is_file()
