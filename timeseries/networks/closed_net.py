"""Class scores of series in closed form, from the features of a pretrained encoder and of fixed convolutions."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import nn

from jumbo_backbone import ComputeBudget

from ..data.windows import Batch
from .channel_features import ChannelFeatures
from .convolutions import ConvolutionFeatures, LinearScores, some_of, standard_of
from .ridge import Judge, average_of_ridges, coded, of_classes, of_numbers

_LONGEST = 8192  # most steps that the convolutions read; longer series are averaged over stretches
_AT_ONCE = 64  # series whose features are computed at once


class ClosedNet(nn.Module):
    """Class scores that are linear in three sets of features: those of the pretrained encoder ("tokens"), and two of
    fixed convolutions. How much each set counts is found in closed form (see ``average_of_ridges``).

    It has the interface of ``ClassifierNet``.

    Of series longer than 8192 steps, the convolutions read means over stretches.

    Args:
        encoder: The features of the pretrained encoder.
        num_classes: Classes K.
        length: Steps of the longest training series.
        num_kernels: See ``ConvolutionFeatures``; 0: no convolutions.
        kernels_first: Whether to fit scores of the first set of convolutions alone, too.
        budgets: Compute budgets at which to fit scores of the tokens alone.
    """

    shares: torch.Tensor

    def __init__(
        self,
        encoder: ChannelFeatures,
        num_classes: int,
        length: int,
        num_kernels: int = 0,
        kernels_first: bool = False,
        budgets: Sequence[ComputeBudget] = (),
    ) -> None:
        super().__init__()
        self.encoder, self.num_classes, self.budgets = encoder, num_classes, tuple(budgets)
        self.convolutions = (
            ConvolutionFeatures(encoder.in_channels, min(length, _LONGEST), num_kernels) if num_kernels else None
        )
        F = self._sizes()
        self.scores = LinearScores(sum(F), num_classes)
        self.tokens = nn.ModuleList(LinearScores(F[0], num_classes) for _ in (None, *self.budgets))
        self.first = LinearScores(F[1], num_classes) if kernels_first else None
        self.register_buffer("shares", torch.zeros(len(F)))

    def _sizes(self) -> list[int]:
        """Number of features of each set."""
        c = self.convolutions
        return [self.encoder.num_features, *([] if c is None else [c.num_shares, c.num_features - c.num_shares])]

    def _of_tokens(self) -> list[LinearScores]:
        """Scores of the tokens alone, at the encoder's own budget and at each further one."""
        return [cast(LinearScores, scores) for scores in self.tokens]

    @property
    def num_shares(self) -> int:
        """Number of features of the first set of convolutions."""
        assert self.convolutions is not None  # only with convolutions
        return self.convolutions.num_shares

    @property
    def share(self) -> torch.Tensor:
        """How much the tokens count, from 0 to 1."""
        return self.shares[0]

    @torch.no_grad()
    def fit(
        self, batch: Batch, labels: torch.Tensor, class_weights: torch.Tensor, generator: torch.Generator
    ) -> dict[str | ComputeBudget, torch.Tensor]:
        """Fit all scores.

        Args:
            batch: Series (n, C, T).
            labels: Classes (n,), 0 … K-1.
            class_weights: Weight of each class, on top of its frequency (K,).
            generator: Draws the kernels; also the series to fit on, if there are more than 4000.

        Returns:
            Scores (n, K) of the training series, as if left out, for the series that were fitted on: of everything
            ("whole"), of the first set of convolutions ("kernels"), of the tokens alone ("tokens"), and of each budget.
        """
        some = some_of(labels, generator)
        if self.convolutions is not None:
            self.convolutions.fit(shortened(batch), generator)
        sets = self._sets(batch)
        prior = class_weights.double().log()  # softmax then weighs the classes as a weighted loss would
        told: dict[str | ComputeBudget, torch.Tensor] = dict(
            whole=self._fit_whole(sets, coded(labels, self.num_classes), of_classes, prior, some)
        )
        for budget, scores in zip((None, *self.budgets), self._of_tokens(), strict=True):
            features = sets[0] if budget is None else self._in_parts(batch, budget)
            told["tokens" if budget is None else budget] = scores.fit_scores(features, labels, class_weights, some)
        if self.first is not None:
            told["kernels"] = self.first.fit_scores(sets[1], labels, class_weights, some)
        return told

    @torch.no_grad()
    def fit_numbers(self, batch: Batch, targets: torch.Tensor, generator: torch.Generator) -> None:
        """Fit to numbers (n, K) in place of classes: ``forward`` then gives estimates of them, for series (n, C, T)."""
        some = some_of(targets, generator)
        if self.convolutions is not None:
            self.convolutions.fit(shortened(batch), generator)
        self._fit_whole(self._sets(batch), targets.double(), of_numbers, 0.0, some)

    def _fit_whole(
        self,
        sets: list[torch.Tensor],
        targets: torch.Tensor,
        judge: Judge,
        prior: torch.Tensor | float,
        some: torch.Tensor,
    ) -> torch.Tensor:
        scales = [standard_of(x[some]) for x in sets]
        scaled = [(x[some] - mean) / spread for x, (mean, spread) in zip(sets, scales, strict=True)]
        fitted = average_of_ridges(scaled, targets[some], judge)
        self.shares.copy_(torch.tensor(fitted.shares))
        weights = [w / spread[:, None].double() for w, (_, spread) in zip(fitted.weights, scales, strict=True)]
        self.scores.weight.copy_(torch.cat(weights))
        offset = sum(mean.double() @ w for w, (mean, _) in zip(weights, scales, strict=True))
        self.scores.bias.copy_(fitted.intercept - offset + prior)
        scores = self.scores.scores_of(torch.cat(sets, dim=1))
        scores[some] = (fitted.left_out + prior).to(scores)
        return scores

    def _sets(self, batch: Batch, shares: torch.Tensor | None = None) -> list[torch.Tensor]:
        """The sets of features of series."""
        sets = [self._in_parts(batch, None)]
        if self.convolutions is not None:
            batch = shortened(batch)
            shares = self.convolutions.shares(batch) if shares is None else shares
            sets += [shares, self.convolutions.wins(batch)]
        return sets

    def _in_parts(self, batch: Batch, budget: ComputeBudget | None) -> torch.Tensor:
        x, observed = batch
        starts = range(0, len(x), _AT_ONCE)
        parts = [(x[i : i + _AT_ONCE], None if observed is None else observed[i : i + _AT_ONCE]) for i in starts]
        return torch.cat([self.encoder(*part, budget) for part in parts])

    def forward(
        self, x: torch.Tensor, observed: torch.Tensor | None = None, shares: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Scores (B, K) of series (B, C, T) with flags, None if all is observed. Softmax makes them probabilities.

        ``shares`` are the features that ``from_kernels`` has computed, if it was called first.
        """
        return self.scores.scores_of(torch.cat(self._sets(Batch(x, observed), shares), dim=1))

    def from_tokens(
        self, x: torch.Tensor, observed: torch.Tensor | None = None, budget: ComputeBudget | None = None
    ) -> torch.Tensor:
        """Scores of the tokens alone, at a compute budget (None: the encoder's own). Budgets that it was not fitted at
        have the linear map of the encoder's own."""
        number = self.budgets.index(budget) + 1 if budget in self.budgets else 0
        return self._of_tokens()[number].scores_of(self._in_parts(Batch(x, observed), budget))

    def from_kernels(self, x: torch.Tensor, observed: torch.Tensor | None, shares: torch.Tensor) -> torch.Tensor:
        """Scores of the first set of convolutions alone. Its features are written into ``shares`` (B, num_shares)."""
        assert self.convolutions is not None and self.first is not None  # with ``kernels_first``
        shares.copy_(self.convolutions.shares(shortened(Batch(x, observed))))
        return self.first.scores_of(shares)


def shortened(batch: Batch) -> Batch:
    """Series (B, C, T) of at most 8192 steps: means over the observed steps of as long stretches as that takes."""
    x, observed = batch
    stretch = -(-x.shape[2] // _LONGEST)
    if stretch == 1:
        return batch
    seen = torch.ones_like(x) if observed is None else observed.to(x.dtype)
    total, count = (torch.nn.functional.avg_pool1d(t, stretch, ceil_mode=True) for t in (x * seen, seen))
    return Batch(total / count.clamp(min=1e-6), None if observed is None else count > 0)
