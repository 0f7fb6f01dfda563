"""Limits of what visitors may give."""

from pathlib import Path

UPLOAD = 20 * 2**20  # bytes of a file
PIXELS = 25_000_000  # of a picture
PATCHES = 8_192  # that an encoder reads at once: the work grows with their square
ROWS = 1_000_000  # of a table
MODELS, PICTURES, ANSWERS = 3, 4, 8  # kept in memory
SESSIONS = 20  # visitors whose forecast or classifier is kept
HOUR = 3600  # seconds after which files and results of a visitor go


def check_size(path: Path) -> None:
    """Raise ValueError for a file of too many bytes. The page refuses it earlier, when it is uploaded."""
    if (size := path.stat().st_size) > UPLOAD:
        raise ValueError(f"{path.name} has {size / 2**20:.1f} MB, more than {UPLOAD >> 20}: give a smaller file")


def check_picture(path: Path) -> None:
    """Raise ValueError for a picture with too many bytes or pixels, before it is decoded. Of files that Pillow does not
    know OpenCV says so itself (see ``offline``)."""
    from PIL import Image, UnidentifiedImageError

    check_size(path)
    try:
        with Image.open(path) as image:
            width, height = image.size
    except Image.DecompressionBombError:
        raise ValueError(f"{path.name} has far more than {PIXELS:,} pixels: make it smaller first") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        return  # its reader tells what is wrong
    if width * height > PIXELS:
        raise ValueError(
            f"{path.name} has {width:,} x {height:,} = {width * height:,} pixels, more than {PIXELS:,}: make it "
            "smaller first"
        )
