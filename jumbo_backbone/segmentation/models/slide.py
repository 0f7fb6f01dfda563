"""Sliding-window inference with batched windows and bounded memory."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch


def window_starts(length: int, crop: int, stride: int) -> list[int]:
    """First pixels of the windows along one side, as mmsegmentation places them: the last one is moved back to fit."""
    count = max(length - crop + stride - 1, 0) // stride + 1
    return [max(min(i * stride, length - crop), 0) for i in range(count)]


def slide_inference(
    predict: Callable[[torch.Tensor], torch.Tensor],
    images: torch.Tensor,
    num_channels: int,
    crop_size: Sequence[int],
    stride: Sequence[int],
    max_batch: int,
) -> torch.Tensor:
    """Average the logits of overlapping windows.

    Windows of all images and positions go through the network together, ``max_batch`` at a time, so that memory does
    not grow with their number, apart from one map of logits of the size of the images.

    Args:
        predict: Windows (b, C, h, w) to logits (b, K, h, w).
        images: (B, C, H, W).
        num_channels: K.
        crop_size: Window (h, w) in pixels; where an image is smaller, the window is as large as the image.
        stride: (vertical, horizontal) in pixels.
        max_batch: The largest number of windows in one pass.

    Returns:
        Logits (B, K, H, W), the mean over the windows that cover a pixel.

    Raises:
        ValueError: If a size is below 1, or a stride is larger than the window, which would leave pixels uncovered.
    """
    B, _, H, W = images.shape
    if max_batch < 1 or min(*crop_size, *stride) < 1 or any(s > c for s, c in zip(stride, crop_size, strict=True)):
        raise ValueError(
            f"crop_size {tuple(crop_size)}, stride {tuple(stride)} and max_batch {max_batch} have to be at least 1, "
            "and no stride larger than its crop: pixels between the windows would have no prediction"
        )
    h, w = min(crop_size[0], H), min(crop_size[1], W)
    tops, lefts = window_starts(H, h, stride[0]), window_starts(W, w, stride[1])
    windows = [(b, y, x) for b in range(B) for y in tops for x in lefts]

    logits = images.new_zeros(B, num_channels, H, W)
    for first in range(0, len(windows), max_batch):
        batch = windows[first : first + max_batch]
        predicted = predict(torch.stack([images[b, :, y : y + h, x : x + w] for b, y, x in batch]))
        for (b, y, x), window in zip(batch, predicted, strict=True):
            logits[b, :, y : y + h, x : x + w] += window

    # How many windows cover a pixel is a product of the same counts along the two sides.
    rows, columns = (_coverage(starts, size, n).to(images) for starts, size, n in ((tops, h, H), (lefts, w, W)))
    return logits.div_(rows[:, None] * columns)


def slide_as_told(
    predict: Callable[[torch.Tensor], torch.Tensor],
    images: torch.Tensor,
    num_channels: int,
    test_cfg: Mapping[str, Any],
) -> torch.Tensor:
    """``slide_inference`` with the windows of a config's ``test_cfg``."""
    max_batch = test_cfg.get("max_batch", 8)
    return slide_inference(predict, images, num_channels, test_cfg["crop_size"], test_cfg["stride"], max_batch)


def _coverage(starts: list[int], size: int, length: int) -> torch.Tensor:
    counts = torch.zeros(length)
    for start in starts:
        counts[start : start + size] += 1
    return counts
