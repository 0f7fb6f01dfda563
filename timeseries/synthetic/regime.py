"""Series whose rules change: level shifts, trend breaks, changes of variance and season, and switching regimes.

Breaks: Perron, The great crash, the oil price shock, and the unit root hypothesis, Econometrica 1989. Switching:
Hamilton, A new approach to the economic analysis of nonstationary time series and the business cycle, Econometrica
1989.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from timeseries.synthetic.randomness import draw_tails, log_uniform, noise, sometimes, walk
from timeseries.synthetic.seasons import Seasons, draw_seasons, draw_week, seasonal


class Regimes(NamedTuple):
    """All (n,), in deviations of the irregular; how often is a chance a step."""

    shifts: np.ndarray
    shift: np.ndarray
    bends: np.ndarray
    slope: np.ndarray
    turns: np.ndarray  # changes of variance
    turn: np.ndarray
    switches: np.ndarray  # into the other of two regimes, and back
    apart: np.ndarray  # of their means
    memories: np.ndarray  # (n, 2) AR(1) coefficients
    level: np.ndarray
    tails: np.ndarray
    season: Seasons
    week: Seasons


def parameters(rng: Generator, periods: np.ndarray, steps: int) -> Regimes:
    n = len(periods)

    def often(share):
        return np.minimum(sometimes(rng, share, log_uniform(rng, 0.5, 6, n)) / steps, 0.1)

    size = sometimes(rng, 0.6, log_uniform(rng, 0.3, 8, n) * np.where(periods[:, 0] >= 24, 3, 1))
    return Regimes(
        shifts=often(0.6),
        shift=log_uniform(rng, 1, 15, n),
        bends=often(0.6),
        slope=log_uniform(rng, 2, 60, n) / steps,
        turns=often(0.4),
        turn=rng.uniform(0.2, 1, n),
        switches=sometimes(rng, 0.35, log_uniform(rng, 0.01, 0.2, n)),
        apart=sometimes(rng, 0.7, log_uniform(rng, 0.5, 6, n)),
        memories=rng.uniform(-0.3, 0.95, (n, 2)),
        level=sometimes(rng, 0.4, log_uniform(rng, 0.02, 0.5, n)),
        tails=draw_tails(rng, n, 0.4),
        season=draw_seasons(rng, periods[:, 0], size),
        week=draw_week(rng, periods, sometimes(rng, 0.6, size * log_uniform(rng, 0.1, 1, n))),
    )


def series(rng: Generator, p: Regimes, steps: int) -> np.ndarray:
    shape = (len(p.level), steps)

    def changes(often, size):
        return np.cumsum((rng.random(shape) < often[:, None]) * size[:, None] * rng.standard_normal(shape), axis=1)

    slopes = p.slope[:, None] * rng.standard_normal((len(p.level), 1)) + changes(p.bends, p.slope)
    level = changes(p.shifts, p.shift) + np.cumsum(slopes, axis=1) + walk(rng, p.level, steps)
    spread = np.exp(np.clip(changes(p.turns, p.turn), -2, 2))
    other = np.cumsum(rng.random(shape) < p.switches[:, None], axis=1) % 2 == 1
    memories = np.where(other.T, p.memories[:, 1], p.memories[:, 0])
    driven = (noise(rng, p.tails, steps) * spread).T * np.sqrt(1 - memories**2)
    for t in range(1, steps):
        driven[t] += memories[t] * driven[t - 1]
    season = seasonal(rng, p.season, steps) + seasonal(rng, p.week, steps)
    # the mean of the other regime is approached within a few steps
    apart = p.apart[:, None] * _approach(other.astype(float), np.abs(p.memories[:, 0]))
    return level + season + apart + driven.T


def _approach(target: np.ndarray, memory: np.ndarray) -> np.ndarray:
    moved = target.T.copy()
    for t in range(1, len(moved)):
        moved[t] = memory * moved[t - 1] + (1 - memory) * moved[t]
    return moved.T
