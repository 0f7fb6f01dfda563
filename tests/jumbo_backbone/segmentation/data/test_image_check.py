"""The check of a data set looks through the loader: what training would lose or turn is found, what it keeps is not."""

import io

import cv2
import numpy as np
import pytest
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS
from PIL import Image

from jumbo_backbone.image_header import lost_in_reading, read_header
from jumbo_backbone.segmentation.data.check import check_dataset
from jumbo_backbone.segmentation.data.problems import DARK, LOST, NOT_FINITE, OTHER_BANDS, PLANES, TURNED, UNREADABLE
from tests.tiff import tiff

SIZE = (24, 32)
COLOUR = [dict(type="LoadImageFromFile")]
UNCHANGED = [dict(type="LoadImageFromFile", color_type="unchanged")]
ARRAYS = [dict(type="LoadImageFromNpyFile")]


def image(bands: int, dtype: type = np.uint8, most: int = 255) -> np.ndarray:
    return np.random.default_rng(bands).integers(0, most + 1, (*SIZE, bands)).astype(dtype)


def found(folder, content: bytes, pipeline, suffix=".png", bands=None) -> tuple[list[str], bool]:
    """Kinds of problems of one image beside its mask, and whether the data set is sound."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir(exist_ok=True)
    (folder / "images" / f"a{suffix}").write_bytes(content)
    height, width = Image.open(io.BytesIO(content)).size[::-1] if suffix == ".jpg" else SIZE
    Image.fromarray(np.zeros((height, width), dtype=np.uint8)).save(folder / "masks" / "a.png")
    dataset = dict(
        type="BaseSegDataset",
        data_root=str(folder),
        data_prefix=dict(img_path="images", seg_map_path="masks"),
        metainfo=dict(classes=("one", "two"), palette=[[0, 0, 0], [255, 0, 0]]),
        img_suffix=suffix,
        pipeline=pipeline,
    )
    report = check_dataset(dataset, bands=bands, workers=1, progress=False)
    for problem in report.problems:
        assert problem.way_out in str(report)
    return [problem.kind for problem in report.problems], report.sound


def png(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("most", "pipeline", "kinds", "sound"),
    [
        (255, COLOUR, [DARK], False),  # all of it becomes 0
        (4000, COLOUR, [DARK], False),  # 12 bits
        (65535, COLOUR, [LOST], True),
        (255, UNCHANGED, [], True),
        (65535, UNCHANGED, [], True),
    ],
)
@pytest.mark.parametrize("bands", [1, 3])
def test_sixteen_bits(tmp_path, most, pipeline, kinds, sound, bands):
    assert found(tmp_path, png(image(bands, np.uint16, most)), pipeline) == (kinds, sound)


def test_an_image_of_one_value_is_not_dark_for_its_bits(tmp_path):
    assert found(tmp_path, png(np.full((*SIZE, 1), 200, np.uint16)), COLOUR) == ([LOST], True)


def test_a_band_that_is_lost_is_told(tmp_path):
    rgba = png(image(4))
    assert found(tmp_path, rgba, COLOUR) == ([LOST], True)
    assert found(tmp_path, rgba, UNCHANGED) == ([], True)
    assert found(tmp_path, rgba, UNCHANGED, bands=3) == ([OTHER_BANDS], False)
    assert found(tmp_path, rgba, UNCHANGED, bands=4) == ([], True)
    assert found(tmp_path, png(image(1)), COLOUR, bands=3) == ([], True)


@pytest.mark.parametrize("bands", range(1, 11))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_arrays_of_any_bands(tmp_path, bands, dtype):
    array = image(bands, dtype)
    assert found(tmp_path, npy(array), ARRAYS, ".npy", bands) == ([], True)
    assert found(tmp_path, npy(array), ARRAYS, ".npy", bands + 3) == ([OTHER_BANDS], False)


def test_values_that_are_no_numbers(tmp_path):
    array = image(4, np.float32)
    array[0, 0, 0] = np.nan
    assert found(tmp_path, npy(array), ARRAYS, ".npy") == ([NOT_FINITE], False)


@pytest.mark.parametrize("bands", range(1, 11))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_s_bands_are_read_or_missed(tmp_path, bands, dtype):
    """OpenCV reads four at most, and one of two."""
    kinds, sound = found(tmp_path, tiff(image(bands, dtype)), UNCHANGED, ".tif")
    expected = {1: [], 2: [LOST], 3: [], 4: []}.get(bands, [UNREADABLE])
    assert (kinds, sound) == (expected, bands <= 4)


def test_bands_that_opencv_mixes_up(tmp_path):
    content = tiff(image(3, np.uint16, 60000), planes=True)
    assert found(tmp_path, content, UNCHANGED, ".tif") == ([PLANES], False)
    assert found(tmp_path, tiff(image(3), planes=True), UNCHANGED, ".tif") == ([], True)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("side", [24, 40])
def test_orientations(tmp_path, format, orientation, side):
    """Turned images whose size tells nothing are named. Masks here are of the size as the camera held it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = cv2.resize(np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8), (side, 24))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format, exif=exif)
    suffix = dict(JPEG=".jpg", PNG=".png", TIFF=".tif", WEBP=".webp")[format]
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    (tmp_path / "images" / f"a{suffix}").write_bytes(buffer.getvalue())
    Image.fromarray(np.zeros((24, side), dtype=np.uint8)).save(tmp_path / "masks" / "a.png")

    def kinds(pipeline):
        dataset = dict(
            type="BaseSegDataset",
            data_root=str(tmp_path),
            data_prefix=dict(img_path="images", seg_map_path="masks"),
            metainfo=dict(classes=("one", "two"), palette=[[0, 0, 0], [255, 0, 0]]),
            img_suffix=suffix,
            pipeline=pipeline,
        )
        return [problem.kind for problem in check_dataset(dataset, workers=1, progress=False).problems]

    lies = orientation > 4 and side != 24
    turned = ["mask of another size than its image"] if lies else [TURNED] if orientation > 1 else []
    assert kinds(COLOUR) == turned
    assert kinds(UNCHANGED) == (turned if format == "TIFF" else [])  # of which OpenCV turns all


@TRANSFORMS.register_module(force=True)
class MaskOfColours(BaseTransform):
    """A user's own: black is none, red the first class, green the second."""

    def transform(self, results):
        rgb = cv2.imread(results["seg_map_path"])[..., ::-1].astype(int)
        results["gt_seg_map"] = np.select([rgb[..., 0] > 99, rgb[..., 1] > 99], [0, self.second], 255)
        return results

    second = 1


def test_masks_are_read_by_a_loader_of_one_s_own(tmp_path, monkeypatch):
    mask = np.zeros((*SIZE, 3), dtype=np.uint8)
    mask[:8, :, 0] = mask[8:12, :, 1] = 200
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    (tmp_path / "images" / "a.png").write_bytes(png(image(3)))
    Image.fromarray(mask).save(tmp_path / "masks" / "a.png")
    dataset = dict(
        type="BaseSegDataset",
        data_root=str(tmp_path),
        data_prefix=dict(img_path="images", seg_map_path="masks"),
        metainfo=dict(classes=("one", "two"), palette=[[0, 0, 0], [255, 0, 0]]),
        img_suffix=".png",
        reduce_zero_label=True,  # which a loader of one's own may do or not
    )
    for pipeline in ([*COLOUR, dict(type="MaskOfColours")], [dict(type="MaskOfColours"), *COLOUR]):
        report = check_dataset(dict(dataset, pipeline=pipeline), workers=1, progress=False)
        assert report.sound and (report.pixels, report.ignored) == ([8 * 32, 4 * 32], 12 * 32)
    stock = check_dataset(dict(dataset, pipeline=[*COLOUR, dict(type="LoadAnnotations")]), workers=1, progress=False)
    assert [problem.kind for problem in stock.problems] == ["mask of colours"]
    monkeypatch.setattr(MaskOfColours, "second", 2)
    report = check_dataset(dict(dataset, pipeline=pipeline), workers=1, progress=False)
    assert [problem.what for problem in report.problems] == ["2 (16.7% of its pixels); classes have 0 to 1"]


# ---- headers


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("bands", range(1, 11))
@pytest.mark.parametrize("planes", [False, True])
def test_headers_of_tiff(tmp_path, bands, dtype, planes):
    (tmp_path / "a.tif").write_bytes(tiff(image(bands, dtype), planes))
    header = read_header(tmp_path / "a.tif")
    assert (header.bands, header.bits) == (bands, np.dtype(dtype).itemsize * 8)
    assert header.planes == (planes and bands > 1) and not header.alpha and header.orientation == 1


@pytest.mark.parametrize(
    ("mode", "bands", "bits", "alpha"),
    [("L", 1, 8, False), ("LA", 2, 8, True), ("P", 3, 8, False), ("RGB", 3, 8, False), ("RGBA", 4, 8, True),
     ("I;16", 1, 16, False), ("1", 1, 1, False)],
)  # fmt: skip
def test_headers_of_png(tmp_path, mode, bands, bits, alpha):
    picture = Image.new("RGB", (5, 4), (9, 90, 200))
    picture = Image.new("I;16", (5, 4)) if mode == "I;16" else picture.convert(mode)
    picture.save(tmp_path / "a.png")
    header = read_header(tmp_path / "a.png")
    assert (header.bands, header.bits, header.alpha) == (bands, bits, alpha)


def test_headers_of_what_is_no_image(tmp_path):
    for content in (b"", b"II*\0", b"II*\0\x08\0\0\0\xff\xff", b"\x93NUMPY", b"\x89PNG\r\n\x1a\n", b"BM"):
        (tmp_path / "a").write_bytes(content)
        header = read_header(tmp_path / "a")
        assert header is None or header.bands == 1
    assert lost_in_reading(None, np.zeros((2, 2))) == ""


def test_every_part_of_a_tiff_s_header_may_be_missing(tmp_path):
    content = tiff(image(5, np.uint16))
    for end in range(220):
        (tmp_path / "a.tif").write_bytes(content[:end])
        read_header(tmp_path / "a.tif")
