"""A Jumbo token that weighs experts: it reads a series and what each expert says of it, and mixes their forecasts.

After feature-based forecast model averaging (FFORMA, Montero-Manso et al., International Journal of Forecasting 2020),
with features that are learned. A convex mixture says which expert spoke, and cannot be worse than its worst member.
"""

from typing import Any, NamedTuple

import torch
from scipy.stats import norm
from torch import nn

from .network import SeriesEncoder

LEVELS = (0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975)
PLACES = 16  # of the horizon, at even distances, at which the network reads what an expert says
FACTS = 16  # numbers that tell a series' length, horizon, periods and size (see ``fitting.cases``)
PAST = 4  # numbers that tell how an expert did in the past

_BOUND = 0.5  # of the correction, in spreads
_WIDEST = 3.0  # how far a quantile may leave that of a normal distribution, as a logarithm


class Case(NamedTuple):
    """What there is to say about B series, in units of each (see ``fitting.cases``).

    Attributes:
        context: The end of the series, left-padded (B, L), and where it is observed (B, L).
        observed: See there.
        facts: (B, FACTS + PLACES).
        briefs: What each of E experts says at a few places, and how it did (B, E, 2 * PLACES + PAST).
        points, spreads: Forecasts of the experts and their standard deviations (B, E, S).
        places: Where each of S steps lies in the horizon, 0 the first and 1 the last (B, S).
    """

    context: torch.Tensor
    observed: torch.Tensor
    facts: torch.Tensor
    briefs: torch.Tensor
    points: torch.Tensor
    spreads: torch.Tensor
    places: torch.Tensor


class Verdict(NamedTuple):
    """``center`` (B, S), ``offsets`` (B, S, Q) of the quantiles at ``LEVELS``, which rise, and each expert's weight
    (B, S, E): the centre is their mixture and a bounded correction."""

    center: torch.Tensor
    offsets: torch.Tensor
    weights: torch.Tensor


class ExpertWeigher(nn.Module):
    """Weighs the forecasts of E experts, block by block of the horizon, and gives their mixture its quantiles.

    Args:
        experts: How many, E.
        context: Steps of a series that are read, L.
        patch_length: Steps in a patch.
        blocks: Of the horizon, K: between their middles weights and quantiles go over linearly.
        encoder: Sizes, as keyword arguments of ``JumboEncoder``.

    Attributes:
        sizes: All arguments but the number of experts, from which the same network is built again.
    """

    def __init__(
        self, experts: int, context: int = 256, patch_length: int = 8, blocks: int = 6, **encoder: Any
    ) -> None:
        super().__init__()
        self.context, self.blocks = context, blocks
        self.sizes = dict(context=context, patch_length=patch_length, blocks=blocks, **encoder)
        self.encoder = SeriesEncoder(1, context, patch_length, patch_length, align="end", **encoder)
        D, jumbo = self.encoder.encoder.embed_dim, self.encoder.jumbo_width
        self.of_expert = nn.Parameter(0.1 * torch.randn(experts, D))
        self.from_brief = nn.Sequential(nn.Linear(2 * PLACES + PAST, 2 * D), nn.GELU(), nn.Linear(2 * D, D))
        self.from_facts = nn.Sequential(nn.Linear(FACTS + PLACES, 2 * D), nn.GELU(), nn.Linear(2 * D, D))
        self.record = nn.Parameter(torch.tensor([1.0, 1.0, 0.5, 0.0]))  # at first, past errors alone tell
        self.weigh, self.speak = nn.Linear(jumbo, blocks * experts), nn.Linear(D, blocks)
        self.correct, self.stretch = nn.Linear(jumbo, blocks), nn.Linear(jumbo, blocks * (len(LEVELS) - 1))
        for linear in (self.weigh, self.speak, self.correct, self.stretch):
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)
        scores = torch.tensor(norm.ppf(LEVELS), dtype=torch.float32)
        self.register_buffer("normal_steps", scores.diff(), persistent=False)

    def forward(self, case: Case) -> Verdict:
        """Answer a case, in its units."""
        K, B, E = self.blocks, *case.points.shape[:2]
        experts = self.from_brief(case.briefs) + self.of_expert
        beside = torch.cat([experts, self.from_facts(case.facts)[:, None]], dim=1)
        e = self.encoder(case.context[:, None], case.observed[:, None], beside=beside)
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


def _interpolation(places: torch.Tensor, blocks: int) -> torch.Tensor:
    """Shares (B, S, K) of the blocks at each place: that of the block, and of the next towards whose middle it lies."""
    at = (places * blocks - 0.5).clamp(0, blocks - 1)
    return (1 - (at[..., None] - torch.arange(blocks, device=places.device)).abs()).clamp(min=0)
