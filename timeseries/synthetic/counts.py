"""Counts with trend and season, overdispersed: a log rate that moves, and Poisson draws of gamma mixtures of it.

Harvey and Fernandes, Time series models for count or qualitative observations, Journal of Business and Economic
Statistics 1989.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from timeseries.synthetic.randomness import autoregress, log_uniform, sometimes, walk
from timeseries.synthetic.seasons import Seasons, draw_seasons, draw_week, seasonal


class Counts(NamedTuple):
    """All (n,): the rate, and on the log scale its drift and deviations; infinite dispersion is plain Poisson."""

    rate: np.ndarray
    drift: np.ndarray
    level: np.ndarray
    memory: np.ndarray
    ripple: np.ndarray
    dispersion: np.ndarray
    season: Seasons
    week: Seasons


def parameters(rng: Generator, periods: np.ndarray, steps: int) -> Counts:
    n = len(periods)
    fine = periods[:, 0] >= 24
    size = sometimes(rng, np.where(fine, 0.9, 0.75), log_uniform(rng, 0.05, 1, n) * np.where(fine, 1.5, 1))
    return Counts(
        rate=log_uniform(rng, 0.5, 5000, n),
        drift=sometimes(rng, 0.5, rng.normal(0, 0.8, n)) / steps,
        level=sometimes(rng, 0.7, log_uniform(rng, 0.03, 1, n)) / np.sqrt(steps),
        memory=rng.uniform(0, 0.95, n),
        ripple=sometimes(rng, 0.5, log_uniform(rng, 0.02, 0.5, n)),
        dispersion=sometimes(rng, 0.6, log_uniform(rng, 1, 200, n), np.inf),
        season=draw_seasons(rng, periods[:, 0], size),
        week=draw_week(rng, periods, sometimes(rng, 0.6, size * log_uniform(rng, 0.1, 1, n))),
    )


def series(rng: Generator, p: Counts, steps: int) -> np.ndarray:
    n = len(p.rate)
    log_rate = p.drift[:, None] * np.arange(steps) + walk(rng, p.level, steps)
    log_rate += p.ripple[:, None] * autoregress(rng.standard_normal((n, steps)), p.memory)
    log_rate += seasonal(rng, p.season, steps) + seasonal(rng, p.week, steps)
    rates = p.rate[:, None] * np.exp(np.clip(log_rate, -6, 4))
    mixed = np.isfinite(p.dispersion)
    shape = np.where(mixed, p.dispersion, 1)[:, None]
    rates *= np.where(mixed[:, None], rng.gamma(shape, 1 / shape, (n, steps)), 1)
    return rng.poisson(rates).astype(np.float64)
