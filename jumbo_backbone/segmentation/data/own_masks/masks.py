"""What is in the masks: each is read as a map of numbers or of colours, and the values of all are counted."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm

from ....words import some
from .classes import told

TOO_MANY = 1000  # values in one mask: it is no map of classes


@dataclass(frozen=True)
class Mask:
    """A mask as it is in its file.

    Attributes:
        values: int32 (H, W): numbers, or colours as 0xRRGGBB.
        coloured: Whether they are colours.
        palette: Colours of the numbers, as 0xRRGGBB; None for a file without a palette.
        lossy: Whether the file's format alters values.
    """

    values: np.ndarray
    coloured: bool
    palette: tuple[int, ...] | None = None
    lossy: bool = False

    @property
    def grey(self) -> bool:
        """Whether its colours are shades of grey alone, which are taken for numbers."""
        return self.coloured and bool((self.values == (self.values & 0xFF) * 0x010101).all())


def read_mask(path: Path, as_colours: bool = False) -> Mask:
    """A mask of one channel as numbers (of a palette: its indices), one of three as colours.

    Args:
        path: Of the file. Where it is transparent throughout a pixel, the pixel is black.
        as_colours: Read numbers as colours too: those of the palette, or shades of grey.

    Raises:
        ValueError: If it cannot be read, holds no whole numbers, or is partly transparent.
    """
    try:
        with Image.open(path) as image:
            image.load()
    except Exception as error:  # Pillow raises whatever it likes on a bad file
        raise ValueError(f"{path} cannot be read as a mask: {error}") from None
    lossy, palette = image.format in ("JPEG", "MPO"), None
    if image.mode == "F":
        raise ValueError(f"{path} holds fractions (32-bit floats), not class numbers: save it as PNG of 8 or 16 bits")
    if image.mode == "P":
        flat = (image.getpalette("RGB") or []) + [0] * 768
        palette = tuple(flat[i] << 16 | flat[i + 1] << 8 | flat[i + 2] for i in range(0, 768, 3))
        values = np.asarray(image, dtype=np.int32)
        return Mask(np.array(palette, dtype=np.int32)[values], True) if as_colours else Mask(values, False, palette)
    if image.mode in ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L"):
        array = np.asarray(image.getchannel(0) if image.mode == "LA" else image)
        values = array.astype(np.int32) * (255 if image.mode == "1" else 1)
        if values.min(initial=0) < 0 or values.max(initial=0) > 0xFFFF:
            raise ValueError(f"{path} holds numbers from {values.min()} to {values.max()}: classes are 0 to 65535")
        if not as_colours:
            return Mask(values, False, lossy=lossy)
        if values.max(initial=0) > 255:
            raise ValueError(
                f"{path} holds numbers up to {values.max()}, which are no shades of grey: give classes numbers"
            )
        return Mask(values * 0x010101, True, lossy=lossy)
    bands = np.asarray(image.convert("RGBA"), dtype=np.int32)
    if not np.isin(bands[..., 3], (0, 255)).all():
        raise ValueError(f"{path} is transparent in part, so its colours are mixtures: save it without transparency")
    bands *= bands[..., 3:] > 0
    return Mask(bands[..., 0] << 16 | bands[..., 1] << 8 | bands[..., 2], True, lossy=lossy)


@dataclass
class Survey:
    """What all masks hold together.

    Attributes:
        coloured: Whether they show classes by colours. Colours that are shades of grey alone count as numbers.
        pixels: How many pixels have each value.
        first: A mask with each value.
        palette: Colours of numbers, as 0xRRGGBB, where masks have palettes.
        lossy: Masks whose format alters values.
        sizes: (width, height) by mask.
    """

    coloured: bool = False
    pixels: Counter = field(default_factory=Counter)
    first: dict[int, Path] = field(default_factory=dict)
    palette: dict[int, int] = field(default_factory=dict)
    lossy: list[Path] = field(default_factory=list)
    sizes: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def listed(self, values: Collection[int]) -> list[str]:
        """Values with their share of all pixels and a file that has them, the commonest first."""
        total = sum(self.pixels.values())
        ordered = sorted(values, key=lambda value: (-self.pixels[value], value))
        return [f"{told(v, self.coloured)} ({self.pixels[v] / total:.2%}, as in {self.first[v].name})" for v in ordered]

    def some(self, values: Collection[int], most: int = 12) -> str:
        """The first of them."""
        return some(self.listed(values), most)


def survey(masks: Sequence[Path], as_colours: bool, many: bool, workers: int, progress: bool) -> Survey:
    """Read all masks and count their values.

    Args:
        masks: Files.
        as_colours: Whether all are to be read as colours; else masks of one channel show classes by numbers.
        many: Whether a mask may have any number of values.
        workers: Threads that read.
        progress: Whether to show a bar on stderr.

    Raises:
        ValueError: If a mask cannot be read, has values like a photo, or its palette differs from another's; if some
            masks show classes by numbers and others by colours.
    """
    found = Survey()
    counted: list[tuple[Path, _Seen]] = []
    owners: dict[int, Path] = {}
    for path, seen in _read_all(masks, as_colours, workers, progress):
        if len(seen.pixels) > TOO_MANY and not many:
            raise ValueError(
                f"{path} has {len(seen.pixels):,} different values, more than a map of classes: is it a photo, or were "
                "its colours mixed at edges (anti-aliasing, JPEG, smooth resizing)? Save masks as PNG without "
                "smoothing, or name the colours of the classes (NAME=#rrggbb), and take the nearest one for each pixel "
                "(--nearest)"
            )
        counted.append((path, seen))
        found.sizes[path] = seen.size
        if seen.lossy:
            found.lossy.append(path)
        palette = seen.palette or ()
        for value in seen.pixels if palette else ():
            colour, owner = palette[value], owners.setdefault(value, path)
            if found.palette.setdefault(value, colour) != colour:
                raise ValueError(
                    f"index {value} is {told(found.palette[value], True)} in {owner} and {told(colour, True)} in "
                    f"{path}: the palettes differ, so an index means different things. Name the colours of the classes "
                    "(NAME=#rrggbb), and masks are read by their colours"
                )
    by_kind = {kind: [path for path, seen in counted if seen.kind == kind] for kind in ("numbers", "colours")}
    if all(by_kind.values()):
        raise ValueError(
            f"{len(by_kind['numbers']):,} masks have one channel (such as {by_kind['numbers'][0]}), and "
            f"{len(by_kind['colours']):,} have colours (such as {by_kind['colours'][0]}): save all in one way, or name "
            "the colours of the classes (NAME=#rrggbb), and all masks are read by their colours"
        )
    found.coloured = bool(by_kind["colours"])
    for path, seen in counted:
        for value, count in seen.pixels.items():
            value = value & 0xFF if seen.kind == "grey" and not found.coloured else value
            found.pixels[value] += count
            found.first.setdefault(value, path)
    return found


class _Seen(NamedTuple):
    """Of one mask: "numbers", "grey" (colours that may be numbers) or "colours"; pixels by value; and as of Mask."""

    kind: str
    pixels: dict[int, int]
    palette: tuple[int, ...] | None
    lossy: bool
    size: tuple[int, int]


def _read_all(masks: Sequence[Path], as_colours: bool, workers: int, progress: bool) -> Iterator[tuple[Path, _Seen]]:
    def read(path: Path) -> tuple[Path, _Seen]:
        mask = read_mask(path, as_colours)
        values, counts = np.unique(mask.values, return_counts=True)
        kind = "numbers" if not mask.coloured else "grey" if mask.grey and not as_colours else "colours"
        pixels = dict(zip(values.tolist(), counts.tolist(), strict=True))
        return path, _Seen(kind, pixels, mask.palette, mask.lossy, mask.values.shape[::-1])

    pool = ThreadPoolExecutor(workers)
    try:
        yield from tqdm(pool.map(read, masks), "reading masks", len(masks), unit="mask", disable=not progress)
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C need not wait for the rest
