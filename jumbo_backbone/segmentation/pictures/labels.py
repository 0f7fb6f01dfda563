"""Pictures of label maps: classes in colour over an image, their legend, and predictions beside the truth.

Images are uint8 (H, W, 3) in RGB, label maps integers (H, W) with 255 for ignored pixels, palettes (K, 3) in RGB.
Small images are enlarged by a whole factor, larger ones keep their pixels; text grows with the page.
"""

import io
import os
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ...files import write_atomically
from .errors import COLOURS, IGNORED, marks

PAPER, INK, FAINT = (17, 17, 20), (255, 255, 255), (185, 185, 195)
STRIPES = np.array([(52, 52, 58), (176, 176, 184)], dtype=np.uint8)  # of ignored pixels; no palette is striped
SMALLEST, LINES_ACROSS = 15, 56  # height of letters in pixels; on wide pages there is room for so many along the width
LONGER_SIDE = 480  # of a picture, at least
PANEL = 200  # longer side of a sheet's panels, at least
MOST_ENTRIES = 40  # of a legend by share; what is left over shares the last one


# ---- colours over an image


def overlay(image: np.ndarray, labels: np.ndarray, palette: np.ndarray, opacity: float = 0.6) -> np.ndarray:
    """Lay the colours of ``labels`` over an image; ignored pixels are striped.

    The stronger the colours, the greyer the image, so that classes can be told apart by colour.

    Args:
        opacity: 0 shows the image alone, 1 the colours alone.

    Returns:
        uint8 (H, W, 3).

    Raises:
        ValueError: If shapes do not fit, a label has no colour, or a number is out of range.
        TypeError: If the image is not uint8 or the labels are not integers.
    """
    image, labels, palette = np.asarray(image), np.asarray(labels), _checked_palette(palette)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise TypeError(f"an image has to be uint8 (H, W, 3), got {image.dtype} {image.shape}")
    if labels.shape != image.shape[:2]:
        raise ValueError(f"labels {labels.shape} do not cover the image {image.shape[:2]}: resize them first")
    if not 0 <= opacity <= 1:
        raise ValueError(f"opacity {opacity} is not between 0 (the image alone) and 1 (the colours alone)")
    counts(labels, len(palette))  # checks them
    picture = Image.fromarray(image)
    under = Image.blend(picture, picture.convert("L").convert("RGB"), opacity)
    return np.asarray(Image.blend(under, Image.fromarray(_colours(labels, palette)), opacity))


def counts(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """How many pixels each class has, and last how many are ignored: (num_classes + 1,).

    Raises:
        TypeError: If the labels are not integers.
        ValueError: If one is neither a class nor 255.
    """
    labels = np.asarray(labels)
    if labels.ndim != 2 or labels.dtype.kind not in "iu":
        raise TypeError(f"labels have to be integers (H, W), got {labels.dtype} {labels.shape}")
    low, high = (int(labels.min()), int(labels.max())) if labels.size else (0, 0)
    found = np.bincount(labels.ravel(), minlength=IGNORED + 1) if low >= 0 and high <= IGNORED else None
    if found is None or found[num_classes:IGNORED].any():
        wrong = low if low < 0 else int(labels[(labels >= num_classes) & (labels != IGNORED)].max())
        raise ValueError(f"label {wrong} is none of {num_classes} classes (0 to {num_classes - 1}) and not {IGNORED}")
    return np.append(found[:num_classes], found[IGNORED])


def _checked_palette(palette: np.ndarray) -> np.ndarray:
    array = np.asarray(palette)
    if array.ndim != 2 or array.shape[1] != 3 or not 1 <= len(array) <= IGNORED:
        raise ValueError(f"a palette has to be (K, 3), K from 1 to {IGNORED}, got {array.shape}")
    if array.min() < 0 or array.max() > 255:
        raise ValueError(f"a palette's values have to be 0 to 255, got {array.min()} to {array.max()}")
    return array.astype(np.uint8)


def _colours(labels: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Colours of labels that are known to be sound: uint8 (H, W, 3)."""
    table = np.zeros((IGNORED + 1, 3), dtype=np.uint8)
    table[: len(palette)] = palette
    colours = table[labels]
    y, x = np.nonzero(labels == IGNORED)
    width = max(6, max(labels.shape) // 120)
    colours[y, x] = STRIPES[(x + y) // width % 2]
    return colours


# ---- text, legends and pages


def legend(
    classes: Sequence[str],
    palette: np.ndarray,
    labels: np.ndarray | None = None,
    width: int = LONGER_SIDE,
    size: int = SMALLEST,
) -> Image.Image:
    """A legend: names of classes beside their colours, in as many columns as fit.

    Args:
        labels: Label map; with it, the legend lists the classes that occur, largest first, with their share. Without
        it, all classes.
        width: Of the legend, in pixels.
        size: Height of letters, in pixels.

    Raises:
        ValueError: If there are not as many colours as classes, or a label is neither a class nor 255.
    """
    palette = _palette_of(classes, palette)
    if labels is None:
        return _swatches(list(zip(classes, palette, strict=True)), width, size)
    return _swatches(_shares(labels, classes, palette), width, size)


def _palette_of(classes: Sequence[str], palette: np.ndarray) -> np.ndarray:
    palette = _checked_palette(palette)
    if len(classes) != len(palette):
        raise ValueError(f"{len(classes)} classes and {len(palette)} colours: give one for each class")
    return palette


Entry = tuple[str, np.ndarray | None]  # name and colour of a legend; None for stripes


def _shares(labels: np.ndarray, classes: Sequence[str], palette: np.ndarray) -> list[Entry]:
    found = counts(labels, len(classes))
    shares, order = found / max(found.sum(), 1), _largest_first(found)
    entries = _entries(order[: MOST_ENTRIES - 1] if len(order) > MOST_ENTRIES else order, classes, palette)
    entries = [(f"{name}  {_percent(shares[i])}", colour) for (name, colour), i in zip(entries, order, strict=False)]
    if rest := order[len(entries) :]:
        entries.append((f"{len(rest)} more  {_percent(shares[rest].sum())}", np.array(PAPER)))
    return entries


def _largest_first(found: np.ndarray) -> list[int]:
    """Indices of ``counts`` that occur; ignored pixels come last, however many they are."""
    order = [int(i) for i in np.argsort(-found[:-1], kind="stable") if found[i]]
    return order + [len(found) - 1] * bool(found[-1])


def _entries(order: Sequence[int], classes: Sequence[str], palette: np.ndarray) -> list[Entry]:
    """Legend entries of indices of classes; the index after the last class stands for ignored pixels."""
    return [(classes[i], palette[i]) if i < len(classes) else ("ignored", None) for i in order]


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.0005 else "<0.1%"


def _swatches(entries: Sequence[Entry], width: int, size: int) -> Image.Image:
    box, gap, line = round(1.1 * size), round(0.6 * size), round(1.75 * size)
    names = [_shorten(name, size, max(width - box - 3 * gap, size)) for name, _ in entries]
    column = box + 3 * gap + round(max((_font(size).getlength(name) for name in names), default=0))
    columns = max(1, min(width // column, len(entries)))
    rows = -(-len(entries) // columns)
    picture = Image.new("RGB", (width, max(rows, 1) * line), PAPER)
    draw = ImageDraw.Draw(picture)
    for i, (name, (_, colour)) in enumerate(zip(names, entries, strict=True)):
        x, y = i // rows * (width // columns), i % rows * line + line // 2
        swatch = np.full((box, box), IGNORED if colour is None else 0)
        colours = _colours(swatch, np.array([PAPER if colour is None else colour]))
        picture.paste(Image.fromarray(colours), (x, y - box // 2))
        draw.text((x + box + gap, y), name, FAINT, _font(size), anchor="lm")
    return picture


def _text(title: str, lines: Sequence[str], width: int, size: int) -> list[Image.Image]:
    """A heading and lines below it, broken where they would be wider than ``width``; nothing for no text."""
    large = round(1.5 * size)
    written = [(_shorten(title, large, width), INK, large)] if title else []
    written += [(part, FAINT, size) for line in lines for part in _broken(line, size, width)]
    if not written:
        return []
    picture = Image.new("RGB", (width, sum(round(1.5 * letters) for _, _, letters in written)), PAPER)
    draw, y = ImageDraw.Draw(picture), 0
    for text, colour, letters in written:
        draw.text((0, y), text, colour, _font(letters))
        y += round(1.5 * letters)
    return [picture]


@lru_cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


_SIGNS = str.maketrans({"–": "-", "—": "-", "−": "-", "×": "x", "·": "-", "’": "'", "ß": "ss", "\n": " "})


def _plain(text: str) -> str:
    """The text in letters of Pillow's own font: accents are dropped, other scripts become question marks."""
    text = unicodedata.normalize("NFKD", text.translate(_SIGNS))
    return "".join(c for c in text if not unicodedata.combining(c)).encode("ascii", "replace").decode()


def _shorten(text: str, size: int, room: float) -> str:
    """Shorten a text in its middle to a width of ``room`` pixels."""
    whole = text = _plain(text)
    keep = len(whole)
    while _font(size).getlength(text) > room and keep > 1:
        keep -= 1
        text = f"{whole[: (keep + 1) // 2]}...{whole[len(whole) - keep // 2 :]}"
    return text


def _broken(text: str, size: int, room: float) -> list[str]:
    lines = [""]
    for word in _plain(text).split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and _font(size).getlength(longer) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    return [_shorten(line, size, room) for line in lines]


def _text_size(width: int) -> int:
    return max(SMALLEST, width // LINES_ACROSS)


def page(parts: Sequence[Image.Image], size: int = SMALLEST) -> Image.Image:
    """Parts one below the other on a dark page, with margins for letters of ``size``."""
    margin, gap = round(1.6 * size), round(size)
    width, height = max(part.width for part in parts), sum(part.height + gap for part in parts) - gap
    whole = Image.new("RGB", (width + 2 * margin, height + 2 * margin), PAPER)
    y = margin
    for part in parts:
        whole.paste(part, (margin, y))
        y += part.height + gap
    return whole


def enlarged(array: np.ndarray, least: int = LONGER_SIDE) -> np.ndarray:
    """An image or a label map, a small one by a whole factor, so that its longer side has ``least`` pixels or more."""
    return _enlarged(array, -(-least // max(*np.shape(array)[:2], 1)))


def _enlarged(array: np.ndarray, zoom: int) -> np.ndarray:
    return np.asarray(array).repeat(zoom, axis=0).repeat(zoom, axis=1)


# ---- pictures


def labelled_picture(
    image: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str],
    palette: np.ndarray,
    opacity: float = 0.6,
    title: str = "",
) -> Image.Image:
    """``overlay``, and below it the legend of the classes that occur; raises the errors of ``overlay`` and
    ``legend``."""
    palette = _palette_of(classes, palette)
    picture = Image.fromarray(overlay(enlarged(image), enlarged(labels), palette, opacity))
    size = _text_size(max(picture.size))
    width = max(picture.width, 16 * size)
    return page([*_text(title, (), width, size), picture, legend(classes, palette, labels, width, size)], size)


def contact_sheet(
    images: Sequence[np.ndarray],
    truths: Sequence[np.ndarray] | None,
    predictions: Sequence[np.ndarray],
    classes: Sequence[str],
    palette: np.ndarray,
    title: str = "",
    lines: Sequence[str] = (),
    opacity: float = 0.8,
    per_row: int = 2,
    errors: bool = False,
) -> Image.Image:
    """Scenes side by side, each as image, truth and prediction with the share of right pixels below it; then the
    legend.

    Args:
        images: uint8 (H, W, 3) each; sizes may differ.
        truths: Label maps (H, W); None leaves their column out.
        predictions: Label maps (H, W).
        title: Heading.
        lines: Text below it.
        opacity: Of the colours over the image.
        per_row: Scenes in a row.
        errors: Add a picture of where truth and prediction differ, in red.

    Raises:
        ValueError: If there are no images, or an image has no label map; and as ``overlay``.
    """
    maps = [predictions] if truths is None else [truths, predictions]
    if not len(images) or any(len(labels) != len(images) for labels in maps):
        found = " and ".join(str(len(labels)) for labels in maps)
        raise ValueError(f"{len(images)} images with {found} label maps: give one or more images and a map for each")
    if per_row < 1:
        raise ValueError(f"per_row {per_row} is below 1: a row has to hold a scene")
    palette = _palette_of(classes, palette)
    per_row = min(per_row, len(images))
    zoom = -(-PANEL // max(max(np.shape(image)[:2]) for image in images))
    tall, wide = (zoom * max(np.shape(image)[axis] for image in images) for axis in (0, 1))
    headings = ["image", "prediction"] if truths is None else ["image", "truth", "prediction"]
    headings += ["wrong: red"] * errors
    panels = len(headings)
    size = _text_size(round(per_row * panels * wide))
    between, apart, line = max(2, size // 6), 2 * size, round(1.7 * size)
    scene_width = panels * (wide + between) - between
    width = per_row * (scene_width + apart) - apart
    rows = -(-len(images) // per_row)
    grid = Image.new("RGB", (width, line + rows * (tall + line)), PAPER)
    draw = ImageDraw.Draw(grid)

    counted = np.zeros(len(classes) + 1, dtype=np.int64)
    for i, image in enumerate(images):
        left, top = i % per_row * (scene_width + apart), line + i // per_row * (tall + line)
        large = _enlarged(image, zoom)
        drawn = [large, *(overlay(large, _enlarged(labels[i], zoom), palette, opacity) for labels in maps)]
        if errors and truths is not None:
            drawn.append(overlay(large, _enlarged(marks(truths[i], predictions[i]), zoom), COLOURS, 0.8))
        for panel, heading in enumerate(headings):
            x = left + panel * (wide + between)
            grid.paste(Image.fromarray(drawn[panel]), (x, top))
            if i < per_row:
                draw.text((x, line // 2), heading, FAINT, _font(size), anchor="lm")
        if truths is not None and (told := _right(truths[i], predictions[i])):
            draw.text((x, top + len(large) + line // 2), told, FAINT, _font(size), anchor="lm")
        counted += sum(counts(labels[i], len(classes)) for labels in maps)

    names = _swatches(_entries(_largest_first(counted), classes, palette), width, size)
    return page([*_text(title, lines, width, size), grid, names], size)


def _right(truth: np.ndarray, prediction: np.ndarray) -> str:
    known = np.asarray(truth) != IGNORED
    return f"{np.mean((np.asarray(truth) == prediction)[known]):.0%} right" if known.any() else ""


def save(picture: Image.Image, path: str | os.PathLike) -> None:
    """Write a PNG whole or not at all."""
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    write_atomically(buffer.getvalue(), path)
