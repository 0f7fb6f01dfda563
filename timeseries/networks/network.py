"""Networks for series: the encoder on patches of a series, with heads that forecast and classify."""

from typing import Any, NamedTuple

import torch
from torch import nn

from jumbo_backbone import ComputeBudget
from jumbo_backbone.layers import Dropout

from ..data.windows import Batch
from .convolutions import ConvolutionClassifier
from .patching import Statistics, last_observed
from .series_encoder import SeriesEncoder


class Forecast(NamedTuple):
    """A forecast in the units of the series: ``center`` (B, H), and ``offsets`` (B, H, Q) of the quantiles from it, in
    rising order."""

    center: torch.Tensor
    offsets: torch.Tensor


class ForecastNet(nn.Module):
    """Forecasts the next H steps of a series, each with quantiles.

    The forecast is a linear map of the context (NLinear, "Are Transformers Effective for Time Series Forecasting?",
    AAAI 2023) plus the output of a head on the encoder. The spread is computed from the Jumbo token, which attends to
    the whole context. Quantiles are sums of positive steps up and down from the centre, so they cannot cross.

    Args:
        context: Steps read, L.
        horizon: Steps forecast, H.
        quantiles: Probabilities in rising order, 0.5 among them.
        covariates: For each of the K channels that are read along with the series, whether it is known ahead. If so, it
            is read over context and horizon; if not, over the context only.
        static: For each of them, whether it never changes within a series. If so, the linear part reads it as one more
            step of the context, and it is not normalised. Empty: none.
        covariate_lags: For each step of the horizon, the linear part also reads the covariates of so many steps before.
        median_is_center: Whether the centre is the median. If not (it is then a mean), the median is learned as well.
        head_drop_rate: Dropout before the head.
        embedding: Further arguments of ``SeriesEncoder``.
    """

    known_ahead: torch.Tensor

    def __init__(
        self,
        context: int,
        horizon: int,
        quantiles: tuple[float, ...],
        patch_length: int,
        patch_stride: int,
        covariates: tuple[bool, ...] = (),
        static: tuple[bool, ...] = (),
        covariate_lags: int = 0,
        median_is_center: bool = True,
        head_drop_rate: float = 0.0,
        **embedding: Any,
    ) -> None:
        super().__init__()
        self.context, self.horizon, self.covariates = context, horizon, len(covariates)
        known_ahead = torch.tensor([False, *covariates])[:, None]  # (1+K, 1)
        self.register_buffer("known_ahead", known_ahead, persistent=False)
        static = static or (False,) * len(covariates)
        self.static, self.moving = (
            [1 + n for n, still in enumerate(static) if still is wanted] for wanted in (True, False)
        )
        self.median = quantiles.index(0.5)
        self.median_is_center = median_is_center
        self.quantiles = tuple(quantiles)
        length = context + (horizon if covariates else 0)
        self.encoder = SeriesEncoder(
            1 + len(covariates),
            length,
            patch_length,
            patch_stride,
            align="end",
            static=(False, *static),
            **embedding,
        )
        jumbo, D = self.encoder.jumbo_width, self.encoder.encoder.embed_dim
        self.linear = nn.Linear(context + len(self.static), horizon)
        self.covariate_lags = covariate_lags
        features = len(self.moving) * (1 + covariate_lags)
        self.from_covariates = nn.Linear(features, 1, bias=False) if features else None
        self.drop = Dropout(head_drop_rate)
        self.head = nn.Linear(jumbo + D, horizon)
        self.spread = nn.Linear(jumbo, horizon * len(quantiles))
        for linear in (self.linear, self.head, self.spread):  # the untrained network repeats the last value
            nn.init.zeros_(linear.weight)
        for linear in (self.linear, self.head, self.spread):
            nn.init.zeros_(linear.bias)
        if self.from_covariates is not None:
            nn.init.zeros_(self.from_covariates.weight)

    def forward(
        self, x: torch.Tensor, observed: torch.Tensor | None = None, budget: ComputeBudget | None = None
    ) -> Forecast:
        """Forecast series (B, 1, L); with covariates (B, 1+K, L+H), where the series itself is read for L steps only.
        The budget applies to the encoder; the linear part reads every step."""
        H = self.horizon
        observed = self.hide_future(x, observed)
        e = self.encoder(x, observed, budget)
        pooled = torch.cat([e.jumbo, mean_of_live(e.patches, e.live)], dim=1)
        lags, base, ahead = self._linear_parts(e.normed, e.observed)
        center = base + self.linear(lags) + self.head(self.drop(pooled))  # (B, H)
        if self.from_covariates is not None:
            center = center + self.from_covariates(ahead).squeeze(2)
        spread = self.spread(e.jumbo).view(-1, H, len(self.quantiles))
        scale = e.stats.scale[:, 0, 0]
        return Forecast(self.encoder.norm.restore(center, e.stats), self._offsets(spread) * scale[:, None, None])

    def linear_inputs(
        self, x: torch.Tensor, observed: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, Statistics]:
        """Input of the linear part: lags and static covariates (B, L + …), the last value (B, 1), other covariates
        (B, H, …), in normalised units; and the statistics of the normalisation."""
        normed, seen, stats = self.encoder.norm(x, self.hide_future(x, observed))
        return *self._linear_parts(normed, seen), stats

    def hide_future(self, x: torch.Tensor, observed: torch.Tensor | None) -> torch.Tensor | None:
        """Flags (B, 1+K, …), off after L steps for the series itself and for covariates that are not known ahead."""
        if not self.covariates:
            return observed
        observed = torch.ones_like(x, dtype=torch.bool) if observed is None else observed.clone()
        observed[:, :, self.context :] &= self.known_ahead
        return observed

    def _linear_parts(
        self, normed: torch.Tensor, observed: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Lags as distances from the last value (as in NLinear), with the static covariates after them; this value; and
        the other covariates of each step."""
        L, moving = self.context, normed[:, self.moving] if self.static else normed[:, 1:]
        lagged = [moving[..., L - lag : normed.shape[2] - lag] for lag in range(1 + self.covariate_lags)]
        ahead = torch.cat(lagged, dim=1).transpose(1, 2)  # (B, H, K * (1 + covariate_lags)), 0 where not observed
        context, seen = normed[:, 0, :L], None if observed is None else observed[:, 0, :L]
        if self.encoder.norm.kind == "difference":
            away, last = context, torch.zeros_like(context[:, :1])
        else:
            last = last_observed(context, seen)
            away = context - last if seen is None else (context - last) * seen
        if self.static:
            still = normed[:, self.static]  # (B, S, T)
            known = still.shape[-1] if observed is None else observed[:, self.static].sum(dim=-1).clamp(min=1)
            away = torch.cat([away, still.sum(dim=-1) / known], dim=1)
        return away, last, ahead

    def set_spread(self, quantiles: torch.Tensor) -> None:
        """Set the quantiles (H, Q) around the centre, in normalised units, to the same values for every series."""
        m, tiny = self.median, 1e-4
        if self.median_is_center:
            quantiles = quantiles - quantiles[:, m : m + 1]
        steps = quantiles.diff(dim=1).clamp(min=tiny)
        raw = steps + torch.log(-torch.expm1(-steps))  # the inverse of softplus
        middle = torch.zeros_like(raw[:, :1]) if self.median_is_center else quantiles[:, m : m + 1]
        with torch.no_grad():
            self.spread.bias.copy_(torch.cat([raw[:, :m], middle, raw[:, m:]], dim=1).flatten())

    def _offsets(self, spread: torch.Tensor) -> torch.Tensor:
        """Convert any numbers (B, H, Q) to rising offsets. That of the median is its distance from the centre."""
        m = self.median
        sides = m, 1, spread.shape[-1] - m - 1
        below, middle, above = nn.functional.softplus(spread).split(sides, dim=-1)  # its gradient is a single `cat`
        middle = torch.zeros_like(middle) if self.median_is_center else spread[..., m : m + 1]
        below, above = -below.flip(-1).cumsum(-1).flip(-1), above.cumsum(-1)
        return torch.cat([middle + below, middle, middle + above], dim=-1)


class ClassifierNet(nn.Module):
    """Class scores of a series: from its Jumbo token and the mean of its patch tokens, and from fixed convolutions.

    The two are an ensemble: a weighted mean of their scores, with the weight ``share`` for those of the encoder.

    Args:
        in_channels: Channels of a series.
        num_classes: Classes K.
        length: Usual number of steps of the longest series.
        num_kernels: See ``ConvolutionFeatures``; 0: no convolutions.
        kernels_first: Whether to fit scores of the first set of convolutions alone, too.
        head_drop_rate: Dropout before the head.
        embedding: Further arguments of ``SeriesEncoder``.
    """

    share: torch.Tensor

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        length: int,
        num_kernels: int = 0,
        kernels_first: bool = False,
        head_drop_rate: float = 0.0,
        **embedding: Any,
    ) -> None:
        super().__init__()
        self.encoder = SeriesEncoder(in_channels, length, **embedding)
        self.drop = Dropout(head_drop_rate)
        self.head = nn.Linear(self.encoder.jumbo_width + self.encoder.encoder.embed_dim, num_classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.convolutions = (
            ConvolutionClassifier(in_channels, length, num_kernels, num_classes, kernels_first) if num_kernels else None
        )
        self.register_buffer("share", torch.tensor(0.5 if num_kernels else 1.0))

    @property
    def num_classes(self) -> int:
        """Number of classes K."""
        return self.head.out_features

    @property
    def num_shares(self) -> int:
        """Number of features of the first set of convolutions."""
        assert self.convolutions is not None  # only with convolutions
        return self.convolutions.features.num_shares

    def forward(
        self, x: torch.Tensor, observed: torch.Tensor | None = None, shares: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Scores (B, K) of series (B, C, T) with flags, None if all is observed. Softmax makes them probabilities.

        ``shares`` are the features that ``from_kernels`` has computed, if it was called first.
        """
        if self.convolutions is None:
            return self.from_tokens(x, observed)
        scores = self.convolutions(x, observed, shares)
        return scores.lerp(self.from_tokens(x, observed), self.share) if self.share > 0 else scores

    def from_tokens(
        self, x: torch.Tensor, observed: torch.Tensor | None = None, budget: ComputeBudget | None = None
    ) -> torch.Tensor:
        """Scores of the encoder alone, at a compute budget (None: its own)."""
        e = self.encoder(x, observed, budget)
        return self.head(self.drop(torch.cat([e.jumbo, mean_of_live(e.patches, e.live)], dim=1)))

    def from_kernels(self, x: torch.Tensor, observed: torch.Tensor | None, shares: torch.Tensor) -> torch.Tensor:
        """Scores of the first set of convolutions alone. Its features are written into ``shares`` (B, num_shares)."""
        assert self.convolutions is not None and self.convolutions.first is not None  # with ``kernels_first``
        shares.copy_(self.convolutions.features.shares(Batch(x, observed)))
        return self.convolutions.first.scores_of(shares)


def mean_of_live(patches: torch.Tensor, live: torch.Tensor | None) -> torch.Tensor:
    """Mean (B, D) of the patch tokens (B, N, D) that hold an observed step; 0 where none does."""
    if live is None:
        return patches.mean(dim=1)
    weight = live.to(patches.dtype).unsqueeze(2)
    return (patches * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)
