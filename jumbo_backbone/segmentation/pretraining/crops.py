"""Pictures of any size cut and resized to one size."""

import math
import random

import numpy as np
from PIL import Image

Box = tuple[float, float, float, float]  # left, upper, right, lower

_TRIES = 10  # before a crop of the drawn shape is given up for the largest one in the middle


def random_crop(image: np.ndarray, size: tuple[int, int], scale: tuple[float, float]) -> np.ndarray:
    """A random part of an image, resized, and mirrored half of the time.

    Args:
        image: uint8 (H, W, 3).
        size: (H, W) of the result in pixels.
        scale: The least and the largest share of the image's area.

    Python's own generator is drawn from, which a training seeds for each sample.
    """
    box = _random_box(image.shape[:2], size, scale)
    flip = random.random() < 0.5
    cut = resized(image, size, box)
    return np.ascontiguousarray(cut[:, ::-1]) if flip else cut


def middle_crop(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The largest part of this shape in the middle, resized."""
    return resized(image, size, _middle_box(image.shape[:2], size[1] / size[0]))


def resized(image: np.ndarray, size: tuple[int, int], box: Box | None = None) -> np.ndarray:
    """Bicubic with antialias."""
    if box in (None, (0, 0, image.shape[1], image.shape[0])) and image.shape[:2] == tuple(size):
        return image
    return np.asarray(Image.fromarray(image).resize((size[1], size[0]), Image.Resampling.BICUBIC, box=box))


def _random_box(shape: tuple[int, ...], size: tuple[int, int], scale: tuple[float, float]) -> Box:
    H, W = shape
    aspect = size[1] / size[0]
    for _ in range(_TRIES):
        area = H * W * random.uniform(*scale)
        ratio = aspect * math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        w, h = math.sqrt(area * ratio), math.sqrt(area / ratio)
        if w <= W and h <= H:
            x, y = random.uniform(0, W - w), random.uniform(0, H - h)
            return (x, y, x + w, y + h)
    return _middle_box(shape, aspect)


def _middle_box(shape: tuple[int, ...], aspect: float) -> Box:
    H, W = shape
    w, h = (W, W / aspect) if W / H < aspect else (H * aspect, H)
    x, y = (W - w) / 2, (H - h) / 2
    return (x, y, x + w, y + h)
