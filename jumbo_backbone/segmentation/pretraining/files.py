"""Picture files in folders and in tar files: finding and reading them."""

import glob
import io
import os
import tarfile
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ...image_files import IMAGE_SUFFIXES

_PLAIN = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"}  # modes of 8 bits, which Pillow turns into colours


@dataclass(frozen=True)
class PictureFile:
    """A picture: a file, or a part of a tar file.

    Attributes:
        path: Path of the file.
        member: Its name within a tar file; empty for a file of its own.
        offset: Where in a tar file its bytes begin.
        size: How many bytes of a tar file it takes.
    """

    path: str
    member: str = ""
    offset: int = 0
    size: int = -1

    def __str__(self) -> str:
        return f"{self.path}:{self.member}" if self.member else self.path

    def read(self, side: int | None = None) -> np.ndarray:
        """The pixels, uint8 RGB (H, W, 3), upright.

        Args:
            side: A JPEG may be read at a half, a quarter or an eighth of its size, which is faster, as long as both
                sides have this many pixels; None for its own size.

        Raises:
            ValueError: If it is broken; the message names it.
        """
        try:
            with open(self.path, "rb") as file:
                file.seek(self.offset)
                return decoded(file.read(self.size), side)
        except Exception as error:  # Pillow raises whatever it likes on a bad file
            told = textwrap.shorten(str(error) or type(error).__name__, 150, placeholder=" …")
            raise ValueError(f"{self} cannot be read as a picture: {told}") from error


def decoded(data: bytes, side: int | None = None) -> np.ndarray:
    """Bytes of an image file as uint8 RGB (H, W, 3), upright; of 16 bits the upper 8 are taken. For ``side`` see
    ``PictureFile.read``."""
    if not data:
        raise ValueError("it is empty")
    try:
        with Image.open(io.BytesIO(data)) as image:
            if side is not None:
                image.draft(None, (side, side))
            image.load()  # OpenCV fills the missing part of a file that is cut off with grey
            if image.mode in _PLAIN and image.format != "TIFF":
                return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except UnidentifiedImageError:  # of TIFF it knows few kinds
        pass
    image_bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image_bgr is None:
        raise ValueError("no image of a kind that is known")
    return np.ascontiguousarray(image_bgr[..., ::-1])


def find_pictures(data_root: str | Sequence[str]) -> list[PictureFile]:
    """The pictures in folders, in all folders below them, and in tar files, in the order of their paths.

    Args:
        data_root: A folder, a tar file, or a path with wildcards ("data/train-*.tar"); or a list of those. Hidden files
            and folders are left out.

    Raises:
        FileNotFoundError: If a path is not there, or there is no picture.
        ValueError: If a tar file cannot be read.
    """
    roots = [data_root] if isinstance(data_root, (str, os.PathLike)) else list(data_root)
    found: list[PictureFile] = []
    for root in map(str, roots):
        paths = sorted(glob.glob(root)) if glob.has_magic(root) and not os.path.exists(root) else [root]
        if not paths or not os.path.exists(paths[0]):
            raise FileNotFoundError(
                f"no pictures at {os.path.abspath(root)}: there is no such folder or file. Where are they? --data-root "
                "FOLDER, or data_root in the config"
            )
        for path in paths:
            found += _below(path)
    if not found:
        kinds = "/".join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES))
        told = ", ".join(os.path.abspath(str(root)) for root in roots)
        raise FileNotFoundError(f"no pictures at {told}, nor in folders below: looked for {kinds} and tar files")
    return found


def class_of(file: PictureFile) -> str:
    """The name of the folder that holds a picture."""
    return Path(file.member or file.path).parent.name


def _below(path: str) -> Iterator[PictureFile]:
    if not os.path.isdir(path):
        yield from _in_tar(path) if path.lower().endswith(".tar") else [PictureFile(path)]
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            suffix = Path(name).suffix.lower()
            if name.startswith("."):
                continue
            if suffix == ".tar":
                yield from _in_tar(os.path.join(folder, name))
            elif suffix in IMAGE_SUFFIXES:
                yield PictureFile(os.path.join(folder, name))


def _in_tar(path: str) -> list[PictureFile]:
    try:
        with tarfile.open(path, "r:") as archive:  # without compression: a picture is read where it lies
            members = [m for m in archive if m.isfile() and Path(m.name).suffix.lower() in IMAGE_SUFFIXES]
    except tarfile.TarError as error:
        raise ValueError(f"{path} cannot be read as a tar file ({error}): unpack it, or take it away") from error
    members.sort(key=lambda member: member.name)
    return [PictureFile(path, member.name, member.offset_data, member.size) for member in members]
