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
    irregular = sometimes(rng, 0.88, np.ones(n), 0.05)
    level = sometimes(rng, 0.7, log_uniform(rng, 0.01, 3, n))
    # how many deviations a series drifts in 60 steps: between hardly any and 30, or not at all
    drift = sometimes(rng, 0.7, rng.choice([1, 1, 1, -1], n) * log_uniform(rng, 0.3, 30, n) / 60)
    drift *= np.minimum(1, (60 / steps) ** 0.7)
    slope = sometimes(rng, 0.4, log_uniform(rng, 0.003, 0.3, n))
    persistence = 1 - log_uniform(rng, 0.005, 0.5, n)
    size = sometimes(rng, 0.7, log_uniform(rng, 0.2, 12, n))
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
