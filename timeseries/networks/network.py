"""Networks for series: the encoder of the image models on patches of a series, and two heads."""

from typing import Any, NamedTuple

import torch
from torch import nn

from jumbo_backbone import ComputeBudget, JumboEncoder
from jumbo_backbone.layers import Dropout

from ..data.windows import Batch
from .convolutions import ConvolutionClassifier
from .patching import InstanceNorm, SeriesEmbed, Statistics, last_observed, num_patches, resample_time


class Encoded(NamedTuple):
    """Output of the encoder for B series.

    Attributes:
        jumbo: The Jumbo token (B, J*D); with registers, only the class token (B, D).
        patches: The patch tokens that were kept to the end, followed by the tokens given as ``beside`` (B, N, D). At a
            keep rate below 1, N is smaller, and the last token is the fused one.
        live: Which tokens hold an observed step (B, N); None if all do.
        normed, observed: The normalised series (B, C, T), and flags of its observed steps.
        stats: The statistics by which it was normalised.
    """

    jumbo: torch.Tensor
    patches: torch.Tensor
    live: torch.Tensor | None
    normed: torch.Tensor
    observed: torch.Tensor | None
    stats: Statistics


class SeriesEncoder(nn.Module):
    """Series to one wide Jumbo token and narrow patch tokens.

    Args:
        in_channels: Channels C in one patch; the first is the series itself.
        length: Usual number of steps T of the longest series (longer series are taken, too).
        normalisation: Kind of normalisation, applied to each channel by itself (see ``InstanceNorm``).
        affine: Whether to learn a scale and a shift after the normalisation.
        patch_length, patch_stride, align: See ``SeriesEmbed``.
        keep_rate: Keep rate of ``default_budget`` (see ``ComputeBudget``).
        encoder: Sizes, as keyword arguments of ``JumboEncoder``. With ``jumbo_ffn="patch"`` the slices of the Jumbo
            token are registers. The first of them is a class token, and the heads read only this one (Darcet et al.,
            "Vision Transformers Need Registers", ICLR 2024).
    """

    def __init__(
        self,
        in_channels: int,
        length: int,
        patch_length: int,
        patch_stride: int,
        normalisation: str = "standard",
        affine: bool = False,
        align: str = "start",
        keep_rate: float = 1.0,
        **encoder: Any,
    ) -> None:
        super().__init__()
        self.norm = InstanceNorm(normalisation, affine)
        self.encoder = JumboEncoder(**encoder)
        self.default_budget = ComputeBudget(keep_rate)
        D = self.encoder.embed_dim
        self.slices_read = 1 if encoder.get("jumbo_ffn") == "patch" else self.encoder.jumbo_multiplier
        count = num_patches(length, patch_stride)
        self.embed = SeriesEmbed(D, patch_length, patch_stride, count, in_channels, align)
        for module in self.encoder.modules():
            # a deviation of 0.02, as for images, suits widths from 384 on; at widths of tens the signal would vanish
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)

    @property
    def depth(self) -> int:
        """Number of blocks."""
        return self.encoder.depth

    @property
    def default_budget(self) -> ComputeBudget:
        """How much to compute where a call names no budget."""
        return self.encoder.default_budget

    @default_budget.setter
    def default_budget(self, budget: ComputeBudget) -> None:
        self.encoder.default_budget = budget

    @property
    def jumbo_width(self) -> int:
        """Width of ``Encoded.jumbo``."""
        return self.slices_read * self.encoder.embed_dim

    def forward(
        self,
        x: torch.Tensor,
        observed: torch.Tensor | None = None,
        budget: ComputeBudget | None = None,
        beside: torch.Tensor | None = None,
    ) -> Encoded:
        """Encode series (B, C, T), any finite numbers where not observed, with flags (B, C, T), None if all is seen,
        at a compute budget (None: ``default_budget``). Tokens ``beside`` (B, X, D) are appended to the patch tokens."""
        budget = self.default_budget if budget is None else budget
        normed, observed, stats = self.norm(x, observed)
        tokens, live = self._tokens(normed, observed, budget)
        if beside is not None:
            tokens = torch.cat([tokens, beside], dim=1)
            live = None if live is None else nn.functional.pad(live, (0, beside.shape[1]), value=True)
        (s, live, _), _ = self.encoder.encode(tokens, key_mask=live, budget=budget)
        s, J = self.encoder.norm(s), self.encoder.jumbo_multiplier
        live = None if live is None else live[:, J:]
        return Encoded(s[:, : self.slices_read].flatten(1), s[:, J:], live, normed, observed, stats)

    @torch.inference_mode()
    def attention(self, x: torch.Tensor, observed: torch.Tensor | None = None, block: int = -1) -> torch.Tensor:
        """Attention (B, N) that the Jumbo token of series (B, C, T) pays to each patch in a block."""
        normed, observed, _ = self.norm(x, observed)
        tokens, live = self.embed(normed, observed)
        return self.encoder.patch_attention(tokens, block, key_mask=live)

    @torch.inference_mode()
    def patch_depths(
        self, x: torch.Tensor, observed: torch.Tensor | None = None, budget: ComputeBudget | None = None
    ) -> torch.Tensor:
        """Blocks (B, N) that each patch of series goes through at a compute budget (None: ``default_budget``)."""
        budget = self.default_budget if budget is None else budget
        normed, observed, _ = self.norm(x, observed)
        tokens, live = self._tokens(normed, observed, budget)
        return self.encoder.patch_depths(tokens, budget, key_mask=live)

    def _tokens(
        self, normed: torch.Tensor, observed: torch.Tensor | None, budget: ComputeBudget
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Patch tokens of normalised series at the resolution of a budget, and which of them hold an observed step."""
        steps = normed.shape[-1]
        (read,) = budget.input_size((steps,), (self.embed.patch_stride,))
        if read == steps:
            return self.embed(normed, observed)
        return self.embed(*resample_time(normed, observed, read), stretch=steps / read)


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
        self.from_covariates = nn.Linear(len(covariates), 1, bias=False) if covariates else None
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
        """Input of the linear part: lags (B, L), the last value (B, 1), covariates (B, H, K), in normalised units; and
        the statistics of the normalisation."""
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
        """Lags as distances from the last value (as in NLinear), this value, and the covariates of each step."""
        L = self.context
        ahead = normed[:, 1:, L:].transpose(1, 2)  # (B, H, K)
        context, seen = normed[:, 0, :L], None if observed is None else observed[:, 0, :L]
        if self.encoder.norm.kind == "difference":
            return context, torch.zeros_like(context[:, :1]), ahead
        last = last_observed(context, seen)
        away = context - last if seen is None else (context - last) * seen
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
