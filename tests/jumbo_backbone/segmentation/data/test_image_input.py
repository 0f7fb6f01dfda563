"""How a file becomes a segmentor's input is found by asking the loader, and exports and pictures follow it."""

import json
import sys

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform, LoadImageFromFile
from mmengine.config import Config
from mmseg.registry import MODELS, TRANSFORMS
from mmseg.structures import SegDataSample

from jumbo_backbone.segmentation import BandsPreProcessor, ExportedSegmentor
from jumbo_backbone.segmentation.cli import infer
from jumbo_backbone.segmentation.data.image_input import ImageReader, LoaderFacts, bands_of
from jumbo_backbone.segmentation.pictures import hook as picture_hook
from jumbo_backbone.segmentation.pictures.bands import as_picture
from tests.conftest import images, imported_tool, write_config, write_pairs, write_trained

COLOURS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)  # RGB


@TRANSFORMS.register_module(force=True)
class Photograph(BaseTransform):
    """A user's own loader, in RGB, and with the image turned about, so that one sees whether it was used."""

    def transform(self, results):
        image = cv2.imread(results["img_path"])[::-1, :, ::-1]
        return dict(results, img=np.ascontiguousarray(image), img_shape=image.shape[:2], ori_shape=image.shape[:2])


@TRANSFORMS.register_module(force=True)
class PhotographAndMask(Photograph):
    """Loads both: the image first."""

    def transform(self, results):
        results.update(super().transform(results))
        results["gt_seg_map"] = cv2.imread(results["seg_map_path"], cv2.IMREAD_UNCHANGED)
        return results


@TRANSFORMS.register_module(force=True)
class MaskOfMyOwn(BaseTransform):
    def transform(self, results):
        results["gt_seg_map"] = cv2.imread(results["seg_map_path"], cv2.IMREAD_UNCHANGED)
        return results


@TRANSFORMS.register_module(force=True)
class Infrared(BaseTransform):
    def transform(self, results):
        return dict(results, img=np.load(results["infrared_path"]))


@TRANSFORMS.register_module(force=True)
class ReadsNothing(BaseTransform):
    def transform(self, results):
        return None


def steps(*names, **options):
    return [dict(type=names[0], **options), *(dict(type=name) for name in names[1:])]


@pytest.fixture()
def path(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), COLOURS[..., ::-1])
    return tmp_path / "a.png"


# ---- reading


@pytest.mark.parametrize(
    ("pipeline", "loader", "expected"),
    [
        ((), "LoadImageFromFile", COLOURS[..., ::-1]),
        (steps("LoadImageFromFile", "LoadAnnotations", "PackSegInputs"), "LoadImageFromFile", COLOURS[..., ::-1]),
        (steps("Photograph", "PackSegInputs"), "Photograph", COLOURS[::-1]),
        (steps("MaskOfMyOwn", "Photograph", "PackSegInputs"), "Photograph", COLOURS[::-1]),
        (steps("Photograph", "MaskOfMyOwn", "PackSegInputs"), "Photograph", COLOURS[::-1]),
        (steps("PhotographAndMask", "PackSegInputs"), "PhotographAndMask", COLOURS[::-1]),
        (steps("SeedAugmentation", "LoadAnnotations", "Photograph", "PackSegInputs"), "Photograph", COLOURS[::-1]),
        (steps("RenderScene", "PackSegInputs"), "LoadImageFromFile", COLOURS[..., ::-1]),
        ([dict(type=LoadImageFromFile), dict(type="PackSegInputs")], "LoadImageFromFile", COLOURS[..., ::-1]),
        ([LoadImageFromFile(), *steps("PackSegInputs")], "LoadImageFromFile", COLOURS[..., ::-1]),
    ],
)
def test_the_loader_is_the_transform_that_loads(path, pipeline, loader, expected):
    reader = ImageReader(pipeline)
    assert reader.loader == loader
    loaded = reader.load(path)
    assert np.array_equal(loaded["img"], expected)
    if pipeline:
        prepared = reader.prepare(loaded)
        assert np.array_equal(prepared["inputs"].permute(1, 2, 0), expected)
        assert "gt_sem_seg" not in prepared["data_samples"]


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        (steps("Fotograf"), "'Fotograf' of the pipeline is not registered: is it spelled right.*custom_imports"),
        (steps("Infrared", "PackSegInputs"), "Infrared needs 'infrared_path', which an image file alone does not tell"),
        (steps("LoadAnnotations", "MaskOfMyOwn"), "no transform of the pipeline loads an image: MaskOfMyOwn"),
        (steps("ReadsNothing"), "ReadsNothing gives nothing for it"),
        (steps("LoadImageFromFile", colour=3), "'colour': 3} of the pipeline cannot be made: .*colour"),
        (steps("LoadSingleRSImageFromFile"), "cannot be made: .*gdal is not installed"),
        (steps("LoadImageFromFile", imdecode_backend="tifffile"), "needs: pip install tifffile"),
    ],
)
def test_what_does_not_load_is_told(path, pipeline, message, monkeypatch):
    monkeypatch.setitem(sys.modules, "tifffile", None)  # as where it is not installed
    with pytest.raises(ValueError, match=message):
        ImageReader(pipeline).load(path)


def test_what_a_data_set_tells_of_a_sample_reaches_the_loader(tmp_path):
    np.save(tmp_path / "a.npy", COLOURS)
    sample = dict(img_path="none", infrared_path=str(tmp_path / "a.npy"))
    assert np.array_equal(ImageReader(steps("Infrared")).load(sample)["img"], COLOURS)


FACTS = dict(order="BGR", colour=(50.0, 150.0, 250.0), dtype="uint8", deep=False, alpha=False, upright=True)


@pytest.mark.parametrize(
    ("pipeline", "suffix", "different"),
    [
        (steps("LoadImageFromFile"), ".png", {}),
        (steps("LoadImageFromFile", to_float32=True), ".JPG", dict(dtype="float32")),
        (steps("LoadImageFromFile", imdecode_backend="pillow"), "", {}),
        (steps("LoadImageFromFile", color_type="unchanged"), ".png", dict(deep=True, alpha=True, upright=False)),
        (steps("LoadImageFromFile", color_type="unchanged"), ".tif", dict(deep=True, alpha=True)),  # OpenCV turns it
        (steps("Photograph"), "_photo.png", dict(order="RGB", colour=(250.0, 150.0, 50.0))),
        (steps("LoadImageFromFile", color_type="grayscale"), "", None),
        (steps("LoadImageFromNpyFile"), ".npy", None),
        (steps("Infrared"), "", None),
    ],
)
def test_facts(pipeline, suffix, different):
    expected = LoaderFacts() if different is None else LoaderFacts(**{**FACTS, **different})
    assert ImageReader(pipeline, suffix).facts == expected


def test_the_order_of_arrays_is_what_the_preprocessor_takes_them_for(tmp_path):
    cfg = Config.fromfile(write_config(tmp_path))
    for bgr_to_rgb, order in ((True, "BGR"), (False, None)):
        cfg.model.data_preprocessor.bgr_to_rgb = bgr_to_rgb
        cfg.test_dataloader.dataset.update(pipeline=steps("LoadImageFromNpyFile"), img_suffix=".npy")
        assert ImageReader.of(cfg).facts.order == order
        assert ImageReader.of(cfg).facts_of("a.png").order == "BGR"
    cfg.model.update(backbone=dict(in_channels=4), data_preprocessor=dict(bgr_to_rgb=True))
    assert ImageReader.of(cfg).facts.order is None


# ---- normalising


@pytest.mark.parametrize("bands", range(1, 11))
@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.float32])
def test_a_mean_and_a_deviation_for_each_band(bands, dtype):
    mean, std = [10.0 * band for band in range(bands)], [1.0 + band for band in range(bands)]
    pre = MODELS.build(dict(type="SegDataPreProcessor", mean=mean, std=std, test_cfg=dict(size_divisor=8)))
    assert isinstance(pre, BandsPreProcessor)
    x = (images(bands, 8, 8).abs() * 100).to(dtype)
    out = pre(dict(inputs=[x], data_samples=[SegDataSample()]))["inputs"][0]
    for band in range(bands):
        torch.testing.assert_close(out[band], (x[band].float() - mean[band]) / std[band])


@pytest.mark.parametrize("bands", range(2, 11))
def test_images_of_other_bands_than_there_are_means(bands):
    pre = MODELS.build(dict(type="SegDataPreProcessor", mean=[1.0] * bands, std=[1.0] * bands))
    for others in {1, bands + 2} - ({1} if bands == 3 else set()):  # grey passes for colours
        with pytest.raises(ValueError, match=f"images have {others} bands, but .*mean and std have {bands} numbers"):
            pre(dict(inputs=[torch.zeros(others, 8, 8)], data_samples=[SegDataSample()]))


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (dict(mean=[1.0] * 4, std=[1.0] * 3), "give one of each for each band"),
        (dict(mean=[1.0] * 4), "std=None: give one of each"),
        (dict(mean=[1.0] * 2, std=[1.0, 0.0]), "deviations have to be above 0"),
    ],
)
def test_numbers_that_do_not_fit(numbers, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(dict(type="SegDataPreProcessor", **numbers))


def test_a_swap_of_four_bands_is_none_and_is_told_once(monkeypatch):
    told = []
    monkeypatch.setattr(
        "jumbo_backbone.segmentation.models.preprocessor.print_log", lambda text, **_: told.append(text)
    )
    pre = MODELS.build(dict(type="SegDataPreProcessor", bgr_to_rgb=True, test_cfg=dict(size_divisor=8)))
    x = images(4, 8, 8)
    for _ in range(2):
        assert torch.equal(pre(dict(inputs=[x], data_samples=[SegDataSample()]))["inputs"][0], x)
    assert len(told) == 1 and "images have 4, which stay in their order" in told[0]


# ---- exporting


@pytest.mark.parametrize("loaded", ["BGR", "RGB"])
@pytest.mark.parametrize("swap", [{}, dict(bgr_to_rgb=True), dict(rgb_to_bgr=True)])
def test_exports_take_rgb_whatever_the_model_was_trained_on(tmp_path, loaded, swap):
    write_config(tmp_path)
    cfg = Config.fromfile(tmp_path / "tiny.py")
    numbers = dict(mean=[90.0, 110.0, 130.0], std=[30.0, 50.0, 70.0])
    cfg.model.data_preprocessor.update({"bgr_to_rgb": False, **numbers, **swap})
    model = MODELS.build(cfg.model)
    torch.nn.init.normal_(model.decode_head.conv_seg.weight, std=2.0)
    exported = ExportedSegmentor(model, loaded)
    rgb = 127 + 60 * images(3, 32, 48)
    pixels = rgb if loaded == "RGB" else rgb.flip(0)
    sample = SegDataSample(metainfo=dict(img_shape=(32, 48), ori_shape=(32, 48)))
    with torch.no_grad():
        (expected,) = model.test_step(dict(inputs=[pixels], data_samples=[sample]))
        torch.testing.assert_close(exported(rgb[None])[0], expected.seg_logits.data, atol=1e-4, rtol=1e-4)
    pipeline = steps("LoadImageFromFile" if loaded == "BGR" else "Photograph")
    told = exported.describe(ImageReader(pipeline), dict(classes=("a", "b", "c")))
    assert told["channel_order"] == "RGB" and told["values"] == "0 to 255" and told["bands"] == "3"
    seen_as_rgb = bool(swap) == (loaded == "BGR")
    assert json.loads(told["mean"]) == ([90.0, 110.0, 130.0] if seen_as_rgb else [130.0, 110.0, 90.0])
    assert json.loads(told["classes"]) == ["a", "b", "c"]


@pytest.mark.parametrize("bands", range(1, 11))
def test_exports_of_any_bands(tmp_path, bands):
    write_config(tmp_path)
    cfg = Config.fromfile(tmp_path / "tiny.py")
    cfg.model.data_preprocessor.update(mean=[100.0 + b for b in range(bands)], std=[50.0 + b for b in range(bands)])
    cfg.model.backbone.in_channels = bands
    model = MODELS.build(cfg.model).eval()
    assert bands_of(model) == bands
    x = 127 + 60 * images(bands, 32, 32)
    sample = SegDataSample(metainfo=dict(img_shape=(32, 32), ori_shape=(32, 32)))
    with torch.no_grad():
        (expected,) = model.test_step(dict(inputs=[x], data_samples=[sample]))
        given = x.flip(0) if bands == 3 else x  # of three RGB, where BGR is loaded
        torch.testing.assert_close(
            ExportedSegmentor(model)(given[None])[0], expected.seg_logits.data, atol=1e-4, rtol=1e-4
        )


def test_exports_without_normalisation(tmp_path):
    write_config(tmp_path)
    cfg = Config.fromfile(tmp_path / "tiny.py")
    cfg.model.data_preprocessor.update(mean=None, std=None)
    exported = ExportedSegmentor(MODELS.build(cfg.model))
    assert exported(torch.rand(2, 3, 32, 32)).shape == (2, 3, 32, 32)
    assert exported.describe()["normalisation"] == "none"


# ---- the tools


@pytest.mark.parametrize("name", ["infer", "test"])
def test_a_loader_of_one_s_own_is_used_and_its_colours_are_shown(tmp_path, monkeypatch, name):
    """RGB, turned about: predictions are those that the test gives, pictures have the colours of the file."""
    write_pairs(tmp_path, 1)
    config = write_config(tmp_path)
    write_trained(config, tmp_path / "a.pth")
    (path,) = (tmp_path / "images" / "validation").iterdir()
    cv2.imwrite(str(path), cv2.resize(COLOURS[..., ::-1], (64, 48)))
    own = tmp_path / "own.py"
    pipeline = steps("Photograph", "LoadAnnotations", "PackSegInputs")
    own.write_text(f"_base_ = ['tiny.py']\ntest_dataloader = dict(dataset=dict(pipeline={pipeline!r}))\n"
                   "model = dict(data_preprocessor=dict(bgr_to_rgb=False))\n")  # fmt: skip
    shown = []
    if name == "infer":
        with imported_tool("infer") as tool:
            original = infer.labelled_picture
            monkeypatch.setattr(infer, "labelled_picture", lambda i, k, *a: shown.append((i, k)) or original(i, k, *a))
            assert tool.main([*map(str, (own, tmp_path / "a.pth", path, "--out", tmp_path))]) == 0
    else:
        draw = picture_hook.contact_sheet

        def drawn(images, truths, predictions, *rest, **options):
            shown.append((images[0], predictions[0]))
            return draw(images, truths, predictions, *rest, **options)

        monkeypatch.setattr(picture_hook, "contact_sheet", drawn)
        with imported_tool("test") as tool:
            tool.main([*map(str, (own, tmp_path / "a.pth", "--show-dir", tmp_path / "pictures"))])
    ((image, labels),) = shown
    assert np.array_equal(image, cv2.resize(COLOURS, (64, 48))[::-1])
    cfg = Config.fromfile(own)
    model = MODELS.build(cfg.model).eval()
    model.load_state_dict(torch.load(tmp_path / "a.pth")["state_dict"])
    reader = ImageReader.of(cfg)
    data = reader.prepare(reader.load(path))
    with torch.no_grad():
        (expected,) = model.test_step({key: [value] for key, value in data.items()})
    assert np.array_equal(labels, expected.pred_sem_seg.data[0].numpy())


# ---- pictures


def test_pictures_of_8_bits_are_what_they_are():
    bgr = COLOURS[..., ::-1]
    assert np.array_equal(as_picture(bgr, "BGR"), COLOURS)
    assert np.array_equal(as_picture(bgr.astype(np.float32), "BGR"), COLOURS)
    assert np.array_equal(as_picture(COLOURS, "RGB"), COLOURS) and np.array_equal(as_picture(COLOURS, None), COLOURS)
    grey = as_picture(COLOURS[..., 0], None)
    assert np.array_equal(grey, COLOURS[..., [0, 0, 0]]) and np.array_equal(as_picture(COLOURS[..., :1], "BGR"), grey)
    assert np.array_equal(as_picture(COLOURS[..., :2], None), grey)


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("bands", range(1, 11))
def test_other_numbers_span_black_to_white(dtype, bands):
    rng = np.random.default_rng(bands)
    image = (rng.random((30, 40, bands)) * 3000 + 400).astype(dtype)
    picture = as_picture(image, None)
    assert picture.dtype == np.uint8 and picture.shape == (30, 40, 3)
    assert picture.min() == 0 and picture.max() == 255 and 110 < picture.mean() < 145
    order = np.argsort(image[..., 0], axis=None)
    assert (np.diff(picture[..., 0].ravel()[order].astype(int)) >= 0).all()  # brighter stays brighter


def test_pictures_of_what_is_no_number():
    image = np.array([[[0.0], [np.nan], [np.inf], [5000.0]]])
    assert as_picture(image, None)[0, :, 0].tolist() == [0, 0, 0, 255]
    assert as_picture(np.full((2, 2, 3), np.nan), None).max() == 0
    assert np.unique(as_picture(np.full((2, 2), 9000, np.uint16), None)).tolist() == [127]
    assert as_picture(np.array([[True, False]]), None)[0, :, 0].tolist() == [255, 0]


@pytest.mark.parametrize("chosen", [(0, 1), (0, 1, 4), (-1, 0, 0), (0.0, 1, 2)])
def test_bands_that_are_not_there(chosen):
    with pytest.raises(ValueError, match=r"give three numbers.*0 to 3 \(images have 4 bands\)"):
        as_picture(np.zeros((2, 2, 4)), None, chosen)


@pytest.mark.parametrize("suffix", [".tif", ".TIFF", ".jpg", ".png"])
@pytest.mark.parametrize("order", ["BGR", "RGB"])
def test_loaders_of_one_kind_of_file_alone(suffix, order):
    """They say what they give by files of that kind."""

    @TRANSFORMS.register_module(force=True)
    class OneKind(BaseTransform):
        def transform(self, results):
            if results["img_path"][-4:].lower() != suffix[:4].lower():
                raise OSError("another kind of file")
            image = cv2.imread(results["img_path"], cv2.IMREAD_UNCHANGED)
            return dict(results, img=image if order == "BGR" else image[..., ::-1])

    facts = ImageReader(steps("OneKind"), suffix).facts
    assert facts.order == order
    assert facts.deep == (None if suffix == ".jpg" else True)
