"""The dynamic optimised theta model.

Sources: Assimakopoulos and Nikolopoulos, "The theta model", 2000 (the method, and its test of a season); Fiorucci,
Pellegrini, Louzada, Petropoulos and Koehler, "Models for optimising the theta method", 2016, section 3 (the dynamic
form, equations 3.2 to 3.6).
"""

import numpy as np

from .batch import Batch, Opinion, from_start, to_end, where
from .naive import last
from .smoothing import MOST, spread_of

_LEAST = 4  # observations
_ALPHAS = np.concatenate([np.linspace(0.02, 0.3, 15), np.linspace(0.34, 0.99, 17)])
_STEPS = np.linspace(-0.9, 0.9, 7)  # of the second grid, as parts of the distance to the neighbour
_BLOCK = 8  # steps whose products are summed at once
_SKIP = 2  # first errors that do not count: two values make a line
_MOST_SHARE = 1 - 1e-9  # of the line in the forecast, 1 - 1 / theta


def theta(batch: Batch) -> Opinion:
    """Forecasts of the adjusted series by a smoothed level and the line through all values so far.

    For any rate of the level, errors are linear in the initial level and in 1 - 1 / theta: only the rate is searched.
    Last value with fewer than 4 observations.
    """
    T = batch.values.shape[1]
    begin = max(0, T - MOST)
    first = np.maximum(batch.first - begin, 0)
    length, n = T - begin - first, len(first)
    y = from_start(batch.adjusted.values[:, begin:], first)
    mean, intercept, slope = _lines(y)
    loss, *_ = _losses_of_shared(y, length, intercept, slope, _ALPHAS)
    best = loss.argmin(0)
    gap = np.gradient(_ALPHAS)[best]
    grid = np.clip(_ALPHAS[best] + _STEPS[:, None] * gap, _ALPHAS[0], _ALPHAS[-1])
    loss, initial, share = _losses(y, length, intercept, slope, grid)
    best = loss.argmin(0), np.arange(n)
    alpha, initial, share = grid[best], initial[best], share[best]
    errors, level, power = _errors(y, length, intercept, slope, alpha, initial, share)
    end = length - 1, np.arange(n)
    point = _ahead(batch.horizon, level, power, alpha, share, mean[end], intercept[end], slope[end], length)
    season = batch.season
    scaled = to_end(errors, first) * season.past_factor(T)[:, begin:]
    counted = np.arange(T - begin) >= first[:, None] + _SKIP
    parameters = 3 + season.real * (batch.period - 1)
    squares = np.where(counted, scaled, 0.0) ** 2
    error = np.sqrt(squares.sum(1) / np.maximum(counted.sum(1) - parameters, 1))
    weights = np.broadcast_to(alpha[:, None], (n, batch.horizon))
    found = Opinion(season.restore(point.T), spread_of(error, weights, season, batch), error)
    return where(batch.length >= _LEAST, found, last(batch))


def _lines(y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, intercept and slope of the least-squares line through the values up to each step, (T, n) each."""
    mean, intercept, slope = np.zeros_like(y), np.zeros_like(y), np.zeros_like(y)
    before = np.zeros(y.shape[1]), np.zeros(y.shape[1])
    for t in range(len(y)):
        before = _line(y[t], np.array(t + 1), *before)
        mean[t], slope[t] = before
        intercept[t] = mean[t] - (t + 2) / 2 * slope[t]
    return mean, intercept, slope


def _line(value: np.ndarray, age: np.ndarray, mean: np.ndarray, slope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and slope with one value more."""
    slope = np.where(age > 1, ((age - 2) * slope + 6 / age * (value - mean)) / (age + 1), 0.0)
    return ((age - 1) * mean + value) / age, slope


def _losses(
    y: np.ndarray, length: np.ndarray, intercept: np.ndarray, slope: np.ndarray, alpha: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Least squares over the initial level and the share of the line for rates (G, n): loss, level, share."""
    level, power, keep = np.zeros_like(alpha), np.ones_like(alpha), 1 - alpha
    e, line, work = np.empty_like(alpha), np.empty_like(alpha), np.empty_like(alpha)
    ee, eu, ec, uu, uc, cc = (np.zeros_like(alpha) for _ in range(6))
    for t in range(length.max()):
        np.subtract(y[t], level, out=e)
        if t >= _SKIP:
            np.multiply(power, keep, out=line)
            np.subtract(1, line, out=line)
            line /= alpha
            line *= slope[t - 1]
            line += np.multiply(power, intercept[t - 1], out=work)
            u, c, f = power, line, e
            if not (there := length > t).all():
                u, c, f = power * there, line * there, e * there
            ee += np.multiply(f, f, out=work)
            eu += np.multiply(f, u, out=work)
            ec += np.multiply(f, c, out=work)
            uu += np.multiply(u, u, out=work)
            uc += np.multiply(u, c, out=work)
            cc += np.multiply(c, c, out=work)
        e *= alpha
        level += e
        power *= keep
    return _least(ee, eu, ec, uu, uc, cc)


def _losses_of_shared(
    y: np.ndarray, length: np.ndarray, intercept: np.ndarray, slope: np.ndarray, alpha: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same for rates (G,) of all series: how errors depend on the level and on the line is then the same for all,
    and sums over the steps are products of matrices."""
    T, n, G = length.max(), y.shape[1], len(alpha)
    steps = np.arange(T)
    keep = (1 - alpha)[:, None]
    power = keep**steps * (steps >= _SKIP)  # (G, T)
    of_slope = (1 - keep ** (steps + 1)) / alpha[:, None] * (steps >= _SKIP)
    there = steps[:, None] < length
    lines = np.zeros((2, T, n))  # intercept and slope before each step
    for line, found in zip(lines, (intercept, slope), strict=True):
        line[1:] = np.where(there[1:], found[: T - 1], 0.0)
    i, s = lines
    ee, eu, ec = np.zeros((3, G, n))
    level, work, rates = np.zeros((G, n)), np.empty((G, n)), np.repeat(alpha[:, None], n, 1)
    errors = np.empty((_BLOCK, G, n))
    for t in range(T):
        count = t % _BLOCK + 1
        e = np.subtract(y[t], level, out=errors[count - 1])
        level += np.multiply(e, rates, out=work)
        if t < _SKIP:
            e[:] = 0.0
        elif over := int((length <= t).sum()):
            e[:, :over] = 0.0
        if count == _BLOCK or t == T - 1:
            part, now = errors[:count], slice(t + 1 - count, t + 1)
            ee += np.einsum("tgn,tgn->gn", part, part)
            for factor, line, total in (power, None, eu), (power, i, ec), (of_slope, s, ec):
                mixed = part if line is None else part * line[now, None]
                total += (factor[:, None, now] @ mixed.transpose(1, 0, 2))[:, 0]
    uu = np.cumsum(power**2, 1)[:, length - 1]
    uc = power**2 @ i + (power * of_slope) @ s
    cc = power**2 @ i**2 + (2 * power * of_slope) @ (i * s) + of_slope**2 @ s**2
    return _least(ee, eu, ec, uu, uc, cc)


def _least(
    ee: np.ndarray, eu: np.ndarray, ec: np.ndarray, uu: np.ndarray, uc: np.ndarray, cc: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Loss, level and share from sums of products of errors e, their change by the level u, and by the share c."""
    uu, cc = uu * (1 + 1e-9) + 1e-12, cc * (1 + 1e-9) + 1e-300
    share = np.clip((uu * ec - uc * eu) / (uu * cc - uc**2 + 1e-300), 0.0, _MOST_SHARE)
    initial = (eu - share * uc) / uu
    loss = ee + initial**2 * uu + share**2 * cc - 2 * (initial * eu + share * ec - initial * share * uc)
    return loss, initial, share


def _errors(
    y: np.ndarray,
    length: np.ndarray,
    intercept: np.ndarray,
    slope: np.ndarray,
    alpha: np.ndarray,
    initial: np.ndarray,
    share: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Errors (T, n), and the level and power of the rate after the last step of each series."""
    level, power, errors = initial.copy(), np.ones_like(alpha), np.zeros_like(y)
    levels, powers = np.empty_like(y), np.empty_like(y)
    for t in range(len(y)):
        if t:
            line = power * intercept[t - 1] + (1 - power * (1 - alpha)) / alpha * slope[t - 1]
            errors[t] = y[t] - level - share * line
        levels[t] = level = alpha * y[t] + (1 - alpha) * level
        powers[t] = power = power * (1 - alpha)
    end = length - 1, np.arange(len(length))
    return errors, levels[end], powers[end]


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
