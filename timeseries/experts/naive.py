"""Experts that continue simple features of the past: last value, mean, drift, last period.

Source: Hyndman and Athanasopoulos, "Forecasting: Principles and Practice", sections 5.2 and 5.5 (points and the spreads
of their errors).
"""

import numpy as np

from .batch import Batch, Opinion, root_mean_square, where


def last(batch: Batch) -> Opinion:
    """The last value; the spread grows with the root of the steps."""
    y = batch.values
    counted = batch.seen[:, :-1]
    error = root_mean_square(np.diff(y, axis=1), counted, 0)
    point = np.repeat(y[:, -1:], batch.horizon, 1)
    return Opinion(point, error[:, None] * np.sqrt(np.arange(1, batch.horizon + 1)), error)


def mean(batch: Batch) -> Opinion:
    """The mean of all values; spread sigma √(1 + 1/n)."""
    centre = batch.values.sum(1) / batch.length
    error = root_mean_square(batch.values - centre[:, None], batch.seen, 1)
    point = np.repeat(centre[:, None], batch.horizon, 1)
    return Opinion(point, np.repeat((error * np.sqrt(1 + 1 / batch.length))[:, None], batch.horizon, 1), error)


def drift(batch: Batch) -> Opinion:
    """A line through the first and the last value; spread sigma √(h (1 + h / (n - 1))). Last value if n < 3."""
    y, n = batch.values, batch.length
    begin = np.take_along_axis(y, batch.first[:, None], 1)[:, 0]
    steps = np.maximum(n - 1, 1)
    slope = (y[:, -1] - begin) / steps
    error = root_mean_square(np.diff(y, axis=1) - slope[:, None], batch.seen[:, :-1], 1)
    h = np.arange(1, batch.horizon + 1)
    spread = error[:, None] * np.sqrt(h * (1 + h / steps[:, None]))
    return where(n >= 3, Opinion(y[:, -1:] + slope[:, None] * h, spread, error), last(batch))


def seasonal_naive(batch: Batch) -> Opinion:
    """The last period again; spread sigma √(k + 1) after k whole periods. Last value without more than one period."""
    return _seasonal(batch, batch.period)


def seasonal_naive_2(batch: Batch) -> Opinion:
    """The last cycle of the longer period again; of the main period if no whole longer period was observed."""
    seen = batch.length > batch.second
    if batch.second < 2 or not seen.any():
        return seasonal_naive(batch)
    return where(seen, _seasonal(batch, batch.second), seasonal_naive(batch))


def seasonal_drift(batch: Batch) -> Opinion:
    """The last period again, with the mean change from period to period. Drift without two periods."""
    y, m, T = batch.values, batch.period, batch.values.shape[1]
    whole = batch.length >= 2 * m
    if m < 2 or not whole.any():
        return drift(batch)
    change, counted = y[:, m:] - y[:, : T - m], batch.seen[:, : T - m]
    count = np.maximum(counted.sum(1), 1)
    slope = np.where(counted, change, 0.0).sum(1) / count
    error = root_mean_square(change - slope[:, None], counted, 1)
    ahead = np.arange(batch.horizon) // m + 1
    point = y[:, T - m + np.arange(batch.horizon) % m] + slope[:, None] * ahead
    periods = np.maximum(count / m, 1.0)[:, None]
    return where(whole, Opinion(point, error[:, None] * np.sqrt(ahead * (1 + ahead / periods)), error), drift(batch))


def _seasonal(batch: Batch, m: int) -> Opinion:
    y, T = batch.values, batch.values.shape[1]
    whole = batch.length > m
    if m < 2 or not whole.any():
        return last(batch)
    error = root_mean_square(y[:, m:] - y[:, : T - m], batch.seen[:, : T - m], 0)
    ahead = np.arange(batch.horizon) // m + 1
    point = y[:, T - m + np.arange(batch.horizon) % m]
    return where(whole, Opinion(point, error[:, None] * np.sqrt(ahead), error), last(batch))
