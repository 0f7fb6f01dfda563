"""Growth of positive quantities, such as populations, markets and products that spread; mostly yearly series.

Exponential, logistic and Gompertz curves: Meade and Islam, Forecasting with growth curves, Journal of Forecasting 1995.
On the log scale the curve is joined by a random walk, a growth rate that wanders, and noise.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from timeseries.synthetic.randomness import autoregress, draw_tails, log_uniform, noise, sometimes
from timeseries.synthetic.seasons import Seasons, draw_seasons, seasonal

_EXPONENTIAL, _LOGISTIC, _GOMPERTZ = range(3)


class Growth(NamedTuple):
    """All (n,): the curve, its rate a step and the step of its turn, and deviations on the log scale."""

    curve: np.ndarray
    rate: np.ndarray
    turn: np.ndarray
    floor: np.ndarray  # what the quantity has without growing, as a share of the curve's height
    wander: np.ndarray  # of the growth rate
    persistence: np.ndarray
    shocks: np.ndarray  # that stay
    memory: np.ndarray  # of the shocks
    ripple: np.ndarray  # that does not
    tails: np.ndarray
    season: Seasons


def parameters(rng: Generator, periods: np.ndarray, steps: int) -> Growth:
    n = len(periods)
    shocks = sometimes(rng, 0.85, log_uniform(rng, 0.003, 0.2, n)) * min(1, (40 / steps) ** 0.5)
    curve = rng.choice(3, n, p=(0.7, 0.15, 0.15))
    exponential = rng.choice([1, 1, 1, 1, -0.5], n) * log_uniform(rng, 0.15, 4, n) / steps
    size = sometimes(rng, 0.6, log_uniform(rng, 0.02, 0.4, n))
    return Growth(
        curve=curve,
        rate=np.where(curve == _EXPONENTIAL, exponential, log_uniform(rng, 3, 15, n) / steps),
        turn=rng.uniform(-0.3, 1.3, n) * steps,
        floor=log_uniform(rng, 0.05, 3, n),
        wander=sometimes(rng, 0.6, log_uniform(rng, 0.1, 1.5, n)) / steps,
        persistence=1 - np.minimum(log_uniform(rng, 1, 12, n) / max(steps, 12), 0.9),
        shocks=shocks,
        memory=sometimes(rng, 0.6, rng.uniform(-0.1, 0.7, n)),
        ripple=sometimes(rng, 0.5, log_uniform(rng, 0.002, 0.1, n)),
        tails=draw_tails(rng, n),
        season=draw_seasons(rng, periods[:, 0], size),
    )


def series(rng: Generator, p: Growth, steps: int) -> np.ndarray:
    n, since = len(p.rate), np.arange(steps) - p.turn[:, None]
    turned = np.clip(p.rate[:, None] * since, -30, 30)
    logistic = np.log(p.floor[:, None] + 1 / (1 + np.exp(-turned)))
    gompertz = np.log(p.floor[:, None] + np.exp(-np.exp(-turned)))
    trend = np.choose(p.curve[:, None], [p.rate[:, None] * np.arange(steps), logistic, gompertz])
    rates = p.wander[:, None] * autoregress(rng.standard_normal((n, steps)), p.persistence)
    shocks = p.shocks[:, None] * autoregress(noise(rng, p.tails, steps), p.memory)
    ripple = p.ripple[:, None] * rng.standard_normal((n, steps))
    log_level = trend + np.cumsum(rates + shocks, axis=1) + ripple + seasonal(rng, p.season, steps)
    return np.exp(np.clip(log_level, -12, 12))
