"""Images of any bands and bit depth as pictures of three bands in 8 bits."""

from collections.abc import Sequence

import numpy as np

ENDS = (0.5, 99.5)  # percentiles of the values that become black and white


def require_bands(chosen: Sequence[int] | None, bands: int) -> None:
    """Raise a ValueError if the chosen bands cannot be red, green and blue of an image with this number of bands."""
    if chosen is None:
        return
    if len(chosen) != 3 or not all(isinstance(b, int) and 0 <= b < bands for b in chosen):
        raise ValueError(
            f"picture bands {list(chosen)}: give three numbers, those of red, green and blue, each 0 to {bands - 1} "
            f"(images have {bands} band{'s' if bands > 1 else ''})"
        )


def as_picture(image: np.ndarray, order: str | None, chosen: Sequence[int] | None = None) -> np.ndarray:
    """Three bands of an image as a picture.

    Values of 8 bits stay as they are; others are scaled so that the values of the three bands range from black to
    white.

    Args:
        image: (H, W) or (H, W, C), of any numbers.
        order: "RGB" or "BGR" of the first three bands, as loaded; None if it is not known.
        chosen: Bands that become red, green and blue. None for the first three in their order; an image with fewer
            bands shows the first one in grey.

    Returns:
        uint8 (H, W, 3), RGB.

    Raises:
        ValueError: If there is no such band.
    """
    image = np.asarray(image)
    image = image[..., None] if image.ndim == 2 else image
    bands = image.shape[2]
    require_bands(chosen, bands)
    if chosen is None:
        chosen = (0, 0, 0) if bands < 3 else (2, 1, 0) if order == "BGR" else (0, 1, 2)
    # one band after another: numpy takes ten times as long to pick them at once
    return in_8_bits(np.stack([image[..., band] for band in chosen], axis=-1))


def in_8_bits(values: np.ndarray) -> np.ndarray:
    """Numbers as uint8: values that fit 8 bits, in whatever type, stay; others are scaled by their range."""
    if values.dtype == np.uint8:
        return values
    if values.dtype == bool:
        return values * np.uint8(255)
    finite = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    known = finite[np.isfinite(values)] if values.dtype.kind == "f" else finite
    if not known.size:
        return np.zeros(values.shape, dtype=np.uint8)
    if values.dtype.kind == "f" and known.min() >= 0 and 1 < known.max() <= 255:
        return finite.astype(np.uint8)
    low, high = np.percentile(known, ENDS)
    if high <= low:
        low, high = float(known.min()), float(known.max())
    if high <= low:
        return np.full(values.shape, 127, dtype=np.uint8)  # one value throughout says nothing
    return ((finite - low) * (255 / (high - low))).clip(0, 255).round().astype(np.uint8)
