"""Masks of single images are found by name, and read as training reads them."""

import numpy as np
import pytest

pytest.importorskip("mmseg")
from mmcv.transforms import BaseTransform
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import TRANSFORMS
from PIL import Image

from jumbo_backbone.segmentation.data.truths import Truths

CLASSES = ("ground", "box", "disc")
LABELS = np.array([[0, 1, 1], [2, 2, 0]], dtype=np.uint8)


def config(**dataset):
    init_default_scope("mmseg")
    steps = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations"), dict(type="PackSegInputs")]
    info = dict(classes=CLASSES, palette=[[9, 9, 9], [200, 9, 9], [9, 9, 200]])
    told = dict(type="BaseSegDataset", metainfo=info, pipeline=steps) | dataset
    return Config(dict(test_dataloader=dict(dataset=told)))


def write(path, values):
    Image.fromarray(np.asarray(values)).save(path)
    return path


@pytest.mark.parametrize(
    ("dataset", "values"),
    [
        ({}, [[0, 1, 1], [2, 255, 0]]),
        (dict(reduce_zero_label=True), [[1, 2, 2], [3, 0, 1]]),
        (dict(reduce_zero_label=True), [[1, 2, 2], [3, 255, 1]]),
    ],
)
def test_masks_are_read_as_in_training(tmp_path, dataset, values):
    path = write(tmp_path / "a.png", np.array(values, dtype=np.uint8))
    cfg = config(**dataset)
    truth = Truths(tmp_path, cfg, CLASSES).of(tmp_path / "elsewhere" / "a.jpg", (2, 3))
    assert truth.tolist() == [[0, 1, 1], [2, 255, 0]] and truth.dtype == np.uint8
    sample = dict(seg_map_path=str(path), seg_fields=[], label_map=None, reduce_zero_label=False) | dataset
    assert np.array_equal(truth, LoadAnnotations()(sample)["gt_seg_map"])


def test_names_are_those_of_the_data_set(tmp_path):
    cfg = config(img_suffix="_leftImg8bit.png", seg_map_suffix="_labels.png")
    for name in ("street", "my.photo"):
        write(tmp_path / f"{name}_labels.png", LABELS)
    truths = Truths(tmp_path, cfg, CLASSES)
    for image in ("street_leftImg8bit.png", "my.photo.jpg"):
        assert np.array_equal(truths.of(tmp_path / image, (2, 3)), LABELS)


def test_a_loader_of_one_s_own_reads_them(tmp_path):
    @TRANSFORMS.register_module(force=True)
    class Turned(BaseTransform):
        def transform(self, results):
            results["gt_seg_map"] = np.asarray(Image.open(results["seg_map_path"]))[:, ::-1]
            return results

    write(tmp_path / "a.png", LABELS[:, ::-1])
    cfg = config(pipeline=[dict(type="LoadImageFromFile"), dict(type="Turned")])
    assert np.array_equal(Truths(tmp_path, cfg, CLASSES).of(tmp_path / "a.png", (2, 3)), LABELS)


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (None, FileNotFoundError, "no mask at .*a.png"),
        (LABELS[:, :2], ValueError, "a.png has 2x2 pixels, the image 3x2"),
        (LABELS + 7, ValueError, "a.png has values that are no class: 7, 8, 9"),
        (np.dstack([LABELS] * 3), ValueError, r"a.png holds uint8 \(2, 3, 3\), not one channel of class numbers"),
        (LABELS.astype(np.uint16) + 300, ValueError, "a.png has values that are no class: 300, 301, 302"),
    ],
)
def test_what_is_no_mask_is_refused(tmp_path, values, error, message):
    if values is not None:
        write(tmp_path / "a.png", values)
    with pytest.raises(error, match=message):
        Truths(tmp_path, config(), CLASSES).of(tmp_path / "a.jpg", (2, 3))


def test_what_cannot_be_compared_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder of masks at .*none: give the one"):
        Truths(tmp_path / "none", config(), CLASSES)
    told = "the model's classes are road, sky, those of the config's.*ground, box, disc: give the config"
    with pytest.raises(ValueError, match=told):
        Truths(tmp_path, config(), ("road", "sky"))
