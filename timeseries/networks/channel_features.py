"""Features of whole series, of any channels and lengths, by a pretrained encoder that reads one channel at a time."""

from collections.abc import Callable

import torch
from torch import nn

from jumbo_backbone import ComputeBudget

from ..data.windows import Batch
from .convolutions import without_gaps
from .series_reader import SeriesReader

_STEPS = {2: (512, 128, 64), 8: (128, 64)}  # by most channels, to how many steps they are resampled;
_STEPS_OF_MANY = (64,)  # and of more channels, so that many do not take long
_AT_ONCE = 128  # channels that are read at once
_MOST_CHANNELS = 32  # of more channels, the features are pooled
_LEAST_SPREAD = 1e-3  # added to a channel's deviation, in units of the training set, before its logarithm


class ChannelFeatures(nn.Module):
    """Features of series: what the reader says of each channel, its level and spread, and the length of the series.

    Gaps are crossed in straight lines. Each series is resampled, from its first step to its last, to several numbers of
    steps (fewer of them if there are many channels), and read at each. The features of all channels are joined; of more
    than 32 channels, their mean and deviation over the channels are taken.

    Args:
        reader: The pretrained reader.
        in_channels: Channels C.
    """

    def __init__(self, reader: SeriesReader, in_channels: int) -> None:
        super().__init__()
        self.reader, self.in_channels = reader, in_channels
        self.steps = steps_for(in_channels)

    @property
    def num_features(self) -> int:
        """Number of features F of a series."""
        parts = 2 if self.in_channels > _MOST_CHANNELS else self.in_channels
        return parts * (len(self.steps) * self.reader.width + 3) + 1

    @property
    def depth(self) -> int:
        """Number of blocks."""
        return self.reader.encoder.depth

    @property
    def default_budget(self) -> ComputeBudget:
        """How much to compute where a call names no budget."""
        return self.reader.encoder.default_budget

    @default_budget.setter
    def default_budget(self, budget: ComputeBudget) -> None:
        self.reader.encoder.default_budget = budget

    def forward(
        self, x: torch.Tensor, observed: torch.Tensor | None = None, budget: ComputeBudget | None = None
    ) -> torch.Tensor:
        """Features (B, F) of series (B, C, T) with flags, None if all is observed."""
        x, live = without_gaps(Batch(x, observed))
        B, C, _ = x.shape
        told = [self._told(resampled(x, live, steps).flatten(0, 1), budget).view(B, C, -1) for steps in self.steps]
        count = live.sum(1).clamp(min=1)[:, None]
        level = x.sum(2) / count
        spread = (((x - level[..., None]) * live[:, None]).square().sum(2) / count).sqrt()
        size = torch.stack([level, spread, (spread + _LEAST_SPREAD).log()], dim=2)
        features = torch.cat([*told, size.to(x)], dim=2)
        if C > _MOST_CHANNELS:
            features = torch.stack([features.mean(1), features.std(1, correction=0)], dim=1)
        return torch.cat([features.flatten(1), count.to(x).log()], dim=1)

    def _told(self, channels: torch.Tensor, budget: ComputeBudget | None) -> torch.Tensor:
        return torch.cat([self.reader.features(some, budget) for some in channels.split(_AT_ONCE)])

    def attention(self, x: torch.Tensor, observed: torch.Tensor | None = None, block: int = -1) -> torch.Tensor:
        """Attention (B, N) that the Jumbo token pays to each patch of series (B, C, T) in a block, a mean
        over the channels."""
        return self._of_patches(x, observed, lambda read: self.reader.attention(read, block))

    def patch_depths(
        self, x: torch.Tensor, observed: torch.Tensor | None = None, budget: ComputeBudget | None = None
    ) -> torch.Tensor:
        """Blocks (B, N) that each patch goes through at a compute budget, mean over the channels."""
        return self._of_patches(x, observed, lambda read: self.reader.patch_depths(read, budget).float())

    def _of_patches(
        self, x: torch.Tensor, observed: torch.Tensor | None, told: Callable[[torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        read = resampled(*without_gaps(Batch(x, observed)), self.steps[0])
        return told(read.flatten(0, 1)).unflatten(0, read.shape[:2]).mean(1)


def steps_for(channels: int) -> tuple[int, ...]:
    """Numbers of steps to which series of so many channels are resampled."""
    return next((steps for most, steps in _STEPS.items() if channels <= most), _STEPS_OF_MANY)


def resampled(x: torch.Tensor, live: torch.Tensor, steps: int) -> torch.Tensor:
    """Series (B, C, T), each from its first step to its last live one (B, T), resampled to ``steps`` steps: linearly if
    that is more steps, by means of as long stretches as fall to a step if it is less."""
    count = live.sum(1).clamp(min=1).double()  # (B,)
    at = torch.linspace(0, 1, steps, dtype=torch.float64, device=x.device) * (count - 1)[:, None]
    few = count <= steps
    if few.all():
        return _between(x, at)
    area = torch.nn.functional.pad(x.double().cumsum(2), (1, 0))  # up to the beginning of each step
    edges = torch.arange(steps + 1, dtype=torch.float64, device=x.device) / steps * count[:, None]
    means = _between(area, edges).diff(dim=2) * (steps / count)[:, None, None]
    return torch.where(few[:, None, None], _between(x, at), means.to(x.dtype))


def _between(x: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    """Values (B, C, S) of series (B, C, T) at places (B, S) between their steps."""
    left = at.long().clamp(max=max(x.shape[2] - 2, 0))
    right = (left + 1).clamp(max=x.shape[2] - 1)
    way = (at - left)[:, None].to(x.dtype)
    first, second = (x.gather(2, i[:, None].expand(-1, x.shape[1], -1)) for i in (left, right))
    return first + way * (second - first)
