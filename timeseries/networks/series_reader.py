"""A pretrained encoder that reads one channel of a series at a time, and gives features of it."""

from typing import Any

import torch
from torch import nn

from jumbo_backbone import ComputeBudget

from .network import mean_of_live
from .series_encoder import SeriesEncoder


class SeriesReader(nn.Module):
    """Features of single channels: the Jumbo token and the mean patch token.

    A channel is read with its differences as a second one, both normalised by their own mean and deviation, and in
    patches with their own mean and deviation. So the encoder does not see level and unit of a series.

    Args:
        length: Usual number of steps.
        patch_length: Steps in a patch; patches do not overlap.
        encoder: Sizes, as keyword arguments of ``JumboEncoder``.
    """

    def __init__(self, length: int = 512, patch_length: int = 16, **encoder: Any) -> None:
        super().__init__()
        self.sizes = dict(length=length, patch_length=patch_length, **encoder)
        self.encoder = SeriesEncoder(2, length, patch_length, patch_length, statistics=True, **encoder)

    @property
    def width(self) -> int:
        """Number of features F of one block."""
        return self.encoder.jumbo_width + self.encoder.encoder.embed_dim

    def forward(self, x: torch.Tensor, budget: ComputeBudget | None = None) -> torch.Tensor:
        """Features (B, F) of channels (B, T) without gaps, at a compute budget (None: the encoder's own)."""
        e = self.encoder(self._with_differences(x), budget=budget)
        return torch.cat([e.jumbo, mean_of_live(e.patches, e.live)], dim=1)

    def _with_differences(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([x, torch.diff(x, dim=1, prepend=x[:, :1])], dim=1)
