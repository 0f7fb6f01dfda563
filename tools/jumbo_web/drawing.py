"""Figures of matplotlib as images."""

import io
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def as_image(figure: "Figure") -> Image.Image:
    """The figure in its own resolution. It belongs to no window of pyplot, so that threads do not meet."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return Image.open(buffer).convert("RGB")
