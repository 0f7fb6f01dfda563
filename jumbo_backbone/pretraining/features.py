"""What a frozen encoder says about images, computed once."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from ..budgets.budget import ComputeBudget
from ..models.vit import JumboViT

READ_OUTS = ("jumbo+mean", "jumbo", "mean", "token")
"""What ``Features.read_out`` takes."""


@dataclass
class Features:
    """The tokens of n images, pooled, and their classes.

    Attributes:
        slices: (n, J*D): the slices of the Jumbo token, or of registers all prefix tokens.
        mean: (n, D): the mean of the patch tokens.
        labels: (n,), int64.
    """

    slices: torch.Tensor
    mean: torch.Tensor
    labels: torch.Tensor

    def read_out(self, name: str) -> torch.Tensor:
        """(n, F): "jumbo+mean" (J*D + D), "jumbo" (J*D), "mean" (D), or "token", the first slice alone (D)."""
        if name not in READ_OUTS:
            raise ValueError(f"unknown read-out {name!r}: choose one of {', '.join(READ_OUTS)}")
        parts = {"jumbo": self.slices, "mean": self.mean, "token": self.slices[:, : self.mean.shape[1]]}
        return torch.cat([self.slices, self.mean], dim=1) if name == "jumbo+mean" else parts[name]


@torch.inference_mode()
def features_of(
    model: JumboViT, batches: Iterable[tuple[torch.Tensor, torch.Tensor]], device: torch.device | str = "cpu"
) -> Features:
    """The features of images, at the full budget.

    Args:
        model: The encoder, in evaluation mode.
        batches: Normalised images (B, C, H, W) and their classes (B,).
        device: Where to compute.

    Returns:
        The features, on the CPU.
    """
    model.to(device)
    found: list[tuple[torch.Tensor, ...]] = []
    for images, labels in batches:
        tokens = model.forward_features(images.to(device), ComputeBudget())
        prefix, patches = tokens.split([model.num_prefix_tokens, tokens.shape[1] - model.num_prefix_tokens], dim=1)
        found.append((prefix.flatten(1).float().cpu(), patches.mean(dim=1).float().cpu(), labels.cpu()))
    return Features(*(torch.cat(parts) for parts in zip(*found, strict=True)))
