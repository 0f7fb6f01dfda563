"""Bilinear resizing by matrices, so that only the needed part of a resized map is computed.

A resize is linear, and separable: ``rows.T @ x @ columns`` with one small matrix for each side. Hence some rows and
columns of the result can be computed alone, and an operation that is linear across channels can be done before the
resize, on the small map.
"""

import torch
import torch.nn.functional as F


def resize_matrix(short: int, full: int, align_corners: bool, like: torch.Tensor) -> torch.Tensor:
    """The matrix (short, full) of the resize: its rows are the resized unit vectors."""
    basis = torch.eye(short, dtype=like.dtype, device=like.device).unsqueeze(0)
    return F.interpolate(basis, full, mode="linear", align_corners=align_corners)[0]


def resize_to_lattice(
    x: torch.Tensor, size: tuple[int, int], offset: tuple[int, int], stride: int, align_corners: bool
) -> torch.Tensor:
    """``interpolate(x, size, mode="bilinear")[:, :, top::stride, left::stride]`` without computing the rest.

    Args:
        x: Maps (B, K, h, w).
        size: Full size (H, W).
        offset: (top, left), the first pixel taken.
        stride: Distance of the pixels taken.
        align_corners: As for ``interpolate``.

    Returns:
        (B, K, ceil((H - top) / stride), ceil((W - left) / stride)).
    """
    rows = resize_matrix(x.shape[2], size[0], align_corners, x)[:, offset[0] :: stride]
    columns = resize_matrix(x.shape[3], size[1], align_corners, x)[:, offset[1] :: stride]
    return rows.T @ (x @ columns)


def conv_of_resized(x: torch.Tensor, weight: torch.Tensor, size: tuple[int, int], align_corners: bool) -> torch.Tensor:
    """``conv2d(interpolate(x, size, mode="bilinear"), weight, padding="same")``, the channels mixed before the resize.

    A convolution sums, over its taps, a channel mixing of the shifted map. The mixing commutes with the resize and is
    done on the small map; the shifts go into the matrices. For a map enlarged r times that is r^2 times less work.

    Args:
        x: Maps (B, C, h, w).
        weight: (O, C, k, k), k odd.
        size: Full size (H, W).
        align_corners: As for ``interpolate``.

    Returns:
        (B, O, H, W).
    """
    channels, _, k, _ = weight.shape

    def shifted(short: int, full: int) -> torch.Tensor:
        """(k * short, full): the matrix once for each tap, each time moved by a pixel, zero beyond the border."""
        padded = F.pad(resize_matrix(short, full, align_corners, x), (k // 2, k // 2))
        return padded.unfold(1, full, 1).transpose(0, 1).flatten(0, 1)

    taps = F.conv2d(x, weight.permute(0, 2, 3, 1).flatten(0, 2)[:, :, None, None])  # (B, O*k*k, h, w)
    taps = taps.unflatten(1, (channels, k, k)).transpose(3, 4).flatten(4).flatten(2, 3)  # (B, O, k*h, k*w)
    rows, columns = shifted(x.shape[2], size[0]), shifted(x.shape[3], size[1])
    return rows.T @ (taps @ columns)
