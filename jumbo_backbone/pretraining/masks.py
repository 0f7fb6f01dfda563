"""Which patches of an image are hidden."""

from collections.abc import Sequence

import torch


def hidden_count(patches: int, mask_ratio: float) -> int:
    """The number of hidden patches among ``patches``.

    Raises:
        ValueError: If none would be hidden, or none visible.
    """
    hidden = round(patches * mask_ratio)
    if not 0 < hidden < patches:
        left = "none" if hidden <= 0 else "all"
        raise ValueError(
            f"mask_ratio={mask_ratio} hides {left} of {patches} patches: give a ratio from {1 / patches:.3g} to "
            f"{1 - 1 / patches:.3g}, or larger images"
            if patches > 1
            else f"the image is one patch, of which no part can be hidden (mask_ratio={mask_ratio}): give larger "
            "images or smaller patches"
        )
    return hidden


Source = torch.Generator | Sequence[torch.Generator] | None  # of random numbers: of a batch, or one of each image


def draw_masks(
    batch: int, patches: int, mask_ratio: float, generator: Source = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw for each image of a batch a uniform random set of hidden patches, the same number in each.

    Args:
        batch: Number of images B.
        patches: Number of patches N of an image.
        mask_ratio: The share of hidden patches, above 0 and below 1; the number is rounded to a whole one.
        generator: Its state decides the masks, which are drawn on its device; None for torch's own on the CPU. With a
            sequence of B of them, the mask of an image does not depend on the others in its batch.

    Returns:
        Indices int64 of the visible patches (B, N-M) and of the hidden ones (B, M), each in ascending order, on the
        generator's device.

    Raises:
        ValueError: If none would be hidden, or none visible.
    """
    hidden = hidden_count(patches, mask_ratio)
    if isinstance(generator, Sequence):
        numbers = torch.stack([torch.rand(patches, generator=one, device=one.device) for one in generator])
    else:
        device = "cpu" if generator is None else generator.device
        numbers = torch.rand(batch, patches, generator=generator, device=device)
    order = numbers.argsort(dim=1)
    visible, masked = order.split([patches - hidden, hidden], dim=1)
    return visible.sort(dim=1).values, masked.sort(dim=1).values
