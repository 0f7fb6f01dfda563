"""Demand that is mostly zero: the times of demand, and its sizes.

Croston, Forecasting and stock control for intermittent demands, Operational Research Quarterly 1972: sizes and
intervals. Here whether there is demand depends on the step before (a Markov chain), on a drifting rate and a season.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from timeseries.synthetic.randomness import log_uniform, sometimes, walk
from timeseries.synthetic.seasons import Seasons, draw_seasons, seasonal


class Intermittent(NamedTuple):
    """All (n,): log odds of demand, how they drift a step, what demand in the step before adds, and sizes."""

    odds: np.ndarray
    drift: np.ndarray
    stickiness: np.ndarray
    size: np.ndarray  # mean of what is above 1
    dispersion: np.ndarray  # shape of the gamma mixture of Poisson rates
    size_drift: np.ndarray
    pack: np.ndarray
    season: Seasons


def parameters(rng: Generator, periods: np.ndarray, steps: int) -> Intermittent:
    n = len(periods)
    share = log_uniform(rng, 0.04, 0.9, n)
    season = draw_seasons(rng, periods[:, 0], sometimes(rng, 0.5, rng.uniform(0.2, 1.5, n)))
    return Intermittent(
        odds=np.log(share / (1 - share)),
        drift=sometimes(rng, 0.5, log_uniform(rng, 0.2, 2, n) / np.sqrt(steps)),
        stickiness=sometimes(rng, 0.4, rng.normal(0.7, 1, n)),
        size=sometimes(rng, 0.85, log_uniform(rng, 0.2, 200, n)),
        dispersion=log_uniform(rng, 0.3, 20, n),
        size_drift=sometimes(rng, 0.4, log_uniform(rng, 0.1, 1, n) / np.sqrt(steps)),
        pack=rng.choice([1, 1, 1, 1, 1, 1, 5, 6, 10, 12, 25, 100], n),
        season=season,
    )


def series(rng: Generator, p: Intermittent, steps: int) -> np.ndarray:
    n = len(p.odds)
    odds = (p.odds[:, None] + walk(rng, p.drift, steps) + seasonal(rng, p.season, steps)).T
    uniform, wanted, before = rng.random((steps, n)), np.empty((steps, n), bool), np.zeros(n)
    for t in range(steps):
        wanted[t] = uniform[t] * (1 + np.exp(-np.clip(odds[t] + p.stickiness * before, -30, 30))) < 1
        before = wanted[t]
    rates = p.size[:, None] * np.exp(np.clip(walk(rng, p.size_drift, steps), -4, 4))
    rates *= rng.gamma(p.dispersion[:, None], 1 / p.dispersion[:, None], (n, steps))
    return p.pack[:, None] * wanted.T * (1.0 + rng.poisson(rates))
