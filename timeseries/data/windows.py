"""Windows over many series, cut on demand, so that memory grows with the series and not with their windows."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from ..checks import check_finite


class Batch(NamedTuple):
    """Windows: values (B, C, T), 0 where not observed, and ``observed`` flags (B, C, T), None if all is observed."""

    values: torch.Tensor
    observed: torch.Tensor | None


class Panel:
    """Series of unequal lengths, end to end in one tensor, each channel standardised by its own mean and deviation.

    Standardising is done in float64, so that everything after it can be float32 in any unit: in float32, a daily swing
    of ten around a level of 10^9 would be lost. A loss in these units gives all series and channels the same weight.

    Args:
        series: Arrays (T_i, C), NaN where nothing was observed.
        static: Channels that stay as they are: they never change within a series.

    Attributes:
        series: The arrays themselves.
        values: float32 (C, T_1 + T_2 + …), 0 where not observed.
        observed: bool of the same shape, None if all is observed.
        starts, ends: int64 (n,), first column of each series in ``values``, and the column after its last.
        location, scale: float64 (n, C), mean and deviation that standardising removed.

    Raises:
        ValueError: If there are infinite values.
    """

    def __init__(self, series: Sequence[np.ndarray], static: Sequence[int] = ()) -> None:
        self.series = series
        lengths = torch.tensor([len(s) for s in series])
        self.ends = lengths.cumsum(0)
        self.starts = self.ends - lengths
        n, C = len(series), series[0].shape[1]
        self.location, self.scale = np.zeros((n, C)), np.ones((n, C))
        values = np.empty((C, int(self.ends[-1])), dtype=np.float32)
        for run in _runs_of_one_length(lengths.tolist()):
            some = np.stack(series[run])  # (n, T, C)
            check_finite(some)
            self.location[run], self.scale[run] = mean_and_spread(some)
            self.location[run, static], self.scale[run, static] = 0.0, 1.0
            start, end = int(self.starts[run.start]), int(self.ends[run.stop - 1])
            some = (some - self.location[run, None]) / self.scale[run, None]
            values[:, start:end] = some.reshape(-1, C).T
        observed = ~np.isnan(values)
        self.observed = None if observed.all() else torch.from_numpy(observed)
        self.values = torch.from_numpy(np.nan_to_num(values, copy=False))

    def __len__(self) -> int:
        return len(self.starts)

    def windows(self, series: torch.Tensor, cuts: torch.Tensor, before: int, after: int) -> Batch:
        """Windows around cuts. Steps beyond the ends of a series count as not observed.

        Args:
            series: Number of the series (B,).
            cuts: Step of the series before which to cut (B,).
            before, after: Steps to take before and after the cut.

        Returns:
            Values and flags (B, C, before + after).
        """
        cuts = cuts + self.starts[series]
        at = cuts[:, None] + torch.arange(-before, after)  # (B, T)
        first, last = self.starts[series, None], self.ends[series, None] - 1
        inside = (at >= first) & (at <= last)
        values = self.values[:, at.clamp(first, last)].transpose(0, 1)  # (B, C, T)
        if inside.all() and self.observed is None:
            return Batch(values, None)
        observed = inside[:, None].expand_as(values)
        if self.observed is not None:
            observed = observed & self.observed[:, at.clamp(first, last)].transpose(0, 1)
        return Batch(values * observed, observed)

    def last_known(self, series: torch.Tensor, stands: torch.Tensor, channels: int) -> torch.Tensor:
        """Where the observations of each of the first channels end, looking back from a step.

        Args:
            series: Number of the series (B,).
            stands: Step of the series from which to look back (B,).
            channels: Number of channels.

        Returns:
            The step after the last observed one before ``stands`` (B, channels); ``stands`` itself where nothing was
            observed.
        """
        if self.observed is None:
            return torch.minimum(stands, (self.ends - self.starts)[series])[:, None].expand(-1, channels)
        steps = torch.arange(self.values.shape[1])
        known = torch.where(self.observed[:channels], steps, -1).cummax(dim=1).values  # (channels, T_1 + T_2 + …)
        starts = self.starts[series]
        before = torch.minimum(starts + stands, self.ends[series]) - 1
        last = known[:, before.clamp(min=0)].T  # (B, channels)
        return torch.where(
            (stands[:, None] > 0) & (last >= starts[:, None]), last - starts[:, None] + 1, stands[:, None]
        )


class Cuts:
    """The steps at which the series of a panel may be cut, stored as a range for each series.

    Args:
        first, last: The first and the last cut of each series (n,); no cut if last < first.
    """

    def __init__(self, first: torch.Tensor, last: torch.Tensor) -> None:
        self.first = first
        self.counts = (last - first + 1).clamp(min=0)
        self.ends = self.counts.cumsum(0)

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Series (B,) and step (B,) of the cuts with these numbers (B,), from 0 to len - 1."""
        series = torch.searchsorted(self.ends, index, right=True)
        return series, self.first[series] + index - (self.ends - self.counts)[series]

    def split(self, share: float) -> tuple["Cuts", "Cuts"]:
        """The earlier fraction ``share`` of every series' cuts, and the later ones."""
        early = (self.counts * share).long()
        return Cuts(self.first, self.first + early - 1), Cuts(self.first + early, self.first + self.counts - 1)


def training_cuts(
    lengths: np.ndarray, context: int, horizon: int, validation: float | int | np.ndarray
) -> tuple[Cuts, Cuts | None]:
    """Cuts for training, and cuts for validation if a series is long enough.

    Args:
        lengths: Steps of the series (n,).
        context, horizon: Steps before and after a cut.
        validation: Length of the held-out end, which holds all validation targets: a fraction of each series (float),
            a number of steps for all (int), or a number of steps for each (n,).
    """
    L, H = context, horizon
    T = torch.as_tensor(lengths)
    held_out = (T * validation).long() if isinstance(validation, float) else torch.as_tensor(validation).expand_as(T)
    # a series that is short compared with context and horizon is used for training as a whole
    held_out = torch.where((held_out >= H) & (T - held_out >= L + H), held_out, 0)
    usable = T - held_out
    first = torch.minimum(torch.full_like(T, L), ((usable - H) // 2).clamp(min=1))
    last = torch.where(usable - H >= first, usable - H, usable - 1)
    training = Cuts(first, last)
    if not held_out.any():
        return training, None
    nowhere = T  # no cut is left at the end of a series
    return training, Cuts(torch.where(held_out > 0, T - held_out, nowhere), torch.where(held_out > 0, T - H, T - 1))


def pad_together(series: Sequence[torch.Tensor], device: torch.device) -> Batch:
    """A batch of series (C, T_i), NaN where nothing was observed. Shorter series are padded at their end."""
    longest = max(s.shape[1] for s in series)
    values = torch.stack([nn.functional.pad(s, (0, longest - s.shape[1]), value=torch.nan) for s in series]).to(device)
    observed = ~values.isnan()
    return Batch(values, None) if observed.all() else Batch(values.nan_to_num(), observed)


def mean_and_spread(s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of the observed values of each channel of (…, T, C): (0, 1) if there are none; a deviation of
    1 for a constant channel."""
    s = s.astype(np.float64)
    seen = ~np.isnan(s)
    if seen.all():
        mean, spread = s.mean(axis=-2), s.std(axis=-2)
    else:
        count = np.maximum(seen.sum(axis=-2), 1)
        mean = np.where(seen, s, 0).sum(axis=-2) / count
        spread = np.sqrt(np.where(seen, (s - mean[..., None, :]) ** 2, 0).sum(axis=-2) / count)
    return mean, np.where(spread > np.maximum(1e-12 * np.abs(mean), 1e-150), spread, 1.0)


def _runs_of_one_length(lengths: list[int], most: int = 256) -> Iterator[slice]:
    """Slices of neighbouring series of equal length, processed together: one by one, thousands would take long."""
    start = 0
    for i in range(1, len(lengths) + 1):
        if i == len(lengths) or lengths[i] != lengths[start] or i - start == most:
            yield slice(start, i)
            start = i
