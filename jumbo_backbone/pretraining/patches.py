"""Images as rows of patches, and back."""

import torch


def to_patches(images: torch.Tensor, patch: tuple[int, int]) -> torch.Tensor:
    """(B, C, H, W) to (B, N, C*ph*pw): patches row by row, the values of each in the order (channel, row, column)."""
    B, C, H, W = images.shape
    ph, pw = patch
    cut = images.reshape(B, C, H // ph, ph, W // pw, pw)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(B, (H // ph) * (W // pw), C * ph * pw)


def to_images(patches: torch.Tensor, grid: tuple[int, int], patch: tuple[int, int]) -> torch.Tensor:
    """The inverse of ``to_patches``: (B, N, C*ph*pw) to (B, C, H, W), for N = the product of ``grid``."""
    B, _, values = patches.shape
    (h, w), (ph, pw) = grid, patch
    C = values // (ph * pw)
    cut = patches.reshape(B, h, w, C, ph, pw)
    return cut.permute(0, 3, 1, 4, 2, 5).reshape(B, C, h * ph, w * pw)
