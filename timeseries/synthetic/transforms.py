"""Changes of series, as recorded data show them: limits, rounding, outliers, temporary changes, another scale.

Each function takes values (n, steps) and changes some of the series. Outliers, patches and temporary changes are those
of Chen and Liu, Joint estimation of model parameters and outlier effects in time series, JASA 1993.
"""

import numpy as np
from numpy.random import Generator

from timeseries.synthetic.randomness import chance, log_uniform, standardised

SHARES = dict(power=0.05, zero=0.03, ceiling=0.02, single=0.07, patch=0.03, change=0.03, rounded=0.4)


def transform(rng: Generator, values: np.ndarray) -> np.ndarray:
    """Apply all changes in turn, each to a random fraction of the series (see SHARES)."""
    for change in (power, limits, outliers, rounded):
        values = change(rng, values)
    return values


def power(rng: Generator, values: np.ndarray) -> np.ndarray:
    """Powers of positive series."""
    n = len(values)
    chosen = chance(rng, SHARES["power"], n) & (values.min(axis=1) > 0)
    exponent = np.where(chosen, rng.choice([0.5, 1.5, 2.0], n), 1.0)[:, None]
    largest = np.abs(values).max(axis=1, keepdims=True) + 1e-300
    return np.where(chosen[:, None], np.abs(values / largest) ** exponent, values)


def limits(rng: Generator, values: np.ndarray) -> np.ndarray:
    """Cut off values below zero, which is put within the range of the series; or cut off values above a capacity."""
    n = len(values)
    floor, share = chance(rng, SHARES["zero"], n), rng.uniform(0.05, 0.6, n)
    ceiling, top = chance(rng, SHARES["ceiling"], n), rng.uniform(0.7, 0.98, n)
    low, high = values.min(axis=1), values.max(axis=1)
    ordered = np.sort(values, axis=1)
    rows, last = np.arange(n), values.shape[1] - 1
    zero = ordered[rows, (share * last).astype(int)]
    values = np.where(floor[:, None], np.maximum(values - zero[:, None], 0), values)
    capacity = np.where(ceiling & ~floor, low + top * (high - low), np.inf)
    return np.minimum(values, capacity[:, None])


def outliers(rng: Generator, values: np.ndarray) -> np.ndarray:
    """Single values, stretches and decaying changes, some deviations of the differences in size."""
    n, steps = values.shape
    wild = np.diff(values, axis=1, prepend=values[:, :1])
    size = wild.std(axis=1) * log_uniform(rng, 2, 12, n) * np.where(chance(rng, 0.7, n), 1, -1)
    single = chance(rng, SHARES["single"], n)[:, None] & (rng.random((n, steps)) < np.maximum(0.015, 1 / steps))
    bump = single * rng.uniform(0.4, 1.5, (n, steps)) * np.where(rng.random((n, steps)) < 0.8, 1, -1)
    since = np.arange(steps) - rng.integers(0, steps, (n, 1))
    length = rng.integers(2, max(3, min(20, steps // 4)), n)[:, None]
    patch = chance(rng, SHARES["patch"], n)[:, None] & (since >= 0) & (since < length)
    decay = chance(rng, SHARES["change"], n)[:, None] * (since >= 0) * np.exp(-np.maximum(since, 0) / length)
    changed = values + size[:, None] * (bump + patch + decay)
    return np.where(values.min(axis=1, keepdims=True) >= 0, np.maximum(changed, 0), changed)


def rounded(rng: Generator, values: np.ndarray) -> np.ndarray:
    """Round to a decimal place: that of the deviation, or one to three places after it."""
    n = len(values)
    deviation = values.std(axis=1)
    places = np.floor(np.log10(np.where(deviation > 0, deviation, 1))) - rng.choice([0, 1, 1, 1, 2, 2, 2, 3], n)
    unit = 10.0 ** places[:, None]
    chosen = chance(rng, SHARES["rounded"], n) & (deviation > 0)
    return np.where(chosen[:, None], np.round(values / unit) * unit, values)


def composed(rng: Generator, values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Sums, or products where both are positive, of two draws."""
    n = len(values)
    mine, other = standardised(values), standardised(others)
    share = rng.uniform(0.2, 1, n)[:, None]
    positive = (values.min(axis=1) > 0) & (others.min(axis=1) > 0) & chance(rng, 0.5, n)
    scale = np.abs(values).max(axis=1, keepdims=True) + 1e-300, np.abs(others).max(axis=1, keepdims=True) + 1e-300
    product = (values / scale[0]) * np.abs(others / scale[1]) ** share
    return np.where(positive[:, None], product, mine + share * other)
