"""The pictures of `jumbo attention`: numpy in, numpy out."""

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from PIL import Image

PERCENTILES = (1.0, 99.0)  # ends of the colour scale: a few outlying patches may not hide the rest
COLORMAP = "inferno"
PAPER = (17, 17, 20)
VEIL = (84, 52, 124)  # over patches that are dropped
MARGIN, GAP, HEADER, FOOTER = 28, 12, 74, 60  # of a picture, in pixels


def heat_map(attention: np.ndarray, height: int, width: int) -> np.ndarray:
    """Attention (h, w) of any scale to smooth float32 (height, width) in 0 … 1, these being ``PERCENTILES`` of it.

    Raises:
        ValueError: If ``attention`` is not a map of finite numbers.
    """
    attention = np.asarray(attention, dtype=np.float32)
    if attention.ndim != 2 or not np.isfinite(attention).all():
        raise ValueError(f"attention {attention.shape} is not a map of finite numbers: are the weights sound?")
    low, high = np.percentile(attention, PERCENTILES)
    if high - low <= 1e-6 * abs(high):  # the same everywhere: nothing stands out
        return np.zeros((height, width), dtype=np.float32)
    smooth = Image.fromarray((attention - low) / np.float32(high - low)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
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
    """The image in full colour where it is attended to, dark and grey elsewhere; arguments as for ``overlay``."""
    heat = heat_map(attention, *image.shape[:2])[..., None]
    grey = _luminance(image)
    return _to_uint8((grey + heat * (image - grey)) * (0.25 + 0.75 * heat))


def kept_patches(image: np.ndarray, depths: np.ndarray, depth: int) -> np.ndarray:
    """The image as it is where patches are kept to the end, beneath a veil the denser the earlier they are dropped.

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
    opacity: float,
    kept: np.ndarray | None = None,
) -> Figure:
    """Three panels with a colour bar; side by side, or one below the other for a wide picture. An image pixel is a
    pixel of the figure, so that nothing is blurred; tiny pictures are enlarged by a whole factor. The third panel is
    the attended part, or ``kept`` (H, W, 3) in its place."""
    zoom = -(-320 // min(picture.shape[:2]))
    picture = picture.repeat(zoom, axis=0).repeat(zoom, axis=1)
    kept = kept if kept is None else kept.repeat(zoom, axis=0).repeat(zoom, axis=1)
    h, w = picture.shape[:2]
    columns, rows = (1, 3) if w > 1.7 * h else (3, 1)
    width = 2 * MARGIN + columns * w + (columns - 1) * GAP
    height = HEADER + rows * h + (rows - 1) * GAP + FOOTER
    page = blank_page(height, width)
    third = spotlight(picture, attention) if kept is None else kept
    for i, panel in enumerate((picture, overlay(picture, attention, opacity), third)):
        top, left = HEADER + i % rows * (h + GAP), MARGIN + i % columns * (w + GAP)
        page[top : top + h, left : left + w] = panel
    bar = min(300, width // 3)
    left, y = (width - bar) // 2, height - FOOTER + 20
    page[y - 4 : y + 4, left : left + bar] = _to_uint8(255 * colormaps[COLORMAP](np.linspace(0, 1, bar))[:, :3])

    figure, write = annotate(page)
    room = (width - 2 * MARGIN) // 8  # for letters of about 8 pixels
    write(_shorten(title, room * 3 // 4), MARGIN, 28, 18, color="white", weight="bold")
    write(_shorten(subtitle, room), MARGIN, 52, 13)
    low, high = np.percentile(attention, PERCENTILES) / attention.mean()
    write(f"{low:.1f}×", left - 8, y, 13, ha="right")
    write(f"{high:.1f}×", left + bar + 8, y, 13)
    write("attention, relative to the mean patch", width / 2, y + 20, 12, ha="center")
    return figure


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
