"""docs/your_own_masks.md works: its commands, code and config, in its order, on made-up pictures and with few steps."""

import argparse
import importlib
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mmseg")
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS
from PIL import Image

from jumbo_backbone.segmentation.cli import add_config_arguments, read_config
from jumbo_backbone.segmentation.configs.keys import TOP_LEVEL
from jumbo_backbone.segmentation.configs.tta import use_tta
from jumbo_backbone.segmentation.data.required import datasets_by_split
from jumbo_cli.command import status

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "your_own_masks.md").read_text()
IN_PYTHON, IN_ONNX, OWN_CONFIG = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
COMMANDS = [
    shlex.split(line) for block in re.findall(r"```bash\n(.*?)```", PAGE, flags=re.S) for line in block.splitlines()
]
PREPARE = COMMANDS[0]
SMALLER = [
    *("train_cfg.max_iters=2", "train_cfg.val_interval=2", "train_dataloader.batch_size=2"),
    *(
        f"{split}_dataloader.{key}"
        for split in ("train", "val", "test")
        for key in ("num_workers=0", "persistent_workers=False")
    ),
]
COLOURS = np.array([(120, 120, 120), (230, 60, 60), (60, 60, 230), (0, 0, 0)], dtype=np.uint8)


def jumbo(name: str, *arguments: str) -> int:
    """The subcommand in this process, which saves seconds of importing."""
    try:
        return status(importlib.import_module(f"jumbo_cli.commands.{name}").COMMAND.run(arguments))
    except SystemExit as stopped:
        return stopped.code


@pytest.fixture()
def folder(tmp_path, monkeypatch):
    """What the page's reader has: photos and coloured masks of ground, boxes and discs, and black for nothing."""
    rng = np.random.default_rng(0)
    for name in ("photos", "masks"):
        (tmp_path / name).mkdir()
    for number in range(10):
        labels = np.zeros((48, 64), dtype=np.uint8)
        y, x = rng.integers(0, 28, 2)
        labels[y : y + 20, x : x + 20] = 1
        labels[np.hypot(*(np.indices((48, 64)) - rng.integers(10, 40, (2, 1, 1)))) < 9] = 2
        labels[:2] = 3
        Image.fromarray(COLOURS[labels]).save(tmp_path / "masks" / f"{number}.png")
        Image.fromarray(np.maximum(COLOURS[labels], 20)).save(tmp_path / "photos" / f"{number}.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_page(folder, capfd):
    names = ["prepare", "check", "train", "test", "infer", "export", "test", "export"]
    assert [words[:2] for words in COMMANDS] == [["jumbo", name] for name in names]
    told = []
    for _, name, *arguments in COMMANDS:
        arguments = [a.replace("iter_800", "iter_2") for a in arguments]
        if name not in ("prepare", "check"):
            arguments += ["--cfg-options", *SMALLER]
        found = jumbo(name, *arguments)
        out, err = capfd.readouterr()
        assert found == 0, out + err
        told.append(out + err)
    for class_name in ("ground", "box", "disc"):
        assert class_name in told[0] and class_name in told[1]
    assert "10 pairs of a photo and a mask" in told[0] and "no problems found" in told[1]
    assert all("mIoU" in told[n] for n in (2, 3, 6))
    resolved = Config.fromfile("work_dirs/my_data/config.py")
    assert resolved.train_cfg == dict(type="IterBasedTrainLoop", max_iters=2, val_interval=2)
    for split in ("train", "val", "test"):
        dataset = resolved[f"{split}_dataloader"].dataset
        assert dataset.data_root == str(folder / "my_data") and dataset.metainfo.classes == ("ground", "box", "disc")
    assert resolved.model.decode_head.num_classes == 3 and set(resolved.to_dict()) <= TOP_LEVEL
    left = {path.name for path in Path("work_dirs/my_data").iterdir()}
    assert {"iter_2.pth", "metrics.json", "run.json", "config.py"} <= left
    assert len(list(Path("pictures").iterdir())) == 2 and len(list(Path("painted").glob("*_overlay.png"))) == 2
    assert len(list(Path("painted").glob("*_errors.png"))) == 2
    assert Path("faster.onnx").is_file()

    session: dict = {}
    exec(IN_PYTHON.replace("iter_800", "iter_2"), session)
    assert session["labels"].shape == (48, 64) and tuple(session["classes"]) == ("ground", "box", "disc")
    exec(IN_ONNX, session)
    assert session["logits"].shape == (1, 3, 128, 128) and session["takes"]["channel_order"] == "RGB"


def test_measured_figures_are_those_of_the_raw_file():
    raw = json.loads((ROOT / "docs" / "benchmarks" / "cpu_masks_small.json").read_text())
    found = [f"{validation['mIoU']:.1f}" for validation in raw["validations"]]
    assert f"{', '.join(found[:-1])} and {found[-1]} after 200, 400, 600 and 800 iterations" in " ".join(PAGE.split())
    assert f"took {raw['processor_seconds'] / 60:.1f} minutes of processor time" in " ".join(PAGE.split())
    assert raw["iterations"] == Config.fromfile(ROOT / "seg_configs" / "masks_small.py").train_cfg.max_iters == 800


@pytest.fixture()
def prepared(folder):
    assert jumbo(*PREPARE[1:]) == 0
    Path("my_config.py").write_text(OWN_CONFIG)
    return folder


def read(config: str, *options: str) -> Config:
    parser = argparse.ArgumentParser()
    add_config_arguments(parser)
    return read_config(parser.parse_args([config, *(["--cfg-options", *options] if options else [])]))


def test_own_pipelines_have_an_effect(prepared):
    cfg = read("my_config.py")
    training = cfg.train_dataloader.dataset.pipeline
    assert training[3].scale == (640, 480) and training[4].crop_size == (256, 256)
    for split in ("val", "test"):
        assert cfg[f"{split}_dataloader"].dataset.pipeline[1].scale == (640, 480)
    assert cfg.model.data_preprocessor.size == (256, 256) and cfg.model.test_cfg.crop_size == (256, 256)
    assert cfg.train_dataloader.dataset.data_root == str(prepared / "my_data")
    init_default_scope("mmseg")
    sample = DATASETS.build(cfg.train_dataloader.dataset)[0]
    assert sample["inputs"].shape[0] == 3 and set(np.unique(sample["data_samples"].gt_sem_seg.data)) <= {0, 1, 2, 255}
    use_tta(cfg, [dataset for _, dataset in datasets_by_split(cfg, ("test",))])
    assert cfg.test_dataloader.dataset.pipeline[1].type == "TestTimeAug"


def test_what_the_page_says_of_options(prepared):
    longer = read("my_data/config.py", "train_cfg.max_iters=3000", "param_scheduler.1.end=3000")
    assert longer.train_cfg.max_iters == longer.param_scheduler[1].end == 3000
    assert read("my_data/config.py", "model.backbone.arch.preset=tiny").model.neck.embed_dim == 192
    assert jumbo(*PREPARE[1:], "--overwrite", "--base", "masks_upernet") == 0
    cfg = read("my_data/config.py", "model.backbone.init_cfg=None")
    assert cfg.train_cfg.max_iters == 16000 and cfg.param_scheduler[1].end == 16000
    assert cfg.model.decode_head.num_classes == cfg.model.auxiliary_head.num_classes == 3


@pytest.mark.parametrize("variable", ["train_pipeline", "test_pipeline", "scale"])
def test_pipelines_that_no_loader_names_are_refused(prepared, variable):
    Path("other.py").write_text(f"_base_ = 'my_data/config.py'\n{variable} = [dict(type='LoadImageFromFile')]\n")
    where = dict(train_pipeline="train_dataloader.dataset.pipeline", test_pipeline="val_dataloader.dataset.pipeline")
    told = f"other.py: {variable} has no effect.* Set .*{where.get(variable, 'pipeline.3.scale')}"
    with pytest.raises(ValueError, match=told):
        read("other.py")


def test_tta_at_another_scale_is_refused(prepared):
    Path("no_tta.py").write_text(OWN_CONFIG[: OWN_CONFIG.index("# for jumbo test --tta")])
    cfg = read("no_tta.py")
    with pytest.raises(
        ValueError, match="tta_pipeline has the sizes 192x144, .*, but the test has 640x480.*docs/your_own_masks"
    ):
        use_tta(cfg, [dataset for _, dataset in datasets_by_split(cfg, ("test",))])
