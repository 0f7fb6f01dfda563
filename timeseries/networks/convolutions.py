"""Fixed convolutions pooled over time, and a linear classifier of them in closed form.

On few series, networks trained by gradients do not come near them. They are to the classifier what the linear map of
the context is to the forecaster.
"""

from collections.abc import Callable
from itertools import combinations
from math import log2

import torch
from torch import nn

from ..data.windows import Batch
from .ridge import leave_one_out, temperature_of

_STEPS = 9  # steps of a kernel
_GROUPS, _RIVALS = 64, 8  # groups of kernels for each dilation, and kernels that compete in each group
_AT_ONCE = 2_000_000  # outputs of convolutions at a time, so that they stay in the cache
_SMALL = 500_000  # up to this many comparisons (one or two series), one call is faster than several
_MOST_SERIES = 4_000  # most series to fit on: the time of the closed form grows with the third power of their number


class ConvolutionFeatures(nn.Module):
    """Features of a whole series by fixed convolutions.

    There are two sets of kernels of 9 steps, at dilations 1, 2, 4, … up to the whole length. First set: the 84 kernels
    of MiniRocket (Dempster et al., KDD 2021), with three weights of 2 and six of -1. Their features are the fraction of
    steps at which a kernel's output exceeds thresholds taken from training series. Second set: groups of random kernels
    that compete at each step, half of the groups on differences of the series (Hydra: Dempster et al., DMKD 2023).
    Their features are how often and by how much each kernel wins.

    Args:
        in_channels: Channels C.
        length: Steps of the longest training series.
        num_kernels: Approximate number of features of the first set. The second set has 1024 for each dilation.
    """

    shapes: torch.Tensor

    def __init__(self, in_channels: int, length: int, num_kernels: int) -> None:
        super().__init__()
        self.dilations = [2**i for i in range(1 + int(log2(max((length - 1) / (_STEPS - 1), 1))))]
        self.levels = max(1, num_kernels // (84 * len(self.dilations)))  # thresholds of a kernel at a dilation
        shapes = torch.full((84, 1, _STEPS), -1.0)
        for row, places in enumerate(combinations(range(_STEPS), 3)):
            shapes[row, 0, list(places)] = 2.0
        self.register_buffer("shapes", shapes, persistent=False)
        for i in range(len(self.dilations)):
            self.register_buffer(f"channels_{i}", torch.zeros(84, in_channels, 1))
            self.register_buffer(f"thresholds_{i}", torch.zeros(84, self.levels))
            self.register_buffer(f"rivals_{i}", torch.zeros(_GROUPS * _RIVALS, in_channels, _STEPS))

    @property
    def num_features(self) -> int:
        return len(self.dilations) * (84 * self.levels + 2 * _GROUPS * _RIVALS)

    def fit(self, batch: Batch, generator: torch.Generator) -> None:
        """Draw the random kernels, and take thresholds from training series (B, C, T)."""
        x, live = without_gaps(batch)
        B, C, _ = x.shape
        golden = (5**0.5 + 1) / 2  # its multiples, modulo 1, spread evenly
        for i, dilation in enumerate(self.dilations):
            self.get_buffer(f"channels_{i}").copy_(_subsets(84, C, generator))
            rows = torch.randint(B, (84,), generator=generator).to(x.device)
            out = self._exceeding(x[rows], i, dilation).diagonal().T  # (84, T): each kernel on a series of its own
            out = out.masked_fill(~live[rows], torch.nan)
            levels = torch.arange(1 + i * self.levels, 1 + (i + 1) * self.levels, device=x.device) * golden % 1
            self.get_buffer(f"thresholds_{i}").copy_(torch.nanquantile(out, levels.to(out), dim=1).T.nan_to_num())
            rivals = torch.randn(_RIVALS, _GROUPS, 1, _STEPS, generator=generator)
            rivals = rivals - rivals.mean(3, keepdim=True)
            rivals = rivals / rivals.abs().sum(3, keepdim=True) * _subsets(_GROUPS, C, generator)
            self.get_buffer(f"rivals_{i}").copy_(rivals.flatten(0, 1))

    @property
    def num_shares(self) -> int:
        return len(self.dilations) * 84 * self.levels

    def forward(self, batch: Batch, shares: torch.Tensor | None = None) -> torch.Tensor:
        """Features (B, F) of series (B, C, T). ``shares`` are the features of the first set, if already computed."""
        sets = self.shares(batch) if shares is None else shares, self.wins(batch)
        by_dilation = [features.unflatten(1, (len(self.dilations), -1)) for features in sets]
        return torch.cat(by_dilation, dim=2).flatten(1)

    def shares(self, batch: Batch) -> torch.Tensor:
        """Features of the first set: the fraction of steps at which each kernel exceeds each threshold."""
        return self._in_parts(self._shares, batch)

    def wins(self, batch: Batch) -> torch.Tensor:
        """Features of the second set: by how much and how often each kernel wins."""
        return self._in_parts(self._wins, batch)

    def _in_parts(self, features: Callable, batch: Batch) -> torch.Tensor:
        x, live = without_gaps(batch)
        at_once = max(1, _AT_ONCE // (_GROUPS * _RIVALS * x.shape[2]))
        return torch.cat([features(*part) for part in zip(x.split(at_once), live.split(at_once), strict=True)])

    def _shares(self, x: torch.Tensor, live: torch.Tensor) -> torch.Tensor:
        steps = live.sum(1).clamp(min=1)[:, None]
        features = []
        for i, dilation in enumerate(self.dilations):
            out = self._exceeding(x, i, dilation).masked_fill(~live[:, None], -torch.inf)
            thresholds = self.get_buffer(f"thresholds_{i}").T[:, :, None]
            if out.numel() * len(thresholds) <= _SMALL:
                above = out.new_empty(len(out), len(thresholds), *out.shape[1:])
                features.append(torch.gt(out[:, None], thresholds, out=above).sum(3).flatten(1) / steps)
            else:
                features += [_true(torch.gt, out, t).sum(2) / steps for t in thresholds]
        return torch.cat(features, dim=1)

    def _wins(self, x: torch.Tensor, live: torch.Tensor) -> torch.Tensor:
        differences = torch.diff(x, dim=2, prepend=x[:, :, :1]) * live[:, None]
        features = []
        for i, dilation in enumerate(self.dilations):
            rivals = self.get_buffer(f"rivals_{i}").unflatten(0, (_RIVALS, _GROUPS))
            of_values, of_differences = (r.flatten(0, 1) for r in rivals.chunk(2, dim=1))
            features += _competition(_convolve(x, of_values, dilation), live)
            features += _competition(_convolve(differences, of_differences, dilation), live)
        return torch.cat(features, dim=1)

    def _exceeding(self, x: torch.Tensor, i: int, dilation: int) -> torch.Tensor:
        return _convolve(x, self.shapes * self.get_buffer(f"channels_{i}"), dilation)


def _competition(out: torch.Tensor, live: torch.Tensor) -> list[torch.Tensor]:
    """Two features of each kernel, from outputs (B, rivals * groups, T): the sum of its outputs above 0 where
    it was the highest of its group, and the number of steps at which it was the lowest, both as square roots."""
    out = out.unflatten(1, (_RIVALS, -1))
    high, low = out.amax(1), out.amin(1)  # (B, groups, T)
    prize = high.clamp(min=0) * live[:, None]
    low = low.masked_fill(~live[:, None], torch.nan)  # nothing equals NaN
    won = _true(torch.eq, out, high[:, None]).mul_(prize[:, None]).sum(3)
    lost = _true(torch.eq, out, low[:, None]).sum(3)
    return [won.sqrt().flatten(1), lost.sqrt().flatten(1)]


def _true(compare: Callable[..., torch.Tensor], a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """1 where a comparison holds, else 0. Written as floats, which are summed twice as fast as bools."""
    return compare(a, b, out=torch.empty_like(a))


def _convolve(x: torch.Tensor, kernels: torch.Tensor, dilation: int) -> torch.Tensor:
    return nn.functional.conv1d(x, kernels, padding=dilation * (_STEPS // 2), dilation=dilation)


def _subsets(n: int, C: int, generator: torch.Generator) -> torch.Tensor:
    """For each of n kernels, a random set of channels that it adds up: 1 for these, else 0 (n, C, 1). Small sets are
    more likely than large ones."""
    most = log2(min(C, _STEPS) + 1) if C > 1 else 0.0
    sizes = torch.pow(2.0, torch.rand(n, generator=generator) * most).long().clamp(1, C)
    ranks = torch.rand(n, C, generator=generator).argsort(dim=1).argsort(dim=1)
    return (ranks < sizes[:, None]).float()[:, :, None]


def without_gaps(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Values (B, C, T) with gaps filled by linear interpolation, and 0 after the end; and flags (B, T) of the steps up
    to the end of each series."""
    x, observed = batch
    B, C, T = x.shape
    at = torch.arange(T, device=x.device)
    if observed is None:
        return x, torch.ones(B, T, dtype=torch.bool, device=x.device)
    before = torch.where(observed, at, -1).cummax(2).values
    after = torch.where(observed, at, T).flip(2).cummin(2).values.flip(2)
    before, after = torch.where(before < 0, after, before), torch.where(after == T, before, after)
    before, after = before.clamp(0, T - 1), after.clamp(0, T - 1)  # for a channel without observations
    left, right = x.gather(2, before), x.gather(2, after)
    way = (at - before) / (after - before).clamp(min=1)
    live = at <= torch.where(observed, at, -1).amax(dim=(1, 2))[:, None]
    return torch.where(observed, x, left + (right - left) * way) * live[:, None], live


class LinearScores(nn.Module):
    """Class scores that are linear in features; ``softmax`` makes them probabilities.

    Args:
        num_features: Features F.
        num_classes: Classes K.
    """

    weight: torch.Tensor
    bias: torch.Tensor

    def __init__(self, num_features: int, num_classes: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(num_features, num_classes))
        self.register_buffer("bias", torch.zeros(num_classes))

    @torch.no_grad()
    def fit_scores(
        self, features: torch.Tensor, labels: torch.Tensor, class_weights: torch.Tensor, some: torch.Tensor
    ) -> torch.Tensor:
        """Fit to the rows ``some`` of the training series' features (n, F); see ``ConvolutionClassifier.fit``."""
        mean, spread = standard_of(features[some])
        solution, intercept, left_out = leave_one_out((features[some] - mean) / spread, labels[some], len(self.bias))
        t = 1 / temperature_of(left_out, labels[some])
        prior = class_weights.double().log()  # softmax then weighs the classes as a weighted loss would
        weight = t * solution / spread[:, None].double()
        self.weight.copy_(weight)
        self.bias.copy_(t * intercept - mean.double() @ weight + prior)
        scores = self.scores_of(features)
        scores[some] = (t * left_out + prior).to(scores)
        return scores

    def scores_of(self, features: torch.Tensor) -> torch.Tensor:
        """Features (B, F) to scores (B, K)."""
        return features @ self.weight + self.bias


class ConvolutionClassifier(LinearScores):
    """Class scores that are linear in all features; optionally also scores from the features of the first set alone.

    Args:
        in_channels, length, num_kernels: See ``ConvolutionFeatures``.
        num_classes: Classes K.
        first: Whether to give scores of the first set alone as well. They take less time.
    """

    def __init__(self, in_channels: int, length: int, num_kernels: int, num_classes: int, first: bool = False) -> None:
        features = ConvolutionFeatures(in_channels, length, num_kernels)
        super().__init__(features.num_features, num_classes)
        self.features = features
        self.first = LinearScores(features.num_shares, num_classes) if first else None

    @torch.no_grad()
    def fit(
        self, batch: Batch, labels: torch.Tensor, class_weights: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        """Ridge regression on the classes. Its penalty and the temperature of its scores are chosen by the scores of
        each training series when it is left out.

        Args:
            batch: Series (n, C, T).
            labels: Classes (n,), 0 … K-1.
            class_weights: Weight of each class, on top of its frequency (K,).
            generator: Draws the kernels; also the series to fit on, if there are more than 4000.

        Returns:
            Scores (n, K) of the training series: as if left out, for the series that were fitted on.
        """
        some = some_of(labels, generator)
        self.features.fit(batch, generator)
        return self.fit_scores(self.features(batch), labels, class_weights, some)

    @torch.no_grad()
    def fit_first(
        self, batch: Batch, labels: torch.Tensor, class_weights: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        """After ``fit``, fit the scores of the first set alone in the same way."""
        assert self.first is not None  # see the argument ``first``
        return self.first.fit_scores(self.features.shares(batch), labels, class_weights, some_of(labels, generator))

    def forward(
        self, x: torch.Tensor, observed: torch.Tensor | None = None, shares: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Scores (B, K) of series (B, C, T) with flags, None if all is observed; ``shares`` as in the features."""
        return self.scores_of(self.features(Batch(x, observed), shares))


def some_of(labels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Rows of the series to fit on: all, or a random choice if there are too many."""
    return torch.randperm(len(labels), generator=generator)[:_MOST_SERIES].sort().values.to(labels.device)


def standard_of(features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation (F,) that standardise features (n, F). A feature that never varies tells nothing: it has an
    infinite deviation."""
    spread = features.std(0, correction=0)
    return features.mean(0), torch.where(spread > 1e-6, spread, torch.inf)
