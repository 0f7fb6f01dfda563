"""The pictures of `jumbo attention`: numpy in, numpy out."""

from collections.abc import Callable, Sequence
from textwrap import wrap
from typing import Any, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from PIL import Image

PERCENTILES = (1.0, 99.0)  # ends of the colour scale: a few outlying patches may not hide the rest
LEAST_SPAN = 0.5  # of the colour scale, in means: noise is not stretched to full contrast
COLORMAP = "inferno"
PAPER = (17, 17, 20)
VEIL = (84, 52, 124)  # over patches that are dropped
MARGIN, GAP, HEADER, CAPTION, LINE, BAR = 28, 12, 66, 26, 20, 52  # of a picture, in pixels


class Scale(NamedTuple):
    """What the ends of the colours stand for, in means of the map.

    Attributes:
        low, high: The ends. They are the map's ``PERCENTILES``, or at least ``LEAST_SPAN`` apart.
        span: How far apart the percentiles are.
    """

    low: float
    high: float
    span: float

    @property
    def almost_even(self) -> bool:
        """Whether patches differ too little for the colours to span the percentiles."""
        return self.span < LEAST_SPAN


def scale_of(attention: np.ndarray) -> Scale:
    """The colour scale of a map of attention.

    Raises:
        ValueError: If it is not a map of finite numbers.
    """
    attention = np.asarray(attention, dtype=np.float32)
    if attention.ndim != 2 or not np.isfinite(attention).all():
        raise ValueError(f"attention {attention.shape} is not a map of finite numbers: are the weights sound?")
    low, high = (float(end) for end in np.percentile(attention, PERCENTILES) / (attention.mean() or 1.0))
    return Scale(low, max(high, low + LEAST_SPAN), high - low)


def heat_map(attention: np.ndarray, height: int, width: int) -> np.ndarray:
    """Attention (h, w) of any scale to smooth float32 (height, width) in 0 … 1, the ends of ``scale_of``.

    Raises:
        ValueError: If ``attention`` is not a map of finite numbers.
    """
    scale = scale_of(attention)
    attention = np.asarray(attention, dtype=np.float32)
    relative = (attention / (attention.mean() or 1.0) - scale.low) / (scale.high - scale.low)
    smooth = Image.fromarray(relative.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(smooth).clip(0, 1)


def overlay(image: np.ndarray, attention: np.ndarray, opacity: float = 0.6) -> np.ndarray:
    """Lay a heat map of ``attention`` over an image.

    Args:
        image: uint8 (H, W, 3).
        attention: Map (h, w) on any coarser grid that covers the image evenly.
        opacity: 0 shows the image alone, 1 the heat map alone.

    Returns:
        uint8 (H, W, 3).
    """
    heat = colormaps[COLORMAP](heat_map(attention, *image.shape[:2]))[..., :3]
    # Beneath the colours of the map the image is nearly grey: only the heat is to tell by colour.
    under = 0.25 * image + 0.75 * _luminance(image)
    return _to_uint8((1 - opacity) * under + opacity * 255 * heat)


def spotlight(image: np.ndarray, attention: np.ndarray) -> np.ndarray:
    """The image in full colour where attention is high, dark and grey elsewhere; arguments as for ``overlay``."""
    heat = heat_map(attention, *image.shape[:2])[..., None]
    grey = _luminance(image)
    return _to_uint8((grey + heat * (image - grey)) * (0.25 + 0.75 * heat))


def kept_patches(image: np.ndarray, depths: np.ndarray, depth: int) -> np.ndarray:
    """The image, unchanged where patches are kept to the end. Dropped patches are veiled, the more densely the
    earlier they were dropped.

    Args:
        image: uint8 (H, W, 3).
        depths: Blocks (h, w) that each patch went through; the patches cover the image evenly.
        depth: Blocks of the model.

    Returns:
        uint8 (H, W, 3).
    """
    h, w = depths.shape
    rows, columns = (np.arange(side) * n // side for side, n in zip(image.shape[:2], (h, w), strict=True))
    missed = (1 - depths / depth)[rows][:, columns, None]
    density = np.where(missed > 0, 0.45 + 0.5 * missed, 0)
    under = np.where(missed > 0, _luminance(image), image)
    return _to_uint8((1 - density) * under + density * np.array(VEIL))


def draw(
    picture: np.ndarray,
    attention: np.ndarray,
    title: str,
    subtitle: str,
    captions: Sequence[str],
    notes: Sequence[str] = (),
    opacity: float = 0.6,
    kept: np.ndarray | None = None,
) -> Figure:
    """Three panels with captions, a colour bar, and notes; side by side, or one below the other for a wide picture.

    An image pixel is a pixel of the figure, so that nothing is blurred; tiny pictures are enlarged by a whole factor.
    If attention is almost even, the first note says so.

    Args:
        picture: uint8 (H, W, 3).
        attention: Map (h, w).
        title, subtitle: Above all; shortened to one line each.
        captions: Of the three panels.
        notes: Sentences below the bar, broken into lines.
        opacity: Of the heat map.
        kept: The third panel (H, W, 3); the attended part by default.
    """
    zoom = -(-320 // min(picture.shape[:2]))
    picture = picture.repeat(zoom, axis=0).repeat(zoom, axis=1)
    kept = kept if kept is None else kept.repeat(zoom, axis=0).repeat(zoom, axis=1)
    h, w = picture.shape[:2]
    columns, rows = (1, 3) if w > 1.7 * h else (3, 1)
    width = 2 * MARGIN + columns * w + (columns - 1) * GAP
    room = (width - 2 * MARGIN) // 8  # for letters of about 8 pixels
    scale = scale_of(attention)
    warned = [line for note in _evenness(scale) for line in wrap(note, room)]
    lines = [*warned, *(line for note in notes for line in wrap(note, room))]
    panels = rows * (h + CAPTION) + (rows - 1) * GAP
    height = HEADER + panels + BAR + len(lines) * LINE + MARGIN
    page = blank_page(height, width)
    third = spotlight(picture, attention) if kept is None else kept
    places = []
    for i, panel in enumerate((picture, overlay(picture, attention, opacity), third)):
        top, left = HEADER + i % rows * (h + CAPTION + GAP), MARGIN + i % columns * (w + GAP)
        page[top + CAPTION : top + CAPTION + h, left : left + w] = panel
        places.append((left, top + CAPTION // 2 - 2))
    bar, y = min(300, width // 3), HEADER + panels + 20
    left = (width - bar) // 2
    page[y - 4 : y + 4, left : left + bar] = _to_uint8(255 * colormaps[COLORMAP](np.linspace(0, 1, bar))[:, :3])

    figure, write = annotate(page)
    write(_shorten(title, room * 3 // 5), MARGIN, 26, 18, color="white", weight="bold")
    write(_shorten(subtitle, room), MARGIN, 48, 13)
    for caption, place in zip(captions, places, strict=True):
        write(_shorten(caption, w // 7), *place, 12)
    write(f"{scale.low:.2f}×", left - 8, y, 13, ha="right")
    write(f"{scale.high:.2f}×", left + bar + 8, y, 13)
    write("attention, relative to the mean patch", width / 2, y + 18, 12, ha="center")
    for n, line in enumerate(lines):
        colour = "#f5c16c" if n < len(warned) else "#b9b9c3"
        write(line, MARGIN, HEADER + panels + BAR + n * LINE + LINE // 2, 13, color=colour)
    return figure


def _evenness(scale: Scale) -> list[str]:
    """The note on a map without contrast; nothing for others."""
    if not scale.almost_even:
        return []
    return [
        f"Attention is almost even: 98 % of the patches differ by less than {100 * scale.span:.2g} % of the mean. The "
        f"colours span {LEAST_SPAN:.0%}; what they show may be noise."
    ]


def blank_page(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), PAPER, dtype=np.uint8)


def annotate(page: np.ndarray) -> tuple[Figure, Callable]:
    """A figure of exactly these pixels, and a function ``write(text, x, y, size)`` that measures in them."""
    height, width = page.shape[:2]
    figure = Figure(figsize=((width + 0.01) / 100, (height + 0.01) / 100), dpi=100)  # matplotlib rounds down
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.imshow(page, aspect="auto", interpolation="nearest")

    def write(text: str, x: float, y: float, size: float, **kwargs: Any) -> None:
        kwargs = {"color": "#b9b9c3", "va": "center", "parse_math": False, **kwargs}  # a file name may hold dollars
        axes.text(x, y, text, fontsize=size * 0.72, **kwargs)

    return figure, write


def _luminance(image: np.ndarray) -> np.ndarray:
    return (image @ np.array([0.299, 0.587, 0.114]))[..., None]


def _to_uint8(values: np.ndarray) -> np.ndarray:
    return values.round().clip(0, 255).astype(np.uint8)


def _shorten(text: str, most: int) -> str:
    text = text.encode(errors="replace").decode()  # names of files may hold bytes that are no text
    return text if len(text) <= most else text[: most // 2 - 1] + " … " + text[-(most // 2 - 2) :]
