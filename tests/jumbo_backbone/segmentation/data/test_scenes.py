"""Rendered scenes: reproducible, exactly labelled, balanced, and not to be guessed from place or colour."""

import re

import numpy as np
import pytest
from mmengine.evaluator import Evaluator
from mmengine.structures import PixelData
from mmseg.registry import DATASETS
from sklearn.ensemble import RandomForestClassifier

from jumbo_backbone.segmentation.data.scenes import CLASSES, PALETTE, VALIDATION_SEED, ScenesDataset, render

K = len(CLASSES)
PIPELINE = [dict(type="RenderScene"), dict(type="PackSegInputs")]


@pytest.fixture(scope="module")
def scenes():
    """150 scenes to learn from and 50 others: images (n, 128, 128, 3) and labels (n, 128, 128)."""

    def many(first, count):
        images, labels = zip(*map(render, range(first, first + count)), strict=True)
        return np.stack(images), np.stack(labels)

    return *many(0, 150), *many(VALIDATION_SEED, 50)


def mean_iou(predicted, truth):
    table = np.bincount(truth.ravel().astype(int) * K + predicted.ravel(), minlength=K * K).reshape(K, K)
    hits = table.diagonal()
    return 100 * np.mean(hits / (table.sum(0) + table.sum(1) - hits))


def test_same_seed_same_scene_whatever_the_global_generator():
    image, labels = render(7)
    before = np.random.get_state()[1:3]  # noqa: NPY002
    again, labels_again = render(7)
    after = np.random.get_state()[1:3]  # noqa: NPY002
    assert np.array_equal(before[0], after[0])
    assert before[1] == after[1]
    assert np.array_equal(image, again)
    assert np.array_equal(labels, labels_again)
    assert not np.array_equal(image, render(8)[0])


@pytest.mark.parametrize("size", [(128, 128), (96, 160), (160, 96), (32, 32), (33, 47), (300, 200)])
def test_sizes(size):
    for seed in range(3):
        image, labels = render(seed, size)
        assert image.shape == (*size, 3)
        assert labels.shape == size
        assert image.dtype == labels.dtype == np.uint8
        assert image.flags.c_contiguous
        assert labels.max() < K
        assert image.std() > 4


def test_a_scene_looks_alike_at_any_size():
    """The labels of a scene twice as large agree with those of the small one."""
    agreement = [np.mean(render(seed, (256, 256))[1][::2, ::2] == render(seed)[1]) for seed in range(8)]
    assert min(agreement) > 0.95, agreement


def test_every_class_has_its_share(scenes):
    _, labels, _, _ = scenes
    counts = np.stack([np.bincount(each.ravel(), minlength=K) for each in labels])
    shares = dict(zip(CLASSES, counts.sum(axis=0) / counts.sum(), strict=True))
    assert min(shares.values()) > 0.03, shares
    assert max(shares.values()) < 0.35, shares
    present = dict(zip(CLASSES, (counts > 0).mean(axis=0), strict=True))
    assert min(present.values()) > 0.2, present
    assert max(present[name] for name in ("sky", "tree", "house", "vehicle", "sign")) < 0.9, present


def test_edges_of_the_labels_are_edges_of_the_image(scenes):
    """Neighbours of different classes differ more than neighbours of one class, by far."""
    images, labels, _, _ = scenes
    step = np.abs(np.diff(images[:30].astype(int), axis=2)).sum(axis=-1)
    crossing = np.diff(labels[:30].astype(int), axis=2) != 0
    assert step[crossing].mean() > 2 * step[~crossing].mean()


def test_neither_place_nor_colour_gives_the_class_away(scenes):
    images, labels, others, truth = scenes
    common = np.bincount(labels.ravel()).argmax()
    by_place = np.stack([(labels == k).sum(axis=0) for k in range(K)]).argmax(axis=0)
    rng = np.random.default_rng(0)
    seen = rng.choice(labels.size, 30_000, replace=False)
    asked = rng.choice(truth.size, 30_000, replace=False)
    forest = RandomForestClassifier(20, min_samples_leaf=5, random_state=0)
    forest.fit(images.reshape(-1, 3)[seen], labels.ravel()[seen])
    by_colour = forest.predict(others.reshape(-1, 3)[asked])
    weak = dict(
        majority=mean_iou(np.full_like(truth, common), truth),
        place=mean_iou(np.broadcast_to(by_place, truth.shape), truth),
        colour=mean_iou(by_colour, truth.ravel()[asked]),
    )
    assert max(weak.values()) < 16, weak


def build(**overrides):
    return lambda: ScenesDataset(**{**dict(length=4), **overrides})


CASES = {
    "negative seed": (lambda: render(-1), ValueError, "seed -1 is out of range: give 0 to 4294967295"),
    "seed": (lambda: render(2**32), ValueError, "seed 4294967296 is out of range"),
    "fractional seed": (lambda: render(0.5), TypeError, "seed must be an integer, got 0.5"),
    "yes as a seed": (lambda: render(True), TypeError, "seed must be an integer, got True"),
    "small": (
        lambda: render(0, (16, 128)),
        ValueError,
        "size 16x128 is too small to see anything: give at least 32x32",
    ),
    "one side": (lambda: render(0, 128), TypeError, "size must be a pair (height, width), got 128"),
    "fractional side": (lambda: render(0, (128, 64.0)), TypeError, "width must be an integer, got 64.0"),
    "no scenes": (build(length=0), ValueError, "length must be at least 1 scene, got 0"),
    "fractional length": (build(length=1.5), TypeError, "length must be an integer, got 1.5"),
    "first seed": (build(first_seed=-2), ValueError, "seed -2 is out of range"),
    "last seed": (build(first_seed=2**32 - 2), ValueError, "seed 4294967297 is out of range"),
    "size of a data set": (build(size=(8, 8)), ValueError, "size 8x8 is too small"),
    "training into validation": (
        build(first_seed=999_998),
        ValueError,
        "seeds 999998 to 1000001 mix training scenes with validation scenes, which begin at 1000000: "
        "give length up to 2, or first_seed=1000000",
    ),
    "files": (build(data_prefixes={}), TypeError, "data_prefixes"),
}


@pytest.mark.parametrize("case", CASES)
def test_is_refused_with_a_way_out(case):
    action, error, message = CASES[case]
    with pytest.raises(error, match=re.escape(message)):
        action()


def test_training_ends_where_validation_begins():
    training = DATASETS.build(dict(type="ScenesDataset", length=2, first_seed=VALIDATION_SEED - 2, pipeline=PIPELINE))
    validation = DATASETS.build(dict(type="ScenesDataset", length=2, first_seed=VALIDATION_SEED, pipeline=PIPELINE))
    assert set(training.seeds).isdisjoint(validation.seeds)
    assert [training.get_data_info(i)["img_path"] for i in range(2)] == ["scene_00999998", "scene_00999999"]
    assert validation.get_data_info(0)["img_path"] == "scene_01000000"


def test_goes_through_mmsegmentation():
    dataset = DATASETS.build(dict(type="ScenesDataset", length=3, first_seed=5, size=(64, 96), pipeline=PIPELINE))
    assert len(dataset) == 3
    assert dataset.metainfo["classes"] == CLASSES
    assert dataset.metainfo["palette"] == [list(colour) for colour in PALETTE]

    samples = []
    for i in range(3):
        image, labels = render(5 + i, (64, 96))
        packed = dataset[i]
        assert np.array_equal(packed["inputs"].numpy(), image[..., ::-1].transpose(2, 0, 1))  # BGR
        sample = packed["data_samples"]
        assert np.array_equal(sample.gt_sem_seg.data[0].numpy(), labels)
        assert sample.img_shape == sample.ori_shape == (64, 96)
        sample.pred_sem_seg = PixelData(data=sample.gt_sem_seg.data.clone())
        samples.append(sample)

    evaluator = Evaluator(dict(type="IoUMetric", iou_metrics=["mIoU"]))
    evaluator.dataset_meta = dataset.metainfo
    evaluator.process(data_samples=samples)
    assert evaluator.evaluate(3)["mIoU"] == 100
