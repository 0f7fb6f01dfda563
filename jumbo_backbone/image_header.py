"""The header of an image file: bands, bits and orientation of the camera."""

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from PIL import Image

ORIENTATION = 0x0112
AS_COLOURS = {"P": 3, "PA": 4, "CMYK": 3}  # bands that modes of Pillow have once they are colours
DEEP = {"I;16": 16, "I;16B": 16, "I;16L": 16, "I;16N": 16, "I": 32, "F": 32, "1": 1}


@dataclass(frozen=True)
class ImageHeader:
    """The header of a file: facts of the file itself, not of the image that a program reads from it.

    Attributes:
        bands: Number of bands; three for a palette.
        bits: Bits of a band.
        alpha: Whether the last band says how opaque a pixel is.
        orientation: EXIF's: 1 is upright, 3 upside down, 5 to 8 lie on their side, the even ones up to 4 and the odd
            ones from 5 are mirrored.
        planes: Whether the bands follow each other, instead of lying together in each pixel.
    """

    bands: int
    bits: int
    alpha: bool = False
    orientation: int = 1
    planes: bool = False


def read_header(path: str | os.PathLike) -> ImageHeader | None:
    """Header of an image file; None for a format that is neither TIFF nor known to Pillow, such as a numpy array."""
    with open(path, "rb") as file:
        start = file.read(26)
        if start[:4] in (b"II*\0", b"MM\0*"):
            return _tiff(file, "<" if start[:1] == b"I" else ">")
    try:
        with Image.open(path) as image:
            bands = AS_COLOURS.get(image.mode, len(image.getbands()))
            bits = DEEP.get(image.mode, 8)
            if start[:8] == b"\x89PNG\r\n\x1a\n" and image.mode != "P":
                bits = start[24]  # of colours Pillow takes 8 of 16, and says nothing
            alpha = image.mode in ("LA", "La", "RGBA", "RGBa", "PA")
            # of a PNG without EXIF Pillow would look for it behind the pixels, and decode them all
            told = image.format != "PNG" or "exif" in image.info
            return ImageHeader(bands, bits, alpha, image.getexif().get(ORIENTATION, 1) if told else 1)
    except Exception:  # Pillow raises whatever it likes on a bad file; whoever reads it will tell
        return None


def _tiff(file: BinaryIO, order: str) -> ImageHeader | None:
    """Header from the tags of the first image: Pillow opens few kinds of TIFF, and some with fewer bands than they
    have."""
    tags: dict[int, list[int]] = {}
    try:
        file.seek(4)
        file.seek(*struct.unpack(order + "I", file.read(4)))
        (count,) = struct.unpack(order + "H", file.read(2))
        for number, kind, length, value in struct.iter_unpack(order + "HHI4s", file.read(12 * count)):
            if kind not in (1, 3) or number not in (258, 262, 274, 277, 284, 338):
                continue
            size = 2 * length if kind == 3 else length
            if size > 4:
                file.seek(*struct.unpack(order + "I", value))
                value = file.read(min(size, 2048))
            form = "H" if kind == 3 else "B"
            tags[number] = list(struct.unpack(f"{order}{min(length, 1024)}{form}", value[: min(size, 2048)]))
    except (struct.error, OSError):
        return None

    def first(number: int, default: int) -> int:
        return tags[number][0] if tags.get(number) else default

    bands = 3 if first(262, 1) == 3 else first(277, 1)
    alpha = any(kind in (1, 2) for kind in tags.get(338, []))
    return ImageHeader(bands, max(tags.get(258, [1])), alpha, first(274, 1), first(284, 1) == 2 and bands > 1)


def lost_in_reading(header: ImageHeader | None, image: np.ndarray) -> str:
    """The part of its file that an image (H, W) or (H, W, C) lacks after reading, in words; an empty text if it lacks
    nothing. A file of colours that is read in grey does not count: the reader was told to."""
    if header is None:
        return ""
    bands = image.shape[2] if image.ndim == 3 else 1
    lost = []
    if (header.bands > bands and header.bands != 3) or (header.alpha and bands % 2):
        named = ", the last of them how opaque a pixel is" if header.alpha else ""
        lost.append(f"{bands} of its {header.bands} bands are read{named}")
    if header.bits > 8 and image.dtype == np.uint8:
        lost.append(f"8 of its {header.bits} bits are read")
    return "; ".join(lost)
