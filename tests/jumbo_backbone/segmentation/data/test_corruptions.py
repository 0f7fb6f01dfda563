"""Corruptions depend on the image's name and the seed alone, and leave numpy's generator as it was."""

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("imagecorruptions")
pytest.importorskip("mmseg")
from mmseg.registry import TRANSFORMS

from jumbo_backbone.segmentation.data.corruptions import COMMON, EXTRA, corrupted, seed_of

SLOW = "glass_blur"  # numba compiles it, which takes ten seconds: the one test of it is the slow one


def scene(size=(40, 56)) -> np.ndarray:
    coarse = np.random.default_rng(0).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC)).copy()


def test_the_names_are_those_of_the_library():
    from imagecorruptions import get_corruption_names

    assert list(COMMON) == get_corruption_names("common") and list(EXTRA) == get_corruption_names("validation")


@pytest.mark.parametrize(
    "name", [name for name in COMMON + EXTRA if name != SLOW] + [pytest.param(SLOW, marks=pytest.mark.slow)]
)
def test_a_seed_decides_all(name):
    image = scene()
    before = image.copy()
    np.random.seed(3)  # noqa: NPY002  (the library's generator)
    first = corrupted(image, name, 3, 7)
    drawn = np.random.random()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    assert drawn == np.random.random()  # noqa: NPY002
    again = corrupted(image, name, 3, 7)
    assert np.array_equal(first, again) and np.array_equal(image, before)
    assert first.dtype == np.uint8 and first.shape == image.shape and (first != image).mean() > 0.02


@pytest.mark.parametrize("name", ["gaussian_noise", "impulse_noise", "snow", "frost", "elastic_transform", "spatter"])
def test_other_seeds_draw_otherwise(name):
    assert not np.array_equal(corrupted(scene(), name, 3, 1), corrupted(scene(), name, 3, 2))


@pytest.mark.parametrize("name", ["gaussian_noise", "defocus_blur", "contrast", "pixelate"])
def test_a_higher_severity_changes_more(name):
    image = scene().astype(float)
    changes = [np.abs(corrupted(scene(), name, severity, 0) - image).mean() for severity in (1, 3, 5)]
    assert changes == sorted(changes) and changes[0] < changes[2]


def test_a_seed_of_each_image():
    seeds = [seed_of("fog", image, seed) for image in ("a/1.png", "a/2.png") for seed in (0, 1)]
    assert len(set(seeds)) == 4 and all(0 <= seed < 2**32 for seed in seeds)
    assert seed_of("fog", "a/1.png", 0) == seeds[0] != seed_of("snow", "a/1.png", 0)


def test_a_transform_heeds_the_order_of_colours():
    image = scene()
    made = {}
    for order, step in (("RGB", 1), ("BGR", -1)):
        transform = TRANSFORMS.build(dict(type="CorruptImage", name="saturate", severity=4, order=order))
        results = dict(img=image[..., ::step], img_path="folder/x.png", img_shape=(40, 56))
        found = transform(results)
        made[order] = found["img"][..., ::step]
        assert found["img_shape"] == (40, 56) and np.array_equal(results["img"], image[..., ::step])
    assert np.array_equal(made["RGB"], made["BGR"])
    assert np.array_equal(made["RGB"], corrupted(image, "saturate", 4, seed_of("saturate", "x.png", 0)))


@pytest.mark.parametrize(
    "image, name, severity, error, message",
    [
        (scene(), "rain", 3, ValueError, "unknown corruption 'rain': choose one of gaussian_noise"),
        (scene(), "fog", 6, ValueError, "severity 6: give a whole number from 1 to 5"),
        (scene((31, 56)), "fog", 3, ValueError, "an image of 31x56 pixels is too small .*32x32 or more"),
        (scene().astype(float), "fog", 3, TypeError, "8 bits and three bands, not float64"),
        (scene()[..., :1], "fog", 3, TypeError, r"not uint8 \(40, 56, 1\)"),
    ],
)
def test_wrong_input(image, name, severity, error, message):
    with pytest.raises(error, match=message):
        corrupted(image, name, severity, 0)
