"""tools/train.py, test.py and export.py as a user runs them: on a folder of a few pictures, with wrong inputs,
interrupted, in two processes."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import SHARED, write_config, write_pairs

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "tools"
CONFIGS = ROOT / "seg_configs"


def start(tool, *arguments, cwd, launch=()):
    """The tool as a process."""
    command = [sys.executable, *launch, str(TOOLS / tool), *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, cwd=cwd, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def finish(process, code=0):
    output, _ = process.communicate(timeout=300)
    assert process.returncode == code, output
    return output


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_pairs(folder, 5)
    return folder, write_config(folder)


@pytest.fixture(scope="module")
def trained(data):
    """One whole run, by the command of the README."""
    output = finish(start("train.py", data[1], cwd=data[0]))
    return data[0] / "work_dirs" / "tiny", output


def test_a_run(trained):
    work_dir, output = trained
    assert "Saving checkpoint at 8 iterations" in output and "mIoU" in output
    assert json.loads((work_dir / "run.json").read_text())["command"].split()[0].endswith("train.py")
    assert (work_dir / "iter_8.pth").is_file() and (work_dir / "tiny.py").is_file()


def test_testing(run, trained, data, tmp_path):
    work_dir, _ = trained
    run("test.py", data[1], work_dir / "iter_8.pth", "--out", tmp_path / "out", cwd=tmp_path)
    found = json.loads((tmp_path / "out" / "metrics.json").read_text())
    last = json.loads((work_dir / "metrics.json").read_text())[-1]
    assert found["mIoU"] == pytest.approx(last["mIoU"], abs=0.02)
    labels = sorted((tmp_path / "out" / "labels").glob("*.png"))
    assert len(labels) == 5
    stored = np.asarray(Image.open(labels[0]))  # in the data set's encoding, where 0 is none
    assert stored.shape == (48, 64) and set(np.unique(stored)) <= {1, 2, 3}


@pytest.mark.parametrize(
    "options",
    [
        ("--slide", "--max-batch", "2", "--int8-jumbo"),
        ("--keep-rate", "0.5", "--resolution", "0.75"),
        ("--tta",),
        ("--tta", "--slide"),
    ],
)
def test_ways_of_testing(run, trained, data, tmp_path, options):
    output = run("test.py", data[1], trained[0] / "iter_8.pth", *options, "--show-dir", tmp_path / "show", cwd=tmp_path)
    assert re.search(r"mIoU: \d", output)
    assert len(list((tmp_path / "show").iterdir())) == 5


def test_an_ffn_of_8_bits_is_not_trained(run, data, tmp_path):
    output = run("train.py", data[1], "--cfg-options", "model.backbone.int8_jumbo=True", cwd=tmp_path, code=2)
    assert "an FFN of 8 bits does not learn; leave it out" in output


def test_labels_of_two_images_never_share_a_file(run, trained, data, tmp_path):
    write_pairs(tmp_path, 2)
    for kind in ("images", "annotations"):
        (tmp_path / kind / "validation" / "more").mkdir()
        shutil.copy(tmp_path / kind / "validation" / "000.png", tmp_path / kind / "validation" / "more")
    output = run(
        "test.py", data[1], trained[0] / "iter_8.pth", "--out", "out", "--data-root", tmp_path, cwd=tmp_path, code=2
    )
    assert "have one name: rename one of them" in output
    run("test.py", data[1], trained[0] / "iter_8.pth", "--data-root", tmp_path, cwd=tmp_path)


def test_export(run, trained, data, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    run("export.py", data[1], trained[0] / "iter_8.pth", "--size", 48, 64, "--out", tmp_path / "a.onnx", cwd=tmp_path)
    session = onnxruntime.InferenceSession(str(tmp_path / "a.onnx"))
    (logits,) = session.run(["logits"], {"images": np.zeros((3, 3, 48, 64), dtype=np.float32)})
    assert logits.shape == (3, 3, 48, 64)
    output = run("export.py", data[1], trained[0] / "iter_8.pth", "--size", 50, 64, cwd=tmp_path, code=2)
    assert "multiple of the patch" in output


def test_ctrl_c_and_resume(heeds_ctrl_c, run, data, tmp_path):
    """Ctrl-C after the first checkpoint; then --resume goes on to the end, and to the numbers of the whole run."""
    longer = ["--cfg-options", "train_cfg.max_iters=400", "default_hooks.checkpoint.interval=4"]
    process = start("train.py", data[1], "--work-dir", tmp_path / "w", *longer, cwd=tmp_path)
    deadline = time.monotonic() + 120
    while not list((tmp_path / "w").glob("iter_*.pth")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    assert "stopped by Ctrl-C" in output and "--resume goes on" in output
    (last, *_) = sorted((tmp_path / "w").glob("iter_*.pth"), key=lambda p: -int(p.stem.split("_")[1]))
    reached = int(last.stem.split("_")[1])
    end = [*longer, f"train_cfg.max_iters={reached + 4}"]
    output = run("train.py", data[1], "--work-dir", tmp_path / "w", "--resume", *end, cwd=tmp_path)
    assert f"iter_{reached}.pth" in output
    assert (tmp_path / "w" / f"iter_{reached + 4}.pth").is_file()


def test_ctrl_c_while_the_config_is_formatted(run, data, tmp_path, monkeypatch):
    def interrupted(text, **_):
        raise KeyboardInterrupt

    monkeypatch.setattr("yapf.yapflib.yapf_api.FormatCode", interrupted)
    output = run("train.py", data[1], "--work-dir", tmp_path / "w", cwd=tmp_path, code=130)
    assert "stopped by Ctrl-C" in output


def test_amp_seed_and_data_root(run, data, tmp_path):
    moved = data[1].read_text().replace(str(data[0]), "nowhere")
    (tmp_path / "moved.py").write_text(moved)
    options = [
        "--data-root",
        data[0],
        "--amp",
        "--seed",
        3,
        "--work-dir",
        "w",
        "--cfg-options",
        "train_cfg.max_iters=2",
    ]
    run("train.py", "moved.py", *options, cwd=tmp_path)
    assert json.loads((tmp_path / "w" / "run.json").read_text())["seed"] == 3
    config = next((tmp_path / "w").glob("moved.py")).read_text()
    assert "AutocastOptimWrapper" in config


def test_two_processes(data, tmp_path):
    """torchrun on CPU, with gloo: the gradient is that of the whole batch, so both hold the same weights.

    Every parameter has a gradient in every step, the positions of sizes that do not occur among them.
    """
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29517"]
    options = ["--launcher", "pytorch", "--work-dir", "w", "--cfg-options", "train_cfg.max_iters=4"]
    options.append("model.backbone.pos_embed_sizes=[16,24]")
    output = finish(start("train.py", data[1], *options, cwd=tmp_path, launch=launch))
    assert (tmp_path / "w" / "iter_4.pth").is_file(), output
    assert json.loads((tmp_path / "w" / "run.json").read_text())["processes"] == 2


def test_the_real_pair_of_ade20k(run, tmp_path):
    """A training, a validation and a test step of the ADE20K config on a real pair, small."""
    sample = SHARED / "data" / "segmentation" / "ade20k_sample"
    if not sample.is_dir():
        pytest.skip("the ADE20K sample is not beside this checkout")
    for kind in ("images", "annotations"):
        (tmp_path / "ade" / kind).mkdir(parents=True)
        for split in ("training", "validation"):
            (tmp_path / "ade" / kind / split).symlink_to(sample / kind / "validation")
    small = [
        *("model.backbone.arch.embed_dim=48", "model.backbone.arch.num_heads=3", "model.backbone.init_cfg=None"),
        *(
            "model.neck.embed_dim=48",
            "model.decode_head.in_channels=[48,48,48,48]",
            "model.auxiliary_head.in_channels=48",
        ),
        *("model.decode_head.channels=32", "train_dataloader.batch_size=2", "train_cfg.max_iters=2"),
        *("train_cfg.val_interval=2", "train_dataloader.num_workers=0", "train_dataloader.persistent_workers=False"),
        *("val_dataloader.num_workers=0", "val_dataloader.persistent_workers=False"),
        *("test_dataloader.num_workers=0", "test_dataloader.persistent_workers=False"),
    ]
    config = CONFIGS / "jumbo_upernet_ade20k.py"
    common = ["--data-root", tmp_path / "ade", "--work-dir", tmp_path / "w", "--cfg-options", *small]
    output = run("train.py", config, *common, cwd=tmp_path)
    assert re.search(r"decode.loss_ce: \d", output) and re.search(r"aux.loss_ce: \d", output)
    assert re.search(r"mIoU: \d", output)
    assert re.search(r"\|\s+wall\s+\|", output) and re.search(r"\|\s+flag\s+\|", output)  # first and last of 150


def test_what_training_left_is_loaded_safely(run, trained, data, tmp_path):
    assert "safely load" not in run("test.py", data[1], trained[0] / "iter_8.pth", cwd=tmp_path)


# ---- wrong inputs


def test_without_ade20k(run, tmp_path):
    output = run("train.py", CONFIGS / "jumbo_upernet_ade20k.py", cwd=tmp_path, code=2)
    told = ("jumbo prepare ADEChallengeData2016.zip", "jumbo train jumbo_upernet_scenes", "20,210")
    for part in (str(tmp_path / "data" / "ade"), *told):
        assert part in output
    assert not list(tmp_path.iterdir())  # nothing was built


def test_a_checkpoint_of_another_size(run, trained, data, tmp_path):
    other = ["--cfg-options", "model.backbone.arch.embed_dim=32", "model.decode_head.in_channels=[32,32]"]
    output = run("test.py", data[1], trained[0] / "iter_8.pth", *other, cwd=tmp_path, code=2)
    assert "does not fit this config's model" in output and "Give the config it was trained with" in output


def test_a_damaged_checkpoint(run, trained, data, tmp_path):
    whole = (trained[0] / "iter_8.pth").read_bytes()
    (tmp_path / "half.pth").write_bytes(whole[: len(whole) // 2])
    assert "cut off" in run("test.py", data[1], "half.pth", cwd=tmp_path, code=2)
    assert "no checkpoint at" in run("test.py", data[1], "nowhere.pth", cwd=tmp_path, code=2)
    assert "no checkpoint at" in run("train.py", data[1], "--resume", "nowhere.pth", cwd=tmp_path, code=2)


def test_classes_that_differ(run, data, tmp_path):
    output = run("train.py", data[1], "--cfg-options", "model.decode_head.num_classes=4", cwd=tmp_path, code=2)
    assert "has 3 classes, but model.decode_head.num_classes is 4" in output


def test_configs_that_are_none(run, tmp_path):
    assert "no config at" in run("train.py", "nothing.py", cwd=tmp_path, code=2)
    (tmp_path / "broken.py").write_text("model = dict(\n")
    assert "broken.py" in run("train.py", "broken.py", cwd=tmp_path, code=2)


def test_data_root_without_files(run, tmp_path):
    output = run("train.py", CONFIGS / "jumbo_upernet_scenes.py", "--data-root", "x", cwd=tmp_path, code=2)
    assert "--data-root x: ScenesDataset has no files" in output


def test_a_killed_worker(run, data, tmp_path, monkeypatch):
    """The process that loads data dies, as the kernel kills it when memory runs out."""
    config = tmp_path / "killed.py"
    (tmp_path / "killer.py").write_text(
        "import os, signal\n"
        "from mmcv.transforms import BaseTransform\n"
        "from mmseg.registry import TRANSFORMS\n"
        "@TRANSFORMS.register_module()\n"
        "class Killer(BaseTransform):\n"
        "    def transform(self, results):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    config.write_text(
        f"_base_ = [{str(data[1])!r}]\n"
        "custom_imports = dict(imports=['jumbo_backbone.segmentation', 'killer'], allow_failed_imports=False)\n"
        "train_dataloader = dict(num_workers=1, dataset=dict(pipeline=[dict(type='Killer')]))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    output = run("train.py", config, "--work-dir", tmp_path / "w", cwd=tmp_path, code=1)
    assert "data-loading process was killed" in output


def test_frozen_stages_stay_as_they_were(run, trained, data, tmp_path):
    before = trained[0] / "iter_8.pth"
    run("train.py", data[1], "--load-from", before, "--work-dir", tmp_path / "w", "--cfg-options",
        "model.backbone.frozen_stages=1", "train_cfg.max_iters=4", cwd=tmp_path)  # fmt: skip
    old, new = (torch.load(path, weights_only=False)["state_dict"] for path in (before, tmp_path / "w" / "iter_4.pth"))
    same = {name for name in old if torch.equal(old[name], new[name])}
    assert {"backbone.vit.jumbo_token", "backbone.vit.blocks.0.attn.qkv.weight"} <= same
    assert "backbone.vit.blocks.1.attn.qkv.weight" not in same and "decode_head.conv_seg.weight" not in same
