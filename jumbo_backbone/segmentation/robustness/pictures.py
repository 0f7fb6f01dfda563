"""What a test on corrupted images leaves to look at: the corruptions, and the figures."""

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from ...files import write_atomically
from .record import CLEAN, Figures, cell_of

_LEAST, _MOST = 96, 220  # pixels of a picture's longer side


def draw_corruptions(
    example: Callable[[str | None, int], np.ndarray], corruptions: Sequence[str], severities: Sequence[int], path: Path
) -> None:
    """One image under all corruptions, a row for each, a column for each severity.

    Args:
        example: Gives the image, uint8 (H, W, 3), under a corruption (None: as it is) of a severity.
        corruptions, severities: Which.
        path: Of the PNG.
    """
    clean = _resized(example(None, 0))
    height, width = (side / 100 for side in clean.shape[:2])
    rows = [[clean, *(_resized(example(name, severity)) for severity in severities)] for name in corruptions]
    size = (1.1 + (len(severities) + 1) * (width + 0.08), 0.3 + len(rows) * (height + 0.08))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(rows), len(severities) + 1, squeeze=False)
    for name, row, places in zip(corruptions, rows, axes, strict=True):
        for picture, place in zip(row, places, strict=True):
            place.imshow(picture)
            place.set(xticks=[], yticks=[])
            place.spines[:].set_visible(False)
        label = name.replace("_", " ")
        places[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize="small")
    for place, title in zip(axes[0], ["clean", *(f"severity {severity}" for severity in severities)], strict=True):
        place.set_title(title, fontsize="small")
    _save(figure, path)


def plot_figures(
    cells: Mapping[str, Figures],
    metric: str,
    corruptions: Sequence[str],
    severities: Sequence[int],
    methods: Sequence[str],
    path: Path,
) -> None:
    """Bars of the figures by corruption (means over the severities) for each method; a line for clean images."""
    figure = Figure(figsize=(2.5 + 0.5 * len(corruptions), 4), layout="constrained")
    axes = figure.subplots()
    places, width = np.arange(len(corruptions)), 0.8 / len(methods)
    for n, method in enumerate(methods):
        heights = [
            np.mean([cells[cell_of(name, severity)][method][metric] for severity in severities]) for name in corruptions
        ]
        label = "as trained" if method == "none" else f"adapted by {method}"
        axes.bar(places + (n - (len(methods) - 1) / 2) * width, heights, width, color=f"C{n}", label=label)
    axes.axhline(cells[CLEAN]["none"][metric], color="0.3", linestyle="--", linewidth=1, label="clean, as trained")
    names = [name.replace("_", " ") for name in corruptions]
    axes.set_xticks(places, names, rotation=40, ha="right", rotation_mode="anchor", fontsize="small")
    several = "mean of severities" if len(severities) > 1 else "severity"
    axes.set(ylabel=f"{metric}, %", title=f"{several} {', '.join(map(str, severities))}")
    axes.title.set_fontsize("medium")
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize="small")
    _save(figure, path)


def _resized(image: np.ndarray) -> np.ndarray:
    """Enlarged without smoothing, or made smaller, to a size to look at."""
    longer = max(image.shape[:2])
    if _LEAST <= longer <= _MOST:
        return image
    scale = -(-_LEAST // longer) if longer < _LEAST else _MOST / longer
    size = tuple(round(scale * side) for side in image.shape[1::-1])
    how = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(image).resize((size[0], size[1]), how))


def _save(figure: Figure, path: Path) -> None:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    write_atomically(buffer.getvalue(), path)
