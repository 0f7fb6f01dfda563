"""Labels and images mean the same wherever a model meets them, or it is told what differs."""

import random

import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform
from mmengine.config import Config
from mmseg.registry import TRANSFORMS

from jumbo_backbone.segmentation.data.consistency import require_as_trained, settings_of
from jumbo_backbone.segmentation.data.required import require_datasets
from tests.conftest import CLASSES, imported_tool, write_config, write_pairs, write_trained

PALETTE = [[90, 90, 90], [230, 60, 60], [60, 60, 230]]


@TRANSFORMS.register_module(force=True)
class Brighten(BaseTransform):
    """Always by as much."""

    def __init__(self, by=20):
        self.by = by

    def transform(self, results):
        results["img"] = (results["img"].astype(np.int32) + self.by).clip(0, 255).astype(np.uint8)
        return results


@TRANSFORMS.register_module(force=True)
class BrightenByChance(Brighten):
    def transform(self, results):
        self.by = np.random.randint(1, 100)  # noqa: NPY002
        return super().transform(results)


@pytest.fixture()
def cfg(tmp_path):
    write_pairs(tmp_path, 1)
    return Config.fromfile(write_config(tmp_path))


def refused(cfg) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        require_datasets(cfg)
    return str(caught.value)


def warned(cfg, capsys) -> str:
    require_datasets(cfg)
    return capsys.readouterr().err


# ---- labels


def test_what_agrees_is_silent(cfg, capsys):
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # noqa: NPY002
    assert warned(cfg, capsys) == ""
    assert random.getstate() == before[0] and np.random.get_state()[1].tolist() == before[1]  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[2])


@pytest.mark.parametrize("loader", ["val_dataloader", "test_dataloader"])
def test_another_order_of_classes(cfg, loader):
    cfg[loader].dataset.metainfo = dict(classes=("ground", "disc", "box"), palette=PALETTE)
    told = refused(cfg)
    assert f"train_dataloader and {loader} number the classes differently: 'box' is 1 and 2, 'disc' is 2 and 1" in told


def test_another_number_of_one_class(cfg):
    cfg.val_dataloader.dataset.metainfo = dict(classes=("sky", "ground", "box"), palette=PALETTE)
    assert "'ground' is 0 and 1, 'box' is 1 and 2" in refused(cfg)


def test_other_names_may_be_meant(cfg, capsys):
    cfg.val_dataloader.dataset.metainfo = dict(classes=("Ground", "box", "disc"), palette=PALETTE)
    told = warned(cfg, capsys)
    assert "train_dataloader and val_dataloader name the classes differently: 0 is 'ground' and 'Ground'" in told


@pytest.mark.parametrize("wrap", [lambda d: d, lambda d: dict(type="RepeatDataset", times=2, dataset=d)])
def test_another_meaning_of_zero(cfg, wrap):
    cfg.val_dataloader.dataset.reduce_zero_label = False
    cfg.val_dataloader.dataset = wrap(cfg.val_dataloader.dataset)
    told = refused(cfg)
    assert "train_dataloader and val_dataloader have reduce_zero_label=True and False" in told


def test_another_meaning_of_zero_in_another_kind_of_data(cfg, capsys):
    classes = ("wall", "building", "sky")
    cfg.train_dataloader.dataset.metainfo = dict(classes=classes, palette=PALETTE)
    ade = dict(
        cfg.val_dataloader.dataset, type="ADE20KDataset", reduce_zero_label=False, metainfo=dict(classes=classes)
    )
    cfg.val_dataloader.dataset = cfg.test_dataloader.dataset = ade
    assert "are their masks numbered differently?" in warned(cfg, capsys)


# ---- images


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (dict(color_type="unchanged"), "16 bits are kept: False and True"),
        (dict(color_type="grayscale"), ""),
        (dict(color_type="color_ignore_orientation"), "photographs are turned: True and False"),
    ],
)
def test_other_loaders(cfg, options, what):
    cfg.val_dataloader.dataset.pipeline[0].update(options)
    if what:
        assert what in refused(cfg) and "Give all pipelines the same loader" in refused(cfg)


def test_a_loader_that_only_looks_different(cfg, capsys):
    cfg.val_dataloader.dataset.pipeline[0].update(to_float32=True, imdecode_backend="pillow")
    assert warned(cfg, capsys) == ""


@TRANSFORMS.register_module(force=True)
class OfMyOwn(BaseTransform):
    def transform(self, results):
        raise AssertionError("nothing of a user's own is loaded before a run begins")


@pytest.mark.parametrize("split", ["train_dataloader", "val_dataloader"])
def test_loaders_of_one_s_own_are_told_and_not_tried(cfg, capsys, split):
    def replace(loader):
        pipeline = cfg[loader].dataset.pipeline
        number = next(i for i, step in enumerate(pipeline) if step.type == "LoadImageFromFile")
        pipeline[number] = dict(type="OfMyOwn")

    replace(split)
    told = warned(cfg, capsys)
    assert "load images by " in told and "{'type': 'OfMyOwn'}" in told and "do they give the same?" in told
    for loader in {"train_dataloader", "val_dataloader", "test_dataloader"} - {split}:
        replace(loader)
    assert warned(cfg, capsys) == ""


@pytest.mark.parametrize("split", ["train_dataloader", "val_dataloader"])
def test_a_step_that_changes_values_in_one_pipeline_alone(cfg, capsys, split):
    cfg[split].dataset.pipeline.insert(-1, dict(type="Brighten"))
    assert "Brighten to (110.0, 160.0, 220.0)" in warned(cfg, capsys)
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        cfg[loader].dataset.pipeline.insert(-1, dict(type="Brighten"))
    cfg[split].dataset.pipeline.pop(-2)
    assert warned(cfg, capsys) == ""


def test_augmentation_by_chance_is_no_difference(cfg, capsys):
    steps = [dict(type="BrightenByChance"), dict(type="RandomRotate", prob=0.5, degree=10), dict(type="RandomCutOut",
             prob=0.5, n_holes=1, cutout_shape=(4, 4))]  # fmt: skip
    for step in steps:
        cfg.train_dataloader.dataset.pipeline.insert(-1, step)
    assert warned(cfg, capsys) == ""


def test_a_step_that_cuts_16_bits(cfg):
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        pipeline = cfg[loader].dataset.pipeline
        next(step for step in pipeline if step.type == "LoadImageFromFile").color_type = "unchanged"
    assert "train_dataloader: PhotoMetricDistortion cuts values of 16 bits to 8" in refused(cfg)


# ---- as a checkpoint was trained


def meta_of(cfg, **told) -> dict:
    return dict(cfg=cfg.pretty_text, dataset_meta=dict(classes=CLASSES, palette=PALETTE, reduce_zero_label=True) | told)


def test_the_text_of_a_config_is_read_and_not_run(cfg):
    assert settings_of(cfg.pretty_text)["model"]["data_preprocessor"]["mean"] == [127.0] * 3
    text = "a = dict(b=[1, -2.5, (None, True)], c={'x': 'y'})\nd = open('/etc/passwd')\ne: int = 3\n"
    assert settings_of(text) == dict(a=dict(b=[1, -2.5, (None, True)], c=dict(x="y")))
    for text in (None, "", "a = (", "\0"):
        assert settings_of(text) == {}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            dict(mean=[100.0] * 3),
            "mean [127.0, 127.0, 127.0], this config has [100.0, 100.0, 100.0]",
        ),
        (dict(std=[1.0] * 3), "trained with std"),
        (dict(bgr_to_rgb=False), "trained with swap of colours True, this config has False"),
    ],
)
def test_another_preprocessing_than_in_training(cfg, change, told):
    meta = meta_of(cfg)
    require_as_trained(cfg, meta)
    cfg.model.data_preprocessor.update(change)
    for model in (cfg.model, dict(type="SegTTAModel", module=cfg.model)):
        with pytest.raises(ValueError, match="Give the config it was trained with") as caught:
            require_as_trained(Config(dict(cfg.to_dict(), model=model)), meta)
        assert told in str(caught.value)


def test_another_loader_than_in_training(cfg):
    meta = meta_of(cfg)
    cfg.test_dataloader.dataset.pipeline[0].color_type = "unchanged"
    with pytest.raises(ValueError, match="the training of the checkpoint and the test load images differently"):
        require_as_trained(cfg, meta)


def test_other_classes_than_in_training(cfg, capsys):
    moved = ("disc", "box", "ground")
    with pytest.raises(ValueError, match="number the classes differently: 'disc' is 0 and 2"):
        require_as_trained(cfg, meta_of(cfg, classes=moved))
    require_as_trained(cfg, meta_of(cfg, classes=moved), classes=False)
    assert capsys.readouterr().err == ""
    require_as_trained(cfg, meta_of(cfg, reduce_zero_label=False))
    assert "have reduce_zero_label=False and True" in capsys.readouterr().err


def test_what_a_checkpoint_does_not_tell_is_not_checked(cfg, capsys):
    for meta in ({}, dict(cfg="model = 3\ntrain_dataloader = []"), dict(dataset_meta=None)):
        require_as_trained(cfg, meta)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("tool", ["test", "infer", "export"])
def test_the_tools_refuse(tmp_path, capsys, tool):
    write_pairs(tmp_path, 1)
    config = write_config(tmp_path)
    checkpoint = write_trained(config, tmp_path / "a.pth")
    content = torch.load(checkpoint, weights_only=False)
    content["meta"]["cfg"] = Config.fromfile(config).pretty_text
    torch.save(content, checkpoint)
    more = [str(tmp_path / "images" / "validation")] if tool == "infer" else []
    with imported_tool(tool) as module, pytest.raises(SystemExit) as stopped:
        module.main([str(config), str(checkpoint), *more, "--cfg-options", "model.data_preprocessor.bgr_to_rgb=False"])
    assert stopped.value.code == 2 and "trained with swap of colours True" in capsys.readouterr().err
