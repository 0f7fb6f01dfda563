"""Exponential smoothing as a process that makes series.

The state space models of Hyndman, Koehler, Ord and Snyder, Forecasting with Exponential Smoothing, 2008, chapter 2:
additive or multiplicative errors; no, additive or damped trend; no, additive or multiplicative season. The weights lie
in the usual region of its section 2.5: 0 < beta < alpha < 1, 0 < gamma < 1 - alpha.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from timeseries.synthetic.randomness import chance, draw_tails, log_uniform, noise, sometimes
from timeseries.synthetic.seasons import profiles

_FLOOR = 0.02  # of the level, which begins at 1: multiplicative errors need a positive one


class Smoothing(NamedTuple):
    """Weights, first states and kinds, each (n,); the first season is (n, longest period)."""

    alpha: np.ndarray
    beta: np.ndarray
    gamma: np.ndarray
    damping: np.ndarray
    slope: np.ndarray
    season: np.ndarray
    period: np.ndarray
    error: np.ndarray
    relative_error: np.ndarray
    relative_season: np.ndarray
    tails: np.ndarray


def parameters(rng: Generator, periods: np.ndarray, steps: int) -> Smoothing:
    n, period = len(periods), periods[:, 0]
    error = log_uniform(rng, 0.003, 0.3, n)
    # the level may wander by about its own size in all, not by more
    most = 1.2 / (error * np.sqrt(steps))
    slow = periods[:, 0] <= 4
    alpha = np.minimum(sometimes(rng, 0.85, rng.beta(np.where(slow, 2, 1), np.where(slow, 1, 1.5)), 0.999), most)
    trended = chance(rng, np.where(slow, 0.8, 0.6), n)
    beta = np.minimum(trended * alpha * sometimes(rng, 0.6, rng.beta(1, 6, n)), 40 * most / steps)
    damping = sometimes(rng, 0.5, rng.uniform(0.8, 0.995, n), 1.0)
    gamma = sometimes(rng, 0.7, (1 - alpha) * rng.beta(1, 4, n))
    slope = trended * rng.choice([1, 1, -0.5], n) * log_uniform(rng, 0.05, 4, n) / steps / np.where(damping < 1, 0.3, 1)
    size = sometimes(rng, 0.7, np.minimum(error * log_uniform(rng, 0.3, 12, n) * np.where(period >= 24, 3, 1), 0.45))
    season = np.maximum(profiles(rng, period) * size[:, None], -0.95)
    kinds = chance(rng, 0.6, n), chance(rng, 0.5, n)
    return Smoothing(alpha, beta, gamma, damping, slope, season, period, error, *kinds, draw_tails(rng, n, 0.15))


def series(rng: Generator, p: Smoothing, steps: int) -> np.ndarray:
    n = len(p.alpha)
    errors = np.clip(p.error[:, None] * noise(rng, p.tails, steps), -0.8, 3).T.copy()
    values, level, slope, season = np.empty((steps, n)), np.ones(n), p.slope.copy(), p.season.copy()
    rows, relative = np.arange(n), p.relative_error | p.relative_season
    for t in range(steps):
        slope = p.damping * slope
        # where things are relative, a falling level tends to zero and does not pass it
        level = np.where(relative, np.maximum(level + np.maximum(slope, -0.1 * level), _FLOOR), level + slope)
        slope = np.where(relative & (level < 0.3), np.maximum(slope, -0.05 * level), slope)
        position = t % p.period
        now = season[rows, position]
        centre = np.where(p.relative_season, level * (1 + now), level + now)
        centre = np.where(p.relative_error, np.maximum(centre, _FLOOR), centre)
        error = np.where(p.relative_error, centre, 1) * errors[t]
        values[t] = centre + error
        share = np.where(p.relative_season, np.maximum(1 + now, 0.05), 1)
        level = level + p.alpha * error / share
        slope = slope + p.beta * error / share
        size = np.where(p.relative_season, np.maximum(level, _FLOOR), 1)
        season[rows, position] = np.maximum(now + p.gamma * error / size, -0.95)
    return values.T
