"""The weigher: a Jumbo encoder that reads a series and the experts' forecasts, and mixes these forecasts.

After feature-based forecast model averaging (FFORMA, Montero-Manso et al., International Journal of Forecasting 2020),
with learned features. In a convex mixture, the weights show which experts make the forecast, and the mixture cannot be
worse than its worst member.
"""

from typing import Any, NamedTuple

import torch
from scipy.stats import norm
from torch import nn

from .series_encoder import SeriesEncoder

LEVELS = (0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975)
PLACES = 16  # evenly spaced steps of the horizon at which the network reads the experts' forecasts
FACTS = 16  # numbers that describe a series: its length, horizon, periods and scale (see ``fitting.cases``)
PAST = 4  # numbers that describe an expert's errors in the past

_BOUND = 0.5  # largest correction, in spreads
_WIDEST = 3.0  # largest factor between a quantile step and that of a normal distribution, as a logarithm


class Case(NamedTuple):
    """Input of the weigher for B series, in units of each series (see ``fitting.cases``).

    Attributes:
        context, observed: The end of each series, padded at its start, and flags of its observed steps, both (B, L).
        facts: Numbers that describe the series, and the median of the experts' forecasts (B, FACTS + PLACES).
        briefs: For each of E experts, its forecasts and spreads at a few steps, and its past errors
            (B, E, 2 * PLACES + PAST).
        points, spreads: Forecasts of the experts, and their standard deviations (B, E, S).
        places: Position of each of S steps in the horizon, from 0 for the first to 1 for the last (B, S).
    """

    context: torch.Tensor
    observed: torch.Tensor
    facts: torch.Tensor
    briefs: torch.Tensor
    points: torch.Tensor
    spreads: torch.Tensor
    places: torch.Tensor


class Verdict(NamedTuple):
    """Output of the weigher: ``center`` (B, S), the mixture plus a bounded correction; ``offsets`` (B, S, Q) of the
    quantiles at ``LEVELS`` from the centre, rising; ``weights`` of the experts (B, S, E)."""

    center: torch.Tensor
    offsets: torch.Tensor
    weights: torch.Tensor


class ExpertWeigher(nn.Module):
    """Weighs the forecasts of E experts, for each block of the horizon, and adds quantiles to their mixture.

    Args:
        experts: Number of experts, E.
        context: Steps of a series that are read, L.
        patch_length: Steps in a patch.
        blocks: Number of blocks of the horizon, K. Weights and quantiles are interpolated linearly between the middles
            of the blocks.
        encoder: Sizes, as keyword arguments of ``JumboEncoder``.

    Attributes:
        sizes: All arguments except the number of experts, to build the same network again.
    """

    def __init__(
        self, experts: int, context: int = 256, patch_length: int = 8, blocks: int = 6, **encoder: Any
    ) -> None:
        super().__init__()
        self.context, self.patch_length, self.blocks = context, patch_length, blocks
        self.sizes = dict(context=context, patch_length=patch_length, blocks=blocks, **encoder)
        self.encoder = SeriesEncoder(1, context, patch_length, patch_length, align="end", **encoder)
        D, jumbo = self.encoder.encoder.embed_dim, self.encoder.jumbo_width
        self.of_expert = nn.Parameter(0.1 * torch.randn(experts, D))
        self.from_brief = nn.Sequential(nn.Linear(2 * PLACES + PAST, 2 * D), nn.GELU(), nn.Linear(2 * D, D))
        self.from_facts = nn.Sequential(nn.Linear(FACTS + PLACES, 2 * D), nn.GELU(), nn.Linear(2 * D, D))
        self.record = nn.Parameter(torch.tensor([1.0, 1.0, 0.5, 0.0]))  # at first, only past errors set the weights
        self.weigh, self.speak = nn.Linear(jumbo, blocks * experts), nn.Linear(D, blocks)
        self.correct, self.stretch = nn.Linear(jumbo, blocks), nn.Linear(jumbo, blocks * (len(LEVELS) - 1))
        for linear in (self.weigh, self.speak, self.correct, self.stretch):
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)
        scores = torch.tensor(norm.ppf(LEVELS), dtype=torch.float32)
        self.register_buffer("normal_steps", scores.diff(), persistent=False)

    def forward(self, case: Case) -> Verdict:
        """Forecast the series of a case, in its units."""
        K, B, E = self.blocks, *case.points.shape[:2]
        experts = self.from_brief(case.briefs) + self.of_expert
        beside = torch.cat([experts, self.from_facts(case.facts)[:, None]], dim=1)
        begin = 0 if self.training else self._begin(case.observed)
        e = self.encoder(case.context[:, None, begin:], case.observed[:, None, begin:], beside=beside)
        spoken = self.speak(e.patches[:, -E - 1 : -1]).transpose(1, 2)  # (B, K, E)
        record = case.briefs[..., -PAST:] @ self.record
        scores = self.weigh(e.jumbo).view(B, K, E) + spoken - record[:, None]
        at = _interpolation(case.places, K).to(scores.dtype)  # (B, S, K)
        weights = at @ scores.softmax(dim=-1)
        mixed = torch.einsum("bse,bes->bs", weights, case.points)
        apart = (case.points - mixed[:, None]).square() + case.spreads.square()
        spread = torch.einsum("bse,bes->bs", weights, apart).clamp(min=1e-12).sqrt()  # law of total variance
        center = mixed + _BOUND * (at @ self.correct(e.jumbo).tanh()[..., None])[..., 0] * spread
        steps = self.normal_steps * (_WIDEST * (self.stretch(e.jumbo).view(B, K, -1) / _WIDEST).tanh()).exp()
        steps = at @ steps * spread[..., None]  # (B, S, Q - 1)
        m = LEVELS.index(0.5)
        below, above = -steps[..., :m].flip(-1).cumsum(-1).flip(-1), steps[..., m:].cumsum(-1)
        return Verdict(center, torch.cat([below, torch.zeros_like(center)[..., None], above], dim=-1), weights)

    def _begin(self, observed: torch.Tensor) -> int:
        """The step from which on there is something to read: patches before it take time and tell nothing."""
        seen = observed.any(dim=0)
        return int(seen.int().argmax()) // self.patch_length * self.patch_length if seen.any() else 0


def best_in_past(case: Case) -> torch.Tensor:
    """The expert (B,) with the least error on the end of each series: what a rule would choose."""
    return case.briefs[..., -3:-1].sum(dim=-1).argmin(dim=1)


def _interpolation(places: torch.Tensor, blocks: int) -> torch.Tensor:
    """Weights (B, S, K) of the blocks at each position, for linear interpolation between the middles of blocks."""
    at = (places * blocks - 0.5).clamp(0, blocks - 1)
    return (1 - (at[..., None] - torch.arange(blocks, device=places.device)).abs()).clamp(min=0)
