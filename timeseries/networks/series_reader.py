"""A pretrained encoder that reads one channel of a series at a time, and gives features of it."""

from typing import Any

import torch
from torch import nn

from jumbo_backbone import ComputeBudget

from .network import mean_of_live
from .series_encoder import Encoded, SeriesEncoder


class SeriesReader(nn.Module):
    """Features of single channels: the Jumbo token, and its patch tokens pooled.

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
    def compared(self) -> int:
        """Number of features that pretraining compares series by."""
        return self.encoder.jumbo_width + self.encoder.encoder.embed_dim

    @property
    def width(self) -> int:
        """Number of features of a channel."""
        return self.compared + 2 * self.encoder.encoder.embed_dim

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The Jumbo token and the mean patch token (B, J*D + D) of channels (B, T) without gaps."""
        return _compared(self.encoder(_with_differences(x), budget=ComputeBudget()))

    def features(self, x: torch.Tensor, budget: ComputeBudget | None = None) -> torch.Tensor:
        """Features (B, width) of channels (B, T) at a compute budget (None: the encoder's own): the Jumbo token, and
        the mean, deviation and maximum over the patch tokens."""
        e = self.encoder(_with_differences(x), budget=budget)
        return torch.cat([_compared(e), e.patches.std(dim=1, correction=0), e.patches.amax(dim=1)], dim=1)

    def attention(self, x: torch.Tensor, block: int = -1) -> torch.Tensor:
        """See ``SeriesEncoder.attention``, for channels (B, T)."""
        return self.encoder.attention(_with_differences(x), block=block)

    def patch_depths(self, x: torch.Tensor, budget: ComputeBudget | None = None) -> torch.Tensor:
        """See ``SeriesEncoder.patch_depths``, for channels (B, T)."""
        return self.encoder.patch_depths(_with_differences(x), budget=budget)


def _compared(e: Encoded) -> torch.Tensor:
    return torch.cat([e.jumbo, mean_of_live(e.patches, e.live)], dim=1)


def _with_differences(x: torch.Tensor) -> torch.Tensor:
    return torch.stack([x, torch.diff(x, dim=1, prepend=x[:, :1])], dim=1)
