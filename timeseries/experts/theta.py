"""The dynamic optimised theta model.

Sources: Assimakopoulos and Nikolopoulos, "The theta model", 2000 (the method, and its test of a season); Fiorucci,
Pellegrini, Louzada, Petropoulos and Koehler, "Models for optimising the theta method", 2016, section 3 (the dynamic
form, equations 3.2 to 3.6).
"""

import numpy as np

from .batch import Batch, Opinion, where
from .naive import last
from .smoothing import MOST, spread_of

_LEAST = 4  # observations
_ALPHAS = np.concatenate([np.linspace(0.02, 0.3, 15), np.linspace(0.34, 0.99, 17)])
_STEPS = np.linspace(-0.9, 0.9, 7)  # of the second grid, as parts of the distance to the neighbour
_SKIP = 2  # first errors that do not count: two values make a line
_MOST_SHARE = 1 - 1e-9  # of the line in the forecast, 1 - 1 / theta


def theta(batch: Batch) -> Opinion:
    """Forecasts of the adjusted series by a smoothed level and the line through all values so far.

    For any rate of the level, errors are linear in the initial level and in 1 - 1 / theta: only the rate is searched.
    Last value with fewer than 4 observations.
    """
    T = batch.values.shape[1]
    begin = max(0, T - MOST)
    y = np.ascontiguousarray(batch.adjusted.values[:, begin:].T)
    first = np.maximum(batch.first - begin, 0)
    n = y.shape[1]
    age = np.arange(len(y))[:, None] - first + 1  # 1 for the first observation
    mean, intercept, slope = _lines(y, age)
    grid = np.broadcast_to(_ALPHAS[:, None], (len(_ALPHAS), n))
    loss, *_ = _losses(y, age, intercept, slope, grid)
    best = loss.argmin(0)
    gap = np.gradient(_ALPHAS)[best]
    grid = np.clip(_ALPHAS[best] + _STEPS[:, None] * gap, _ALPHAS[0], _ALPHAS[-1])
    loss, initial, share = _losses(y, age, intercept, slope, grid)
    best = loss.argmin(0), np.arange(n)
    alpha, initial, share = grid[best], initial[best], share[best]
    errors, level, power = _errors(y, age, intercept, slope, alpha, initial, share)
    point = _ahead(batch.horizon, level, power, alpha, share, mean[-1], intercept[-1], slope[-1], age[-1])
    season = batch.season
    scaled = errors.T * season.past_factor(T)[:, begin:]
    counted = (age > _SKIP).T
    parameters = 3 + season.real * (batch.period - 1)
    squares = np.where(counted, scaled, 0.0) ** 2
    error = np.sqrt(squares.sum(1) / np.maximum(counted.sum(1) - parameters, 1))
    weights = np.broadcast_to(alpha[:, None], (n, batch.horizon))
    found = Opinion(season.restore(point.T), spread_of(error, weights, season, batch), error)
    return where(batch.length >= _LEAST, found, last(batch))


def _lines(y: np.ndarray, age: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, intercept and slope of the least-squares line through the values up to each step, (T, n) each."""
    mean, intercept, slope = np.zeros_like(y), np.zeros_like(y), np.zeros_like(y)
    before = np.zeros(y.shape[1]), np.zeros(y.shape[1])
    for t in range(len(y)):
        before = _line(y[t], np.maximum(age[t], 1), *before)
        mean[t], slope[t] = before
        intercept[t] = mean[t] - (np.maximum(age[t], 1) + 1) / 2 * slope[t]
    return mean, intercept, slope


def _line(value: np.ndarray, age: np.ndarray, mean: np.ndarray, slope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and slope with one value more."""
    slope = np.where(age > 1, ((age - 2) * slope + 6 / age * (value - mean)) / (age + 1), 0.0)
    return ((age - 1) * mean + value) / age, slope


def _losses(
    y: np.ndarray, age: np.ndarray, intercept: np.ndarray, slope: np.ndarray, alpha: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Least squares over the initial level and the share of the line for rates (G, n): loss, level, share."""
    level, power, keep = np.zeros_like(alpha), np.ones_like(alpha), 1 - alpha
    e, line, work = np.empty_like(alpha), np.empty_like(alpha), np.empty_like(alpha)
    ee, eu, ec, uu, uc, cc = (np.zeros_like(alpha) for _ in range(6))
    oldest = age[:, age[-1].argmin()]
    for t in range(len(y)):
        np.subtract(y[t], level, out=e)
        if oldest[t] > _SKIP or (age[t] > _SKIP).any():
            np.multiply(power, keep, out=line)
            np.subtract(1, line, out=line)
            line /= alpha
            line *= slope[t - 1]
            line += np.multiply(power, intercept[t - 1], out=work)
            counted = 1.0 if oldest[t] > _SKIP else (age[t] > _SKIP).astype(float)
            u, c, f = power * counted, line * counted, e * counted
            ee += np.multiply(f, f, out=work)
            eu += np.multiply(f, u, out=work)
            ec += np.multiply(f, c, out=work)
            uu += np.multiply(u, u, out=work)
            uc += np.multiply(u, c, out=work)
            cc += np.multiply(c, c, out=work)
        e *= alpha
        if oldest[t] >= 1:
            level += e
            power *= keep
        else:
            level += np.where(age[t] >= 1, e, 0.0)
            power *= np.where(age[t] >= 1, keep, 1.0)
    uu, cc = uu * (1 + 1e-9) + 1e-12, cc * (1 + 1e-9) + 1e-300
    share = np.clip((uu * ec - uc * eu) / (uu * cc - uc**2 + 1e-300), 0.0, _MOST_SHARE)
    initial = (eu - share * uc) / uu
    loss = ee + initial**2 * uu + share**2 * cc - 2 * (initial * eu + share * ec - initial * share * uc)
    return loss, initial, share


def _errors(
    y: np.ndarray,
    age: np.ndarray,
    intercept: np.ndarray,
    slope: np.ndarray,
    alpha: np.ndarray,
    initial: np.ndarray,
    share: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Errors (T, n), and the level and power of the rate after the last step."""
    level, power, errors = initial.copy(), np.ones_like(alpha), np.zeros_like(y)
    for t in range(len(y)):
        on = age[t] >= 1
        if t:
            line = power * intercept[t - 1] + (1 - power * (1 - alpha)) / alpha * slope[t - 1]
            errors[t] = np.where(age[t] > 1, y[t] - level - share * line, 0.0)
        level = np.where(on, alpha * y[t] + (1 - alpha) * level, level)
        power = np.where(on, power * (1 - alpha), power)
    return errors, level, power


def _ahead(
    H: int,
    level: np.ndarray,
    power: np.ndarray,
    alpha: np.ndarray,
    share: np.ndarray,
    mean: np.ndarray,
    intercept: np.ndarray,
    slope: np.ndarray,
    age: np.ndarray,
) -> np.ndarray:
    """Forecasts (H, n): each one is taken for the value of its step."""
    point = np.empty((H, len(level)))
    for h in range(H):
        point[h] = level + share * (power * intercept + (1 - power * (1 - alpha)) / alpha * slope)
        age = age + 1
        mean, slope = _line(point[h], age, mean, slope)
        intercept = mean - (age + 1) / 2 * slope
        level = alpha * point[h] + (1 - alpha) * level
        power = power * (1 - alpha)
    return point
