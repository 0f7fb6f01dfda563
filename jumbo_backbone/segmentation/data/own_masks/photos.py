"""What a photo's header tells: its size as training reads it, and whether it is more than a photograph."""

from pathlib import Path
from typing import NamedTuple

import cv2
from PIL import Image

from ....image_header import read_header

TURNED = "the photo is turned upright when it is read, as its EXIF data ask, and the mask is not"


class Photo(NamedTuple):
    """Width and height after EXIF's rotation, those before it, bands and bits."""

    size: tuple[int, int]
    stored: tuple[int, int]
    bands: int
    bits: int


def look_at(path: Path) -> Photo:
    """What the header of a photo says; of files that Pillow does not open, what OpenCV reads.

    Raises:
        ValueError: If it cannot be read.
    """
    try:
        header = read_header(path)
        with Image.open(path) as image:
            stored = image.size
            turned = header is not None and header.orientation > 4 and image.format != "TIFF"
    except Exception as error:  # Pillow raises whatever it likes
        read = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if read is None:
            raise ValueError(f"{path} cannot be read as a photo: {error}") from None
        stored, turned = read.shape[1::-1], False
    bands, bits = (header.bands, header.bits) if header else (3, 8)
    return Photo(stored[::-1] if turned else stored, stored, bands, bits)


def difference(photo: Photo, mask: tuple[int, int]) -> str:
    """How the size of a photo and that of its mask differ; nothing if they do not."""
    if photo.size == mask:
        return ""
    told = f"photo {photo.size[0]}x{photo.size[1]}, mask {mask[0]}x{mask[1]}"
    return f"{told}: {TURNED}" if photo.stored == mask else told
