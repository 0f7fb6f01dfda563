"""Seasons: profiles over one period, whose shape and size change from cycle to cycle.

The time-varying weights of several profiles are a low-rank form of the trigonometric season of Harvey, Forecasting,
Structural Time Series Models and the Kalman Filter, 1989, section 2.3.4.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from timeseries.synthetic.randomness import chance, log_uniform, sometimes, walk

_HARMONICS = 6
# how often a profile is rough, smooth, spiky, a block; below 20 positions, and from there on
_KINDS = (np.array([0.45, 0.3, 0.15, 0.1]), np.array([0.05, 0.75, 0.08, 0.12]))


class Seasons(NamedTuple):
    """n seasons: profiles (n, 3, longest period), period (n,), deviation of the season (n,), change a cycle (n,)."""

    profiles: np.ndarray
    period: np.ndarray
    size: np.ndarray
    change: np.ndarray


def profiles(rng: Generator, period: np.ndarray) -> np.ndarray:
    """One profile a series (n, longest period), of mean 0 and deviation 1 over its period; 0 for the period 1."""
    n, longest = len(period), int(period.max())
    position = np.arange(longest)
    inside = position < period[:, None]
    angle = 2 * np.pi * position / period[:, None]
    rough = rng.standard_normal((n, longest))
    decay, smooth = np.where(period < 20, rng.uniform(0.3, 2.3, n), rng.uniform(0.8, 4, n)), np.zeros((n, longest))
    for k in range(1, _HARMONICS + 1):
        weight, phase = rng.standard_normal(n) * k**-decay, rng.uniform(0, 2 * np.pi, n)
        smooth += weight[:, None] * np.cos(k * angle + phase[:, None])
    spiky = rng.standard_exponential((n, longest)) ** rng.uniform(1, 3, n)[:, None]
    spiky *= np.where(chance(rng, 0.7, n), 1, -1)[:, None]
    start, width = rng.random((2, n, 1))
    block = ((position / period[:, None] - start) % 1 < 0.15 + 0.6 * width) * 2.0 + 0.3 * smooth
    kinds = np.cumsum(np.where((period < 20)[:, None], *_KINDS), axis=1)
    kind = (rng.random(n)[:, None] > kinds[:, :3]).sum(axis=1)
    chosen = np.choose(kind[:, None], [rough, smooth, spiky, block])
    chosen = (
        chosen + (sometimes(rng, 0.6, log_uniform(rng, 0.01, 0.3, n)) * np.where(period < 20, 1, 0.3))[:, None] * rough
    ) * inside
    chosen -= chosen.sum(axis=1, keepdims=True) / period[:, None]
    chosen *= inside
    deviation = np.sqrt((chosen**2).sum(axis=1, keepdims=True) / period[:, None])
    return chosen / np.where(deviation > 1e-9, deviation, 1)


def draw_seasons(rng: Generator, period: np.ndarray, size: np.ndarray) -> Seasons:
    """Seasons of these deviations (n,); those of period 1 are 0."""
    n = len(period)
    shapes = np.stack([profiles(rng, period) for _ in range(3)], axis=1)
    # a year changes what a day does not
    change = sometimes(rng, 0.6, log_uniform(rng, 0.01, 0.4, n)) * np.where(period < 20, 1, 0.3)
    return Seasons(shapes, period, size * (period > 1), change)


def draw_week(rng: Generator, periods: np.ndarray, size: np.ndarray) -> Seasons:
    """The season of the second period: a level for each of the main periods in it, as days have in a week."""
    main, second = periods.T
    days = np.where(second > 1, second // main, 1)
    weeks = draw_seasons(rng, days, size)
    index = np.minimum(np.arange(max(int(second.max()), 1)) // main[:, None], days[:, None] - 1)
    spread = np.take_along_axis(weeks.profiles, index[:, None, :].repeat(3, axis=1), axis=2)
    return weeks._replace(profiles=spread, period=second)


def seasonal(rng: Generator, seasons: Seasons, steps: int) -> np.ndarray:
    """The seasons over time (n, steps): the first profile, with weights of the others that walk away from 0."""
    index = np.arange(steps) % seasons.period[:, None]
    change = seasons.change / np.sqrt(seasons.period)
    total = np.zeros(index.shape)
    for k, base in enumerate((1.0, 0.0, 0.0)):
        profile = np.take_along_axis(seasons.profiles[:, k], index, axis=1)
        total += (base + walk(rng, change, steps)) * profile
    return seasons.size[:, None] * total
