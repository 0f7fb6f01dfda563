"""docs/your_own_masks.md works: its folder, config and commands, in its order, with a smaller model and few steps."""

import argparse
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("mmseg")
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, MODELS
from PIL import Image

from jumbo_backbone.segmentation.cli import KeysAndValues, read_config
from jumbo_backbone.segmentation.configs.keys import TOP_LEVEL
from jumbo_backbone.segmentation.configs.tta import use_tta
from jumbo_backbone.segmentation.data.required import datasets_by_split
from tests.conftest import write_pairs

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "your_own_masks.md").read_text()
FOLDER, *CONFIGS, IN_PYTHON, IN_ONNX = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
SMALLER = [
    *("model.backbone.init_cfg=None", "model.backbone.arch.embed_dim=24", "model.backbone.arch.num_heads=2"),
    *("model.neck.embed_dim=24", "model.decode_head.in_channels=[24,24,24,24]", "model.auxiliary_head.in_channels=24"),
    *("model.decode_head.channels=16", "model.auxiliary_head.channels=16", "train_dataloader.batch_size=2"),
    *("train_cfg.max_iters=2", "train_cfg.val_interval=2"),
    *("model.data_preprocessor.size=[128,128]", "train_dataloader.dataset.pipeline.4.crop_size=128"),
    *(
        f"{split}_dataloader.{key}"
        for split in ("train", "val", "test")
        for key in ("num_workers=0", "persistent_workers=False")
    ),
]


@pytest.fixture()
def folder(tmp_path):
    """What the page's reader has: a checkout's tools and configs, and pictures with masks 0, 1, 2 and 255."""
    cv2 = pytest.importorskip("cv2")
    for name in ("tools", "seg_configs"):
        (tmp_path / name).symlink_to(ROOT / name)
    write_pairs(tmp_path / "my_data", 3)
    for path in (tmp_path / "my_data" / "images").rglob("*.png"):
        cv2.imwrite(str(path.with_suffix(".jpg")), cv2.imread(str(path)))
        path.unlink()
    for path in (tmp_path / "my_data" / "annotations").rglob("*.png"):
        cv2.imwrite(str(path), cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) - np.uint8(1))
    return tmp_path


def test_the_page(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "my_config.py").write_text(CONFIGS[0])
    blocks = re.findall(r"```bash\n(.*?)```", PAGE, flags=re.S)
    commands = [shlex.split(line) for block in blocks for line in block.splitlines()]
    tools = ["prepare_ade20k.py", "train.py", "test.py", "infer.py", "export.py", "test.py"]
    assert [Path(c[1]).name for c in commands] == tools
    outputs = []
    for python, tool, *arguments in commands:
        assert python == "python"
        arguments = [a.replace("iter_16000", "iter_2") for a in arguments]
        if "--check" not in arguments:
            arguments += ["--cfg-options", *SMALLER]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, tool, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout + done.stderr)
    for name in ("ground", "box", "disc"):
        assert name in outputs[0]
    assert all("mIoU" in outputs[n] for n in (1, 2, 5))
    resolved = Config.fromfile(folder / "work_dirs" / "my_config" / "my_config.py")
    assert resolved.train_cfg == dict(type="IterBasedTrainLoop", max_iters=2, val_interval=2)
    assert resolved.param_scheduler[1].end == 16000 and resolved.default_hooks.checkpoint.interval == 1000
    for split in ("train", "val", "test"):
        dataset = resolved[f"{split}_dataloader"].dataset
        assert dataset.data_root == "my_data" and dataset.metainfo.classes == ("ground", "box", "disc")
    assert resolved.model.decode_head.num_classes == resolved.model.auxiliary_head.num_classes == 3
    assert set(resolved.to_dict()) <= TOP_LEVEL  # nothing that has no effect
    left = {p.name for p in (folder / "work_dirs" / "my_config").iterdir()}
    assert {"iter_2.pth", "metrics.json", "run.json", "my_config.py"} <= left
    assert len(list((folder / "pictures").iterdir())) == 3
    assert len(list((folder / "painted").glob("*_overlay.png"))) == 3

    session: dict = {}
    exec(IN_PYTHON.replace("iter_16000", "iter_2"), session)
    assert session["labels"].shape == (48, 64) and tuple(session["classes"]) == ("ground", "box", "disc")
    exec(IN_ONNX, session)
    assert session["logits"].shape == (1, 3, 128, 128) and session["takes"]["channel_order"] == "RGB"


def test_a_folder_is_made_of_photos_and_coloured_masks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    colours = np.array([(120, 120, 120), (230, 60, 60), (60, 60, 230), (1, 2, 3)], dtype=np.uint8)
    rng, masks = np.random.default_rng(0), {}
    for name in ("photos", "masks"):
        (tmp_path / name).mkdir()
    for number in range(10):
        masks[f"{number}"] = rng.integers(0, 4, (8, 6))
        Image.fromarray(colours[masks[f"{number}"]]).save(f"masks/{number}.png")
        Image.fromarray(colours[masks[f"{number}"]]).save(f"photos/{number}.jpg")
    exec(FOLDER, {})
    found = {path.stem: path for path in (tmp_path / "my_data" / "annotations").rglob("*.png")}
    assert sorted(found) == sorted(masks)
    for name, path in found.items():
        assert (np.asarray(Image.open(path)) == np.where(masks[name] == 3, 255, masks[name])).all()
        assert (tmp_path / "my_data" / "images" / path.parent.name / f"{name}.jpg").is_file()
    assert sum(path.parent.name == "validation" for path in found.values()) == 2


@pytest.fixture()
def read(folder, monkeypatch):
    """Reads a config of the page as the tools do."""
    for name, text in zip(("my", "my_small", "my_cpu"), CONFIGS, strict=True):
        (folder / f"{name}_config.py").write_text(text)
    monkeypatch.chdir(folder)

    def read(config: str, *options: str) -> Config:
        parser = argparse.ArgumentParser()
        parser.add_argument("--cfg-options", nargs="+", action=KeysAndValues, default={})
        arguments = parser.parse_args(["--cfg-options", *options] if options else [])
        rest = dict(config=Path(config), data_root=None, work_dir=None, launcher="none", local_rank=0)
        return read_config(argparse.Namespace(cfg_options=arguments.cfg_options, **rest))

    return read


def test_own_pipelines_have_an_effect(read):
    cfg = read("my_small_config.py")
    training = cfg.train_dataloader.dataset.pipeline
    assert training[3].scale == (320, 256) and training[4].crop_size == (256, 256)
    for split in ("val", "test"):
        assert cfg[f"{split}_dataloader"].dataset.pipeline[1].scale == (320, 256)
    assert cfg.model.data_preprocessor.size == (256, 256) and cfg.model.backbone.img_size == 256
    assert cfg.train_dataloader.dataset.data_root == "my_data" and cfg.train_cfg.max_iters == 16000
    use_tta(cfg, [dataset for _, dataset in datasets_by_split(cfg, ("test",))])
    assert cfg.test_dataloader.dataset.pipeline[1].type == "TestTimeAug"


def test_the_config_for_a_cpu_trains(read):
    cfg = read("my_cpu_config.py")
    assert cfg.train_dataloader.dataset.pipeline[4].crop_size == (128, 128)
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False)
    init_default_scope("mmseg")
    model, dataset = revert_sync_batchnorm(MODELS.build(cfg.model)), DATASETS.build(cfg.train_dataloader.dataset)
    samples = [dataset[n] for n in range(2)]
    batch = dict(inputs=[s["inputs"] for s in samples], data_samples=[s["data_samples"] for s in samples])
    data = model.data_preprocessor(batch, training=True)
    assert data["inputs"].shape == (2, 3, 128, 128)
    loss, _ = model.parse_losses(model(**data, mode="loss"))
    loss.backward()
    sample = DATASETS.build(cfg.val_dataloader.dataset)[0]
    with torch.no_grad():
        (answer,) = model.eval().test_step(dict(inputs=[sample["inputs"]], data_samples=[sample["data_samples"]]))
    assert answer.pred_sem_seg.data.shape == (1, 48, 64)


@pytest.mark.parametrize("variable", ["train_pipeline", "test_pipeline", "scale"])
def test_pipelines_that_no_loader_names_are_refused(folder, read, variable):
    lines = f"_base_ = 'my_config.py'\n{variable} = [dict(type='LoadImageFromFile')]\n"
    (folder / "other.py").write_text(lines)
    where = dict(train_pipeline="train_dataloader.dataset.pipeline", test_pipeline="val_dataloader.dataset.pipeline")
    told = f"other.py: {variable} has no effect.* Set .*{where.get(variable, 'pipeline.3.scale')}"
    with pytest.raises(ValueError, match=told):
        read("other.py")


def test_tta_at_another_scale_is_refused(folder, read):
    text = (folder / "my_small_config.py").read_text()
    (folder / "no_tta.py").write_text(text[: text.index("# for test.py --tta")])
    cfg = read("no_tta.py")
    with pytest.raises(
        ValueError, match="tta_pipeline has the sizes 1024x256, .*, the test 320x256.*docs/your_own_masks"
    ):
        use_tta(cfg, [dataset for _, dataset in datasets_by_split(cfg, ("test",))])
