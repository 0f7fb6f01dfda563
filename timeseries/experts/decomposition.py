"""Classical decomposition: what is left of a series without its season, and the season carried on.

Source: Hyndman and Athanasopoulos, "Forecasting: Principles and Practice", section 3.4; the test of a season is that of
Assimakopoulos and Nikolopoulos, "The theta model", 2000, as in Fiorucci et al., 2016, section 4.
"""

from typing import NamedTuple

import numpy as np

_QUANTILE = 1.645  # of the normal distribution: a season is real if its autocorrelation is, at 90 %, on two sides
_LEAST_FACTOR = 0.01  # below, a season is no factor: dividing by it would blow up noise


class Season(NamedTuple):
    """A season as ``value = adjusted * factor + term``, in the past and over the horizon.

    Attributes:
        factor: (n, T + H), 1 where the season is a term.
        term: (n, T + H), 0 where it is a factor.
        real: Series that have one, (n,).
    """

    factor: np.ndarray
    term: np.ndarray
    real: np.ndarray

    def only(self, rows: np.ndarray) -> "Season":
        """That of the rows (n,) that are True."""
        return Season(*(part[rows] for part in self))

    def adjust(self, values: np.ndarray) -> np.ndarray:
        """Values (n, T) without the season."""
        T = values.shape[1]
        return (values - self.term[:, :T]) / self.factor[:, :T]

    def restore(self, forecasts: np.ndarray) -> np.ndarray:
        """Forecasts (n, H) of the adjusted series with the season."""
        H = forecasts.shape[1]
        return forecasts * self.factor[:, -H:] + self.term[:, -H:]

    def past_factor(self, T: int) -> np.ndarray:
        """Factors (n, T) by which errors of the adjusted series are larger in the series itself."""
        return self.factor[:, :T]

    def future_factor(self, H: int) -> np.ndarray:
        """The same over the horizon, (n, H)."""
        return self.factor[:, -H:]


def season_of(
    values: np.ndarray,
    first: np.ndarray,
    horizon: int,
    period: int,
    second: int,
    multiplicative: np.ndarray,
    tested: bool,
) -> Season:
    """The season of series.

    Args:
        values: Series (n, T), 0 before column ``first``.
        first: (n,).
        horizon: Steps to carry it on.
        period: Main period, 1 for none.
        second: Longer period, 1 for none: its season is what the main one leaves over.
        multiplicative: Where it shall be a factor, (n,); only series of positive values may have one.
        tested: Whether there is a season only where the autocorrelation says so; else wherever two periods are seen.
    """
    n, T = values.shape
    columns = np.arange(-T, horizon)
    factor, term = np.ones((n, T + horizon)), np.zeros((n, T + horizon))
    real = np.zeros(n, bool)
    for m in (period, second):
        if m < 2 or not (T - first >= 2 * m).any():
            continue
        season = Season(factor, term, real)
        rest = np.where(np.arange(T) >= first[:, None], season.adjust(values), 0.0)
        indices, usable = seasonal_indices(rest, first, m, multiplicative)
        if m == second and period > 1:
            indices, usable = _shrunk(indices, rest, first, m, multiplicative), usable & (T - first >= 3 * m)
        elif tested:
            usable = usable & is_seasonal(values, first, m)
        carried = np.take(indices, columns % m, axis=1)
        factor = np.where((usable & multiplicative)[:, None], factor * carried, factor)
        term = np.where((usable & ~multiplicative)[:, None], term + carried, term)
        real = real | usable
    return Season(factor, term, real)


def moving_average(values: np.ndarray, first: np.ndarray, m: int) -> tuple[np.ndarray, np.ndarray]:
    """Centred moving average over one period, and where all of its values are seen, both (n, T)."""
    n, T = values.shape
    half = m // 2
    sums = np.concatenate([np.zeros((n, 1)), np.cumsum(values, 1)], 1)
    average, valid = np.zeros((n, T)), np.zeros((n, T), bool)
    if T > 2 * half:
        whole = sums[:, 2 * half + 1 :] - sums[:, : T - 2 * half]
        if m % 2 == 0:  # both ends count half
            whole = whole - 0.5 * (values[:, : T - 2 * half] + values[:, 2 * half :])
        average[:, half : T - half] = whole / m
        valid[:, half : T - half] = np.arange(T - 2 * half) >= first[:, None]
    return average, valid


def seasonal_indices(
    values: np.ndarray, first: np.ndarray, m: int, multiplicative: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean ratio to the moving average, or difference from it, of each phase, (n, m), and where they can be had, (n,).

    Phase 0 is that of the step after the last one.
    """
    rest, valid = _detrended(values, first, m, multiplicative)
    rest, counted = _by_phase(np.where(valid, rest, 0.0), m), _by_phase(valid, m)
    counts = counted.sum(1)
    means = rest.sum(1) / np.maximum(counts, 1)
    usable = (counts > 0).all(1)
    centre = means.mean(1, keepdims=True)
    safe = np.where(multiplicative[:, None] & (centre > 0), centre, 1.0)
    indices = np.where(multiplicative[:, None], means / safe, means - centre)
    usable &= ~multiplicative | ((centre[:, 0] > 0) & (indices.min(1) > _LEAST_FACTOR))
    return np.where(usable[:, None], indices, np.where(multiplicative, 1.0, 0.0)[:, None]), usable


def _detrended(
    values: np.ndarray, first: np.ndarray, m: int, multiplicative: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    trend, valid = moving_average(values, first, m)
    safe = np.where(valid & (trend > 0), trend, 1.0)
    return np.where(multiplicative[:, None], values / safe, values - trend), valid


def _by_phase(table: np.ndarray, m: int) -> np.ndarray:
    """(n, T) as (n, K, m), phase 0 first, zeros before."""
    n, T = table.shape
    K = -(-T // m)
    return np.pad(table, ((0, 0), (K * m - T, 0))).reshape(n, K, m)


def _shrunk(
    indices: np.ndarray, values: np.ndarray, first: np.ndarray, m: int, multiplicative: np.ndarray
) -> np.ndarray:
    """Indices (n, m) drawn to none by what noise alone would make of them (James and Stein; Miller and Williams,
    "Shrinkage estimators of time series seasonal factors", 2003, section 2)."""
    rest, valid = _detrended(values, first, m, multiplicative)
    rest = np.where(valid, rest, 0.0)
    counted = _by_phase(valid, m)
    counts = np.maximum(counted.sum(1), 1)
    left = np.where(counted, _by_phase(rest, m) - indices[:, None], 0.0)
    noise = (left**2).sum((1, 2)) / np.maximum(counted.sum((1, 2)) - m, 1)
    of_mean = (noise[:, None] / counts).mean(1)
    none = np.where(multiplicative, 1.0, 0.0)[:, None]
    found = ((indices - none) ** 2).mean(1)
    share = np.clip(1 - of_mean / np.maximum(found, 1e-300), 0.0, 1.0)
    return none + share[:, None] * (indices - none)


def is_seasonal(values: np.ndarray, first: np.ndarray, m: int) -> np.ndarray:
    """Whether the autocorrelation at lag m is more than chance, (n,)."""
    n, T = values.shape
    if T <= m:
        return np.zeros(n, bool)
    seen = np.arange(T) >= first[:, None]
    length = T - first
    centred = np.where(seen, values - (values.sum(1) / length)[:, None], 0.0)
    power = np.maximum((centred**2).sum(1), 1e-300)
    correlations = np.stack([(centred[:, k:] * centred[:, : T - k]).sum(1) / power for k in range(1, m + 1)])
    limit = _QUANTILE * np.sqrt((1 + 2 * (correlations[:-1] ** 2).sum(0)) / length)
    return (np.abs(correlations[-1]) > limit) & (length >= 2 * m)
