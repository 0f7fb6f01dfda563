"""Series whose noise comes in clusters, as in prices and loads.

GARCH(1, 1): Bollerslev, Generalized autoregressive conditional heteroskedasticity, Journal of Econometrics 1986; on
the steps of a random walk, or around a mean that an AR(1) returns to.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from timeseries.synthetic.randomness import draw_tails, log_uniform, noise, sometimes
from timeseries.synthetic.seasons import Seasons, draw_seasons, seasonal


class Volatility(NamedTuple):
    """All (n,): the weights of the last shock and of the last variance, memory of the values (1: a walk), drift."""

    shock: np.ndarray
    variance: np.ndarray
    memory: np.ndarray
    drift: np.ndarray
    tails: np.ndarray
    season: Seasons


def parameters(rng: Generator, periods: np.ndarray, steps: int) -> Volatility:
    n = len(periods)
    shock = rng.uniform(0.02, 0.3, n)
    variance = (0.99 - shock) * rng.beta(6, 1, n)
    memory = sometimes(rng, 0.5, rng.uniform(0, 0.98, n), 1.0)
    drift = sometimes(rng, 0.5, rng.normal(0, 0.1, n)) * (memory == 1)
    season = draw_seasons(rng, periods[:, 0], sometimes(rng, 0.3, log_uniform(rng, 0.2, 4, n)))
    return Volatility(shock, variance, memory, drift, draw_tails(rng, n, 0.5), season)


def series(rng: Generator, p: Volatility, steps: int) -> np.ndarray:
    shocks = noise(rng, p.tails, steps).T.copy()
    values, variance = np.empty_like(shocks), np.ones(len(p.shock))
    value, shock = np.zeros(len(p.shock)), np.zeros(len(p.shock))
    for t in range(steps):
        if t:
            variance = 1 - p.shock - p.variance + p.shock * shock**2 + p.variance * variance
        shock = np.sqrt(np.minimum(variance, 100)) * shocks[t]
        value = p.memory * value + p.drift + shock
        values[t] = value
    return values.T + seasonal(rng, p.season, steps)
