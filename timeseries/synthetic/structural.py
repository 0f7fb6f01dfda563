"""Level, local trend, evolving season and irregular.

The basic structural model of Harvey, Forecasting, Structural Time Series Models and the Kalman Filter, 1989, section
2.3: deviations are drawn log-uniformly, some are 0. The slope returns to a drift, so that trends damp and turn.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from timeseries.synthetic.randomness import autoregress, draw_tails, log_uniform, noise, sometimes, walk
from timeseries.synthetic.seasons import Seasons, draw_seasons, draw_week, seasonal


class Structural(NamedTuple):
    """Deviations of what a step adds to the level, of the slope and of the irregular; all (n,)."""

    level: np.ndarray
    drift: np.ndarray
    slope: np.ndarray
    persistence: np.ndarray  # of the slope, from step to step
    irregular: np.ndarray
    memory: np.ndarray  # AR(1) coefficient of the irregular
    tails: np.ndarray
    season: Seasons
    week: Seasons


def parameters(rng: Generator, periods: np.ndarray, steps: int) -> Structural:
    n = len(periods)
    slow = periods[:, 0] <= 4
    # yearly and quarterly values are sums of many: what is irregular in them is small beside what stays
    irregular = np.where(slow, log_uniform(rng, 0.03, 1.2, n), sometimes(rng, 0.88, np.ones(n), 0.05))
    level = sometimes(rng, np.where(slow, 0.9, 0.6), np.where(slow, 1, log_uniform(rng, 0.01, 3, n)))
    drift = sometimes(
        rng, 0.75, rng.choice([1, 1, 1, 1, -1], n) * np.where(slow, 2, 1) * log_uniform(rng, 0.02, 1.5, n)
    )
    drift *= np.hypot(level, irregular) * min(1, (40 / steps) ** 0.7)
    slope = sometimes(rng, np.where(slow, 0.6, 0.4), np.where(slow, 2, 1) * log_uniform(rng, 0.003, 0.3, n))
    persistence = 1 - log_uniform(rng, 0.005, 0.5, n)
    size = np.where(periods[:, 0] >= 24, log_uniform(rng, 0.5, 60, n), log_uniform(rng, 0.2, 10, n))
    size = sometimes(rng, np.where(periods[:, 0] >= 24, 0.85, 0.7), size * np.where(slow, irregular * 1.5, 1))
    season = draw_seasons(rng, periods[:, 0], size)
    week = draw_week(rng, periods, sometimes(rng, 0.6, size * log_uniform(rng, 0.1, 1, n)))
    memory = sometimes(rng, 0.3, rng.uniform(-0.4, 0.9, n))
    return Structural(level, drift, slope, persistence, irregular, memory, draw_tails(rng, n), season, week)


def series(rng: Generator, p: Structural, steps: int) -> np.ndarray:
    n = len(p.level)
    slopes = p.drift[:, None] + p.slope[:, None] * autoregress(rng.standard_normal((n, steps)), p.persistence)
    trend = np.cumsum(slopes, axis=1) + walk(rng, p.level, steps)
    irregular = p.irregular[:, None] * autoregress(noise(rng, p.tails, steps), p.memory)
    return trend + seasonal(rng, p.season, steps) + seasonal(rng, p.week, steps) + irregular
