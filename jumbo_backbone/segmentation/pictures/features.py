"""Feature maps as colours."""

import numpy as np
from PIL import Image

_PERCENTILES = (1.0, 99.0)  # ends of each colour: a few outlying patches may not hide the rest


def principal_colours(features: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, float]:
    """The first three principal components of the patches of one image, as red, green and blue.

    Patches of like colours have like features. Colours of two images cannot be compared: each has its own components.

    Args:
        features: (D, h, w) on any grid that covers the image evenly.
        size: Height and width of the picture.

    Returns:
        The picture, uint8 (H, W, 3), and the share of the variance that it shows, from 0 to 1.

    Raises:
        ValueError: If ``features`` is not a map of finite numbers.
    """
    features = np.asarray(features, dtype=np.float64)
    if features.ndim != 3 or not np.isfinite(features).all():
        raise ValueError(f"features {features.shape} are not a map of finite numbers: are the weights sound?")
    D, h, w = features.shape
    patches = features.reshape(D, -1).T
    patches = patches - patches.mean(axis=0)
    left, sizes, right = np.linalg.svd(patches, full_matrices=False)
    # a component has no sign of its own: the largest weight is positive, so that the colours are the same every time
    signs = np.sign(right[np.arange(len(right)), np.abs(right).argmax(axis=1)])
    shown = np.zeros((h * w, 3))
    count = min(3, len(sizes))
    shown[:, :count] = (left * sizes * signs)[:, :count]
    low, high = np.percentile(shown, _PERCENTILES, axis=0)
    scaled = (shown - low) / np.where(high > low, high - low, 1.0)
    colours = (255 * scaled.clip(0, 1)).round().astype(np.uint8).reshape(h, w, 3)
    total = float((sizes**2).sum())
    share = float((sizes[:3] ** 2).sum()) / total if total else 1.0
    return np.asarray(Image.fromarray(colours).resize(size[::-1], Image.Resampling.NEAREST)), share
