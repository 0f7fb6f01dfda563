"""ARIMA with seasons: white noise, autoregressions, random walks, cycles, and ARMA of all kinds.

Partial autocorrelations between -1 and 1 give every stationary AR and every invertible MA part: Monahan, A note on
enforcing stationarity in autoregressive-moving average models, Biometrika 1984. Uniform coefficients on that region:
Jones, Randomly choosing parameters from the stationarity and invertibility region of ARMA models, Applied Statistics
1987. Seasonal parts and integration: Box and Jenkins, Time Series Analysis, 1970.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from timeseries.synthetic.randomness import chance, draw_tails, log_uniform, noise, sometimes
from timeseries.synthetic.seasons import profiles

_ORDER, _BURN = 3, 150
# white noise, AR(1), random walk, AR(2) cycles, ARMA
_KINDS = (0.1, 0.25, 0.15, 0.12, 0.38)
_WHITE, _AR1, _WALK, _CYCLE, _ARMA = range(5)


class Arima(NamedTuple):
    """AR and MA coefficients (n, 3); all else (n,), but for the first season of series with a seasonal difference."""

    ar: np.ndarray
    ma: np.ndarray
    seasonal_ar: np.ndarray  # 1: a seasonal difference
    seasonal_ma: np.ndarray
    period: np.ndarray
    season: np.ndarray
    differences: np.ndarray
    drift: np.ndarray
    tails: np.ndarray


def from_partial(partial: np.ndarray) -> np.ndarray:
    """Coefficients (n, p) of stationary autoregressions with these partial autocorrelations (n, p): Durbin-Levinson."""
    coefficients = np.zeros_like(partial)
    for k in range(partial.shape[1]):
        last, before = partial[:, k, None], coefficients[:, :k].copy()
        coefficients[:, :k] = before - last * before[:, ::-1]
        coefficients[:, k] = partial[:, k]
    return coefficients


def parameters(rng: Generator, periods: np.ndarray, steps: int) -> Arima:
    n, period = len(periods), periods[:, 0]
    kind = np.searchsorted(np.cumsum(_KINDS)[:-1], rng.random(n), side="right")
    partial = _jones(rng, n)
    # most series remember their last value with its own sign
    partial[:, 0] = np.where(chance(rng, 0.75, n), np.abs(partial[:, 0]), partial[:, 0])
    ar, ma = from_partial(partial), from_partial(_jones(rng, n))
    ar, ma = ar * (kind == _ARMA)[:, None], -ma * (kind == _ARMA)[:, None]
    ar[:, 0] = np.where(kind == _AR1, sometimes(rng, 0.93, rng.uniform(0, 0.99, n), -0.5), ar[:, 0])
    modulus, length = rng.uniform(0.8, 0.995, n), log_uniform(rng, 4, 40, n)
    cycle = np.stack([2 * modulus * np.cos(2 * np.pi / length), -(modulus**2)], axis=1)
    ar[:, :2] = np.where((kind == _CYCLE)[:, None], cycle, ar[:, :2])
    order = rng.random(n)
    slow = periods[:, 0] <= 4
    free = (order > np.where(slow, 0.25, 0.5)) * 1 + (order > 0.94) * 1
    differences = np.select([kind == _WALK, kind == _ARMA, kind == _AR1], [1, free, 1 * (order > 0.7)], 0)
    seasonal = (kind != _WHITE) & chance(rng, 0.55, n) & (period > 1)
    unit = chance(rng, 0.5, n)
    seasonal_ar = seasonal * np.where(unit, 1, rng.beta(2, 1, n) * 0.97)
    seasonal_ma = seasonal * sometimes(rng, np.where(unit, 0.9, 0.3), -rng.beta(2, 1, n))
    season = (
        profiles(rng, period) * (seasonal * unit * np.where(period >= 24, 4, 1) * log_uniform(rng, 0.3, 8, n))[:, None]
    )
    drift = (differences == 1) * sometimes(rng, 0.75, rng.choice([1, 1, 1, -1], n) * log_uniform(rng, 0.03, 1.5, n))
    drift *= min(1, (100 / steps) ** 0.5)
    return Arima(ar, ma, seasonal_ar, seasonal_ma, period, season, differences, drift, draw_tails(rng, n, 0.2))


def _jones(rng: Generator, n: int) -> np.ndarray:
    """Partial autocorrelations (n, 3) whose coefficients are uniform where they are stationary, for orders 0 to 3."""
    k = np.arange(1, _ORDER + 1)
    partial = 2 * rng.beta((k + 1) // 2, k // 2 + 1, (n, _ORDER)) - 1
    return np.clip(partial, -0.99, 0.99) * (k <= rng.integers(0, _ORDER + 1, n)[:, None])


def series(rng: Generator, p: Arima, steps: int) -> np.ndarray:
    n, total = len(p.drift), steps + _BURN
    shocks = np.ascontiguousarray(noise(rng, p.tails, total).T)
    stationary = np.zeros((total, n))
    for t in range(total):
        stationary[t] = shocks[t]
        for lag in range(1, min(_ORDER, t) + 1):
            stationary[t] += p.ar[:, lag - 1] * stationary[t - lag] + p.ma[:, lag - 1] * shocks[t - lag]
    values = _with_season(p, stationary[_BURN:]).T
    scale = np.sqrt((values - values.mean(axis=1, keepdims=True)).var(axis=1, keepdims=True) + 1e-12)
    values = np.where(p.differences[:, None] > 0, values + p.drift[:, None] * scale, values)
    for order in (1, 2):
        values = np.where(p.differences[:, None] >= order, np.cumsum(values, axis=1), values)
    season = np.take_along_axis(p.season, np.arange(steps) % p.period[:, None], axis=1)
    return values + season


def _with_season(p: Arima, driving: np.ndarray) -> np.ndarray:
    """Seasonal AR(1) and MA(1) on a stationary process (steps, n). A season before the first step has its deviation."""
    steps, n = driving.shape
    if not p.seasonal_ar.any():
        return driving
    rows, values = np.arange(n), driving.copy()
    start = np.where(p.seasonal_ar < 1, 1 / np.sqrt(1 - np.minimum(p.seasonal_ar, 0.98) ** 2), 1)
    for t in range(steps):
        before = t - p.period
        known = before >= 0
        lagged, shock = values[before * known, rows], driving[before * known, rows]
        values[t] = np.where(known, driving[t] + p.seasonal_ar * lagged + p.seasonal_ma * shock, driving[t] * start)
    return values
