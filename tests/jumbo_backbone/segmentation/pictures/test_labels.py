"""Pictures show the right classes in the right places, at any size, and the hook draws each test sample once."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmseg.structures import SegDataSample
from PIL import Image

from jumbo_backbone.segmentation.pictures import labels as pictures
from jumbo_backbone.segmentation.pictures.hook import PictureHook, _images
from jumbo_backbone.segmentation.pictures.labels import (
    contact_sheet,
    counts,
    labelled_picture,
    legend,
    overlay,
    save,
)
from tests.conftest import write_config, write_pairs

CLASSES = ("sky", "road", "a tree of many leaves")
PALETTE = np.array([[10, 90, 250], [200, 30, 40], [20, 160, 60]])


@pytest.fixture()
def scene():
    """An image of noise, and labels: 0 on the left, 1 on the right, a row of 255 on top; class 2 does not occur."""
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    labels = np.zeros((40, 60), dtype=np.uint8)
    labels[:, 20:], labels[0] = 1, 255
    return image, labels


# ---- overlay


def test_opacity_goes_from_the_image_to_the_colours(scene):
    image, labels = scene
    assert np.array_equal(overlay(image, labels, PALETTE, 0), image)
    colours = overlay(image, labels, PALETTE, 1)
    assert np.array_equal(colours[1:], PALETTE[labels[1:]])
    grey = image @ np.array([0.299, 0.587, 0.114])
    half = 0.5 * (0.5 * image + 0.5 * grey[..., None]) + 0.5 * colours
    assert np.abs(overlay(image, labels, PALETTE, 0.5) - half).max() < 2.5


def test_ignored_pixels_are_striped_whatever_the_classes(scene):
    image, _ = scene
    drawn = overlay(image, np.full(image.shape[:2], 255), PALETTE, 1)
    assert {tuple(c) for c in drawn.reshape(-1, 3).tolist()} == {tuple(c) for c in pictures.STRIPES.tolist()}
    assert 0.4 < np.mean(drawn[..., 0] == pictures.STRIPES[0, 0]) < 0.6


def test_counts(scene):
    assert counts(scene[1], 3).tolist() == [39 * 20, 39 * 40, 0, 60]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(image=np.zeros((40, 60, 3))), TypeError, r"uint8 \(H, W, 3\), got float64 \(40, 60, 3\)"),
        (dict(image=np.zeros((40, 60), np.uint8)), TypeError, r"got uint8 \(40, 60\)"),
        (dict(labels=np.zeros((20, 30), int)), ValueError, r"labels \(20, 30\) do not cover the image \(40, 60\)"),
        (dict(labels=np.zeros((40, 60))), TypeError, r"labels have to be integers \(H, W\), got float64"),
        (dict(labels=np.full((40, 60), 3)), ValueError, r"label 3 is none of 3 classes \(0 to 2\) and not 255"),
        (dict(labels=np.full((40, 60), 256)), ValueError, "label 256 is none of 3"),
        (dict(labels=np.full((40, 60), -1)), ValueError, "label -1 is none of 3"),
        (dict(palette=PALETTE[0]), ValueError, r"a palette has to be \(K, 3\), K from 1 to 255, got \(3,\)"),
        (dict(palette=PALETTE - 11), ValueError, "0 to 255, got -1 to 239"),
        (dict(opacity=1.5), ValueError, "opacity 1.5 is not between 0"),
    ],
)
def test_what_cannot_be_drawn_is_named(scene, change, error, message):
    image, labels = scene
    with pytest.raises(error, match=message):
        overlay(**(dict(image=image, labels=labels, palette=PALETTE) | change))


# ---- legends and pages


def entries(monkeypatch):
    """Texts that the legends drawn from here on have."""
    seen = []
    original = pictures._swatches
    monkeypatch.setattr(pictures, "_swatches", lambda e, *rest: seen.append([n for n, _ in e]) or original(e, *rest))
    return seen


def test_a_legend_names_what_occurs_largest_first(scene, monkeypatch):
    seen = entries(monkeypatch)
    legend(CLASSES, PALETTE, scene[1])
    assert seen == [["road  65.0%", "sky  32.5%", "ignored  2.5%"]]
    legend(CLASSES, PALETTE)
    assert seen[1] == [*CLASSES]
    mostly_ignored = np.full((100, 100), 255)
    mostly_ignored[0, :3] = 2
    legend(CLASSES, PALETTE, mostly_ignored)
    assert seen[2] == [f"{CLASSES[2]}  <0.1%", "ignored  100.0%"]


def test_a_legend_of_very_many_classes_sums_up_the_small_ones(monkeypatch):
    seen = entries(monkeypatch)
    labels = np.repeat(np.arange(100), np.arange(1, 101))[None]
    legend([str(i) for i in range(100)], np.zeros((100, 3)), labels)
    assert len(seen[0]) == pictures.MOST_ENTRIES and seen[0][0].startswith("99  2.0%")
    assert seen[0][-1] == f"61 more  {sum(range(1, 62)) / 5050:.1%}"


def test_a_legend_s_swatches_have_the_colours_and_its_columns_fit():
    names = [f"class number {i}" for i in range(12)]
    palette = np.stack([np.arange(100, 112)] * 3, axis=1)
    for width in (120, 300, 900):
        drawn = np.asarray(legend(names, palette, width=width))
        assert drawn.shape[1] == width
        assert all((drawn == colour).all(-1).any() for colour in palette)
        assert (drawn[:, -1] == pictures.PAPER).all()  # no name is cut off at the edge
    with pytest.raises(ValueError, match="3 classes and 2 colours: give one for each class"):
        legend(CLASSES, PALETTE[:2])


@pytest.mark.parametrize(
    "text", ["a_very_long_name_of_a_file_0001.jpg", "x" * 300, "日本語のとても長いクラスの名前です" * 3]
)
def test_long_text_is_shortened_to_its_room(text):
    for room in (60, 200):
        shown = pictures._shorten(text, 15, room)
        assert pictures._font(15).getlength(shown) <= room and shown.isascii() and "..." in shown


def test_letters_that_the_font_lacks_are_replaced():
    assert pictures._plain("Bäume – 3×4 · 空") == "Baume - 3x4 - ?"


@pytest.mark.parametrize(
    ("size", "zoom"), [((1, 1), 480), ((40, 60), 8), ((200, 7), 3), ((480, 30), 1), ((700, 900), 1)]
)
def test_small_pictures_are_enlarged_by_a_whole_factor_and_large_ones_keep_their_pixels(size, zoom):
    rng = np.random.default_rng(0)
    image, labels = rng.integers(0, 256, (*size, 3), dtype=np.uint8), rng.integers(0, 3, size)
    page = np.asarray(labelled_picture(image, labels, CLASSES, PALETTE, opacity=0))
    expected = image.repeat(zoom, 0).repeat(zoom, 1)
    margin = round(1.6 * max(pictures.SMALLEST, max(expected.shape) // pictures.LINES_ACROSS))
    part = page[margin : margin + len(expected), margin : margin + expected.shape[1]]
    assert np.array_equal(part, expected)
    assert (page[:margin] == pictures.PAPER).all()


# ---- sheets


def test_a_sheet_shows_image_truth_and_prediction_of_each_scene(scene, monkeypatch):
    seen = entries(monkeypatch)
    monkeypatch.setattr(pictures, "PANEL", 100)  # so they are enlarged twice
    image, truth = scene
    wrong = np.where(truth == 0, 1, truth)
    page = np.asarray(
        contact_sheet([image] * 3, [truth] * 3, [truth, wrong, wrong], CLASSES, PALETTE, opacity=1, per_row=2)
    )
    # without the stripes on top: three truths and a prediction that is right, and two that are wrong
    panels = (image[1:], 3), (PALETTE[truth[1:]], 4), (PALETTE[wrong[1:]], 2)
    for panel, count in panels:
        large = panel.astype(np.uint8).repeat(2, 0).repeat(2, 1)
        assert np.count_nonzero(cv2.matchTemplate(page, large, cv2.TM_SQDIFF_NORMED) < 1e-6) == count
    assert seen == [["road", "sky", "ignored"]]


def test_a_sheet_s_parts_are_optional_and_sizes_may_differ(scene):
    image, labels = scene
    bare = contact_sheet([image], None, [labels], CLASSES, PALETTE)
    titled = contact_sheet([image], None, [labels], CLASSES, PALETTE, "title", ["a long line " * 30])
    assert titled.width == bare.width and titled.height > bare.height + 60
    three = contact_sheet([image], [labels], [labels], CLASSES, PALETTE)
    assert three.width > 1.4 * bare.width
    mixed = contact_sheet([image, image[:, :20]], None, [labels, labels[:, :20]], CLASSES, PALETTE)
    assert mixed.width > 1.8 * bare.width


def test_how_many_are_right_leaves_out_what_is_ignored(scene):
    _, truth = scene
    assert pictures._right(truth, np.zeros_like(truth)) == "33% right"
    assert pictures._right(np.full((2, 2), 255), np.zeros((2, 2))) == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(images=[]), "0 images with 1 and 1 label maps: give one or more"),
        (dict(predictions=[]), "1 images with 1 and 0 label maps"),
        (dict(per_row=0), "per_row 0 is below 1"),
        (dict(classes=CLASSES[:2]), "2 classes and 3 colours"),
    ],
)
def test_a_sheet_that_cannot_be_made(scene, change, message):
    image, labels = scene
    arguments = dict(images=[image], truths=[labels], predictions=[labels], classes=CLASSES, palette=PALETTE)
    with pytest.raises(ValueError, match=message):
        contact_sheet(**(arguments | change))


def test_saving_is_whole_or_not_at_all(tmp_path, monkeypatch, scene):
    path = tmp_path / "picture.png"
    save(Image.fromarray(scene[0]), path)
    assert np.array_equal(np.asarray(Image.open(path)), scene[0])
    monkeypatch.setattr(pictures.Image.Image, "save", lambda *_, **__: (_ for _ in ()).throw(OSError("full")))
    before = path.read_bytes()
    with pytest.raises(OSError, match="full"):
        save(Image.fromarray(scene[0]), path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


# ---- the hook


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    write_pairs(folder, 3)
    return write_config(folder)


@pytest.fixture()
def sheets(monkeypatch):
    """What the hook hands to be drawn."""
    seen = []
    original = contact_sheet

    def note(images, truths, predictions, classes, palette, title, **rest):
        seen.append((images[0], truths and truths[0], predictions[0], title, rest))
        return original(images, truths, predictions, classes, palette, title, **rest)

    monkeypatch.setattr("jumbo_backbone.segmentation.pictures.hook.contact_sheet", note)
    return seen


def run_test(config, tmp_path, *, pipeline=None, tta=False, batch_size=1, opacity=0.6):
    cfg = Config.fromfile(config)
    cfg.work_dir, cfg.experiment_name, cfg.log_level = str(tmp_path / "work"), f"test{tmp_path.name}", "ERROR"
    cfg.test_dataloader.batch_size = batch_size
    cfg.custom_hooks.append(dict(type="PictureHook", out_dir=str(tmp_path / "pictures"), opacity=opacity))
    if pipeline:
        cfg.test_dataloader.dataset.pipeline = pipeline
    if tta:
        cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
        cfg.model = dict(cfg.tta_model, module=cfg.model)
    torch.manual_seed(0)
    runner = Runner.from_cfg(cfg)
    runner.test()
    return sorted(p.name for p in (tmp_path / "pictures").iterdir())


def pair(config, name):
    root = config.parent
    image = cv2.cvtColor(cv2.imread(str(root / "images/validation" / name)), cv2.COLOR_BGR2RGB)
    mask = cv2.imread(str(root / "annotations/validation" / name), cv2.IMREAD_UNCHANGED)
    return image, np.where(mask == 0, 255, mask - 1)


def test_the_hook_draws_every_sample(config, tmp_path, sheets):
    names = run_test(config, tmp_path, batch_size=2, opacity=0.5)
    assert names == ["000.png", "001.png", "002.png"] == [f"{title}.png" for *_, title, _ in sheets]
    for image, truth, prediction, title, rest in sheets:
        expected, mask = pair(config, f"{title}.png")
        assert np.array_equal(image, expected) and np.array_equal(truth, mask)
        assert prediction.shape == mask.shape and prediction.max() < 3 and rest == dict(opacity=0.5)
    with Image.open(tmp_path / "pictures" / "000.png") as picture:
        assert picture.width > 3 * 64


def test_the_hook_enlarges_what_the_pipeline_reduced(config, tmp_path, sheets):
    steps = [
        dict(type="LoadImageFromFile"),
        dict(type="Resize", scale_factor=0.5, keep_ratio=True),
        dict(type="LoadAnnotations"),
        dict(type="PackSegInputs"),
    ]
    run_test(config, tmp_path, pipeline=steps)
    image, truth, prediction, title, _ = sheets[1]
    expected, mask = pair(config, f"{title}.png")
    assert image.shape == expected.shape and prediction.shape == mask.shape and np.array_equal(truth, mask)
    blurred = cv2.resize(cv2.resize(expected, (32, 24)), (64, 48))
    assert np.array_equal(image, blurred) and not np.array_equal(image, expected)


def test_the_hook_takes_the_largest_upright_of_augmented_images(config, tmp_path, sheets):
    run_test(config, tmp_path, tta=True)
    assert len(sheets) == 3
    for image, truth, prediction, title, _ in sheets:
        expected, mask = pair(config, f"{title}.png")
        assert prediction.shape == mask.shape and np.array_equal(truth, mask)
        distance, mirrored = (np.abs(image.astype(int) - e).mean() for e in (expected, expected[:, ::-1]))
        assert distance < 0.7 * mirrored
        enlarged = cv2.resize(cv2.resize(expected, (96, 72)), (64, 48))
        assert np.array_equal(image, enlarged)


def test_a_mirrored_augmentation_is_not_taken_though_it_comes_first():
    small, large = (torch.arange(3 * side * side, dtype=torch.uint8).reshape(3, side, side) for side in (2, 4))
    batch = dict(
        inputs=[[large.flip(2)], [small], [large]],
        data_samples=[[SegDataSample(metainfo=dict(flip=flip))] for flip in (True, False, False)],
    )
    (image,) = _images(batch)
    assert torch.equal(image, large)


def test_files_of_one_name_are_numbered_and_a_new_test_starts_anew(tmp_path):
    hook = PictureHook(tmp_path)
    assert [hook._name(p) for p in ("a/x.png", "b/x.png", "a/x.png", "c/x.jpg")] == ["x", "x-2", "x", "x-3"]
    hook.before_test(None)
    assert hook._name("b/x.png") == "x"
    with pytest.raises(ValueError, match="PictureHook's opacity 2 is not between 0 and 1"):
        PictureHook(tmp_path, opacity=2)
