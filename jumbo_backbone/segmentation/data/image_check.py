"""Checks how images are read, with the loader of the training."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import LoadImageFromFile
from PIL import Image, UnidentifiedImageError

from ...image_header import ImageHeader, lost_in_reading, read_header
from .image_input import ImageReader
from .problems import DARK, LOST, NOT_FINITE, OTHER_BANDS, PLANES, TURNED, Problem

HARDLY = 16  # of 256 values an image of 8 bits spans at least, if its file of 16 bits spans more

_TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {  # what makes an image upright, by EXIF's orientation
    2: np.fliplr,
    3: lambda x: np.rot90(x, 2),
    4: np.flipud,
    5: lambda x: np.swapaxes(x, 0, 1),
    6: lambda x: np.rot90(x, 3),
    7: lambda x: np.swapaxes(np.rot90(x, 2), 0, 1),
    8: np.rot90,
}


class ImageCheck:
    """Reads images by a pipeline's loader, and says what is wrong or lost.

    Args:
        pipeline: Configs of transforms; none for ``LoadImageFromFile`` alone.
        bands: Number of bands that the model takes; None for any.
    """

    def __init__(self, pipeline: Sequence[Any] = (), bands: int | None = None) -> None:
        self._reader, self._bands = ImageReader(pipeline), bands

    def read(self, pair: Mapping[str, Any]) -> tuple[np.ndarray | None, list[Problem]]:
        """An image (H, W) or (H, W, C) of a data set, None if it cannot be read, and its problems."""
        path = pair["img_path"]
        try:
            readable = _decode(path)
            header = read_header(path)
        except Exception as error:  # Pillow raises whatever it likes on a bad file
            return None, [Problem.unreadable(path, error)]
        try:
            image = np.asarray(self._reader.load(pair)["img"])
        except Exception as error:  # and so do loaders
            told = f"Pillow can read it, but {self._reader.loader}, with which training reads, cannot"
            return None, [Problem.unreadable(path, ValueError(told) if readable else error)]
        found = [(OTHER_BANDS, self._other_bands(pair, image)), (NOT_FINITE, _not_finite(image))]
        if header is not None:
            found.append((PLANES, self._mixed_up(header)))
            if lost := lost_in_reading(header, image):
                dark = _dark(path, image) if header.bits > 8 else ""
                found.append((DARK, dark) if dark else (LOST, lost))
        return image, [Problem(kind, path, told) for kind, told in found if told]

    def turned(self, path: str, image: np.ndarray) -> list[Problem]:
        """Whether an image that has the size of its mask was turned when it was read, which the sizes do not show."""
        header = read_header(path)
        turn = _TURNS.get(header.orientation) if header else None
        if turn is None or header is None or (header.orientation > 4 and image.shape[0] != image.shape[1]):
            return []
        with Image.open(path) as opened:
            opened.load()
            as_held = _grey(np.asarray(opened.convert("RGB")))
            if opened.format == "TIFF":  # of which Pillow has turned it
                as_held = turn(turn(turn(as_held)))
        upright, loaded = turn(as_held), _grey(image)
        if loaded.shape != upright.shape or np.abs(loaded - upright).mean() >= np.abs(loaded - as_held).mean():
            return []
        return [Problem(TURNED, path, f"orientation {header.orientation} of its EXIF data")]

    def _other_bands(self, pair: Mapping[str, Any], image: np.ndarray) -> str:
        bands = image.shape[2] if image.ndim == 3 else 1
        if self._bands in (None, bands) or (bands, self._bands) == (1, 3):  # a grey image passes for a coloured one
            return ""
        labels = dict(gt_seg_map=np.zeros(image.shape[:2], np.uint8), seg_fields=["gt_seg_map"])
        try:  # transforms of one's own may choose bands, or make some
            made = self._reader.prepare(self._reader.load(pair) | labels)
            bands = len(made["inputs"]) if "inputs" in made else bands
        except Exception:
            return f"{bands} as loaded, the model takes {self._bands}"
        return "" if bands == self._bands else f"{bands}, the model takes {self._bands}"

    def _mixed_up(self, header: ImageHeader) -> str:
        step = self._reader.loads
        by_opencv = isinstance(step, LoadImageFromFile) and step.imdecode_backend == "cv2"
        return f"{header.bands} of {header.bits} bits" if header.planes and header.bits > 8 and by_opencv else ""


def _decode(path: str | os.PathLike) -> bool:
    """Whether Pillow knows the format. Where a file is cut off, OpenCV fills the missing part with grey; Pillow
    raises, so it reads the file first. Pillow knows only a few kinds of TIFF and is not used for them."""
    try:
        with Image.open(path) as image:
            if image.format == "TIFF":
                return False
            image.load()
    except UnidentifiedImageError:
        return False
    return True


def _dark(path: str, image: np.ndarray) -> str:
    """The range of values that is left of a 16-bit image, if hardly anything is left of it."""
    span = int(image.max()) - int(image.min())
    whole = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    if span >= HARDLY or whole is None or float(whole.max()) - float(whole.min()) <= span:
        return ""
    return f"values of {whole.min():,} to {whole.max():,} become {image.min()} to {image.max()}"


def _not_finite(image: np.ndarray) -> str:
    wrong = 0 if image.dtype.kind != "f" else int(image.size - np.isfinite(image).sum())
    return f"{wrong:,} of {image.size:,}" if wrong else ""


def _grey(image: np.ndarray) -> np.ndarray:
    """(H, W), from 0 to 1."""
    grey = image.astype(np.float32) if image.ndim == 2 else image[..., :3].astype(np.float32).mean(axis=2)
    return (grey - grey.min()) / max(float(np.ptp(grey)), 1e-6)
