"""The corruptions of ImageNet-C (Hendrycks and Dietterich, "Benchmarking neural network robustness to common
corruptions and perturbations", ICLR 2019) on images of any size: noise, blur, weather, and what digital images suffer.

They are those of the library imagecorruptions-imaug, which ``pip install '.[robustness]'`` brings.
"""

import hashlib
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

COMMON = (
    *("gaussian_noise", "shot_noise", "impulse_noise"),
    *("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    *("snow", "frost", "fog", "brightness"),
    *("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
)
EXTRA = ("speckle_noise", "gaussian_blur", "spatter", "saturate")  # to choose settings on, by their authors
SEVERITIES = (1, 2, 3, 4, 5)
LEAST = 32  # pixels of a side


def corrupted(image: np.ndarray, name: str, severity: int, seed: int) -> np.ndarray:
    """An image as it would be after a corruption.

    Args:
        image: uint8 RGB (H, W, 3), sides of 32 pixels or more.
        name: One of ``COMMON`` or ``EXTRA``.
        severity: From 1 to 5.
        seed: Decides all that is drawn, from 0 to below 2**32. numpy's global generator is left as it was.

    Returns:
        uint8 (H, W, 3).

    Raises:
        ValueError: If a name, a severity or a size is out of range.
        TypeError: If the image is something else.
    """
    require_corruption(name, severity)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise TypeError(f"corruptions are of images of 8 bits and three bands, not {image.dtype} {image.shape}")
    if min(image.shape[:2]) < LEAST:
        height, width = image.shape[:2]
        raise ValueError(
            f"an image of {height}x{width} pixels is too small for corruptions: give {LEAST}x{LEAST} or more"
        )
    from imagecorruptions import corrupt, corruptions

    # the library draws from numpy's global generator, but where numba compiled it, from a seed that it is given
    own = dict(seed=seed) if "seed" in inspect.signature(getattr(corruptions, name)).parameters else {}
    with _drawing_from(seed):
        return corrupt(image, severity=severity, corruption_name=name, **own)


def require_corruption(name: str, severity: int) -> None:
    """Raise a ValueError if there is no such corruption, or no such severity."""
    if name not in COMMON + EXTRA:
        raise ValueError(f"unknown corruption {name!r}: choose one of {', '.join(COMMON + EXTRA)}")
    if severity not in SEVERITIES:
        raise ValueError(f"severity {severity}: give a whole number from 1 to 5")


def seed_of(name: str, image: str, seed: int) -> int:
    """The seed of a corruption of an image, by the image's name, so that neither the other images nor the number of
    processes change it. The severities share it, so that they differ in strength alone."""
    return int.from_bytes(hashlib.sha256(f"{seed} {name} {image}".encode()).digest()[:4])


@contextmanager
def _drawing_from(seed: int) -> Iterator[None]:
    before = np.random.get_state()  # noqa: NPY002  (the library's)
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002


@TRANSFORMS.register_module()
class CorruptImage(BaseTransform):
    """Corrupts an image that was loaded, of 8 bits and three bands.

    Args:
        name: See ``corrupted``.
        severity: From 1 to 5.
        seed: With the name of the image's file it decides all that is drawn.
        order: "BGR", as mmcv loads images, or "RGB".
    """

    def __init__(self, name: str, severity: int, seed: int = 0, order: str = "BGR") -> None:
        require_corruption(name, severity)
        self.name, self.severity, self.seed, self.order = name, severity, seed, order

    def transform(self, results: dict) -> dict:
        image, step = results["img"], -1 if self.order == "BGR" else 1
        seed = seed_of(self.name, Path(results["img_path"]).name, self.seed)
        changed = corrupted(np.ascontiguousarray(image[..., ::step]), self.name, self.severity, seed)
        return dict(results, img=np.ascontiguousarray(changed[..., ::step]))
