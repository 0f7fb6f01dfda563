"""Networks for series: the encoder on patches of a signal, with heads that forecast and classify."""

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
    """What is to come, in the units of the series: ``center`` (B, H), and ``offsets`` (B, H, Q) of the quantiles from
    it, which rise from the lowest to the highest."""

    center: torch.Tensor
    offsets: torch.Tensor


class ForecastNet(nn.Module):
    """A series' next H steps, each with quantiles.

    The forecast is a linear map of the context (NLinear, "Are Transformers Effective for Time Series Forecasting?",
    AAAI 2023) plus what the encoder adds to it. The spread is read from the Jumbo token, which has seen the whole.
    Quantiles are sums of positive steps up and down from the centre: they cannot cross.

    Args:
        context: Steps read, L.
        horizon: Steps forecast, H.
        quantiles: Probabilities in rising order, 0.5 among them.
        covariates: Of each of the K channels beside the series that are read with it, whether it is known ahead and
            read over context and horizon; of the others nothing is read after L steps.
        covariate_lags: The linear part reads the covariates of each step of the horizon and of so many steps before.
        median_is_center: Whether the centre is the median; if not (it is then a mean) the median is learned beside it.
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
        covariate_lags: int = 0,
        median_is_center: bool = True,
        head_drop_rate: float = 0.0,
        **embedding: Any,
    ) -> None:
        super().__init__()
        self.context, self.horizon, self.covariates = context, horizon, len(covariates)
        known_ahead = torch.tensor([False, *covariates])[:, None]  # (1+K, 1)
        self.register_buffer("known_ahead", known_ahead, persistent=False)
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
            **embedding,
        )
        jumbo, D = self.encoder.jumbo_width, self.encoder.encoder.embed_dim
        self.linear = nn.Linear(context, horizon)
        self.covariate_lags = covariate_lags
        features = len(covariates) * (1 + covariate_lags)
        self.from_covariates = nn.Linear(features, 1, bias=False) if covariates else None
        self.drop = Dropout(head_drop_rate)
        self.head = nn.Linear(jumbo + D, horizon)
        self.spread = nn.Linear(jumbo, horizon * len(quantiles))
        for linear in (self.linear, self.head, self.spread):  # nothing is known yet: the last value stays
            nn.init.zeros_(linear.weight)
        for linear in (self.linear, self.head, self.spread):
            nn.init.zeros_(linear.bias)
        if self.from_covariates is not None:
            nn.init.zeros_(self.from_covariates.weight)

    def forward(
        self, x: torch.Tensor, observed: torch.Tensor | None = None, budget: ComputeBudget | None = None
    ) -> Forecast:
        """Read series with covariates (B, 1+K, L), or (B, 1+K, L+H) if there are covariates; of the series itself
        nothing is read after L steps. The budget is the encoder's: the linear part reads every step."""
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
        """What the linear part sees of the same input: lags (B, L), the last value (B, 1), covariates (B, H, …), in
        normalised units, and those units."""
        normed, seen, stats = self.encoder.norm(x, self.hide_future(x, observed))
        return *self._linear_parts(normed, seen), stats

    def hide_future(self, x: torch.Tensor, observed: torch.Tensor | None) -> torch.Tensor | None:
        """Flags (B, 1+K, …) with those of the series itself, and of what is not known ahead, off after L steps."""
        if not self.covariates:
            return observed
        observed = torch.ones_like(x, dtype=torch.bool) if observed is None else observed.clone()
        observed[:, :, self.context :] &= self.known_ahead
        return observed

    def _linear_parts(
        self, normed: torch.Tensor, observed: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Lags as distances from the last value (as NLinear has them), that value, and the covariates of each step."""
        L = self.context
        lagged = [normed[:, 1:, L - lag : normed.shape[2] - lag] for lag in range(1 + self.covariate_lags)]
        ahead = torch.cat(lagged, dim=1).transpose(1, 2)  # (B, H, K * (1 + covariate_lags)), 0 where not observed
        context, seen = normed[:, 0, :L], None if observed is None else observed[:, 0, :L]
        if self.encoder.norm.kind == "difference":
            return context, torch.zeros_like(context[:, :1]), ahead
        last = last_observed(context, seen)
        away = context - last if seen is None else (context - last) * seen
        return away, last, ahead

    def set_spread(self, quantiles: torch.Tensor) -> None:
        """Make these the quantiles (H, Q) about the centre, in normalised units, of every series alike."""
        m, tiny = self.median, 1e-4
        if self.median_is_center:
            quantiles = quantiles - quantiles[:, m : m + 1]
        steps = quantiles.diff(dim=1).clamp(min=tiny)
        raw = steps + torch.log(-torch.expm1(-steps))  # softplus, undone
        middle = torch.zeros_like(raw[:, :1]) if self.median_is_center else quantiles[:, m : m + 1]
        with torch.no_grad():
            self.spread.bias.copy_(torch.cat([raw[:, :m], middle, raw[:, m:]], dim=1).flatten())

    def _offsets(self, spread: torch.Tensor) -> torch.Tensor:
        """Any numbers (B, H, Q) to offsets in rising order, those of the median being its distance from the centre."""
        m = self.median
        sides = m, 1, spread.shape[-1] - m - 1
        below, middle, above = nn.functional.softplus(spread).split(sides, dim=-1)  # whose gradient is one `cat`
        middle = torch.zeros_like(middle) if self.median_is_center else spread[..., m : m + 1]
        below, above = -below.flip(-1).cumsum(-1).flip(-1), above.cumsum(-1)
        return torch.cat([middle + below, middle, middle + above], dim=-1)


class ClassifierNet(nn.Module):
    """Class scores of a series: from its Jumbo token and the mean of its patches, and from fixed convolutions.

    The two are a committee: their scores are averaged, ``share`` of the tokens' and the rest of the convolutions'.

    Args:
        in_channels: Channels of a series.
        num_classes: Classes K.
        length: Steps of the longest series there usually are.
        num_kernels: See ``ConvolutionFeatures``; 0 leaves it to the tokens.
        kernels_first: Whether there are scores of the first set of convolutions alone, too.
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

    def forward(
        self, x: torch.Tensor, observed: torch.Tensor | None = None, shares: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Series (B, C, T) and flags, None if all is observed, to scores (B, K), whose softmax gives probabilities.

        ``shares`` are what ``from_kernels`` has left, if it was asked first.
        """
        if self.convolutions is None:
            return self.from_tokens(x, observed)
        scores = self.convolutions(x, observed, shares)
        return scores.lerp(self.from_tokens(x, observed), self.share) if self.share > 0 else scores

    def from_tokens(
        self, x: torch.Tensor, observed: torch.Tensor | None = None, budget: ComputeBudget | None = None
    ) -> torch.Tensor:
        """What the encoder alone says, at a compute budget (None: its own)."""
        e = self.encoder(x, observed, budget)
        return self.head(self.drop(torch.cat([e.jumbo, mean_of_live(e.patches, e.live)], dim=1)))

    def from_kernels(self, x: torch.Tensor, observed: torch.Tensor | None, shares: torch.Tensor) -> torch.Tensor:
        """What the first set of convolutions alone says. It leaves its features in ``shares`` (B, num_shares)."""
        assert self.convolutions is not None and self.convolutions.first is not None  # with ``kernels_first``
        shares.copy_(self.convolutions.features.shares(Batch(x, observed)))
        return self.convolutions.first.scores_of(shares)


def mean_of_live(patches: torch.Tensor, live: torch.Tensor | None) -> torch.Tensor:
    """Mean (B, D) of the patches (B, N, D) that hold anything; 0 where none does."""
    if live is None:
        return patches.mean(dim=1)
    weight = live.to(patches.dtype).unsqueeze(2)
    return (patches * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)
