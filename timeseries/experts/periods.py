"""Seasonal periods found in the values.

Sources: Wang, Smith and Hyndman, "Characteristic-based clustering for time series data", 2006, section 3.1 (a period is
a peak of the autocorrelation of the detrended series). The check that the spectrum has lines there is our own.
"""

from collections.abc import Iterable

import numpy as np

from .cleaning import filled
from .decomposition import moving_average

_LEAST_WHOLE = 3  # periods that must be seen
_LAST_LAG = 1000  # no longer period is looked for
_DEVIATIONS = 3.5  # of the autocorrelation of noise, 1 / √n, that a period's must have
_DEVIATIONS_OF_FEW = 2.0  # the same among given candidates: fewer chances to be wrong
_LASTING = 0.6  # of it two periods apart: a cycle that is no season loses its phase
_TIMES = 6  # periods apart, up to which the autocorrelation is averaged: the exact period is the highest
_PAIRS = 6  # observations two periods apart that tell so
_HARMONIC = 0.9  # of the highest that a shorter period must reach to be the period
_PEAKS = 8  # of the autocorrelation and of the spectrum that are looked at
_LINES = 12  # frequencies of a period that are looked at
_LINE = 12.0  # times the power of the neighbours of a line that stands alone
_LINE_DEVIATIONS = 7.0  # of the mean of several lines
_NEAR = 0.15  # of a period, within which there is no other
_LEAST_SHARE = 0.02  # of the variance that a season must have


def find_periods(values: np.ndarray, candidates: Iterable[int] | None = None, most: int = 2) -> np.ndarray:
    """Periods of each series, shorter ones first.

    Args:
        values: Series (n, T), NaN before their first value; holes are filled.
        candidates: Periods to choose among; any up to a third of the observations if None.
        most: How many to find.

    Returns:
        (n, most) integers, 1 for none.
    """
    values = np.asarray(values, float)
    n, T = values.shape
    values = filled(values, np.ones((n, 1), int))
    periods = np.ones((n, most), int)
    if T < 2 * _LEAST_WHOLE:
        return periods
    seen = ~np.isnan(values)
    allowed = None if candidates is None else np.array(sorted({int(c) for c in candidates if c > 1}), int)
    first = np.where(seen.any(1), seen.argmax(1), T)
    for row in np.flatnonzero(seen.sum(1) >= 2 * _LEAST_WHOLE):
        y = values[row, first[row] :]
        found = _periods_of(y, allowed, most)
        periods[row, : len(found)] = found
    return periods


def _periods_of(y: np.ndarray, allowed: np.ndarray | None, most: int) -> list[int]:
    found: list[int] = []
    rest = _detrended(y)
    while len(found) < most and (m := _period_of(rest, allowed, found)) is not None:
        found.append(m)
        rest = rest - _shape(rest, m)
    return sorted(found)


def _detrended(y: np.ndarray) -> np.ndarray:
    """The series less a parabola, in deviations."""
    t = np.linspace(-1, 1, len(y))
    rest = y - np.polynomial.polynomial.polyval(t, np.polynomial.polynomial.polyfit(t, y, 2))
    deviation = rest.std()
    scale = np.abs(y).max()
    return rest / deviation if deviation > 1e-10 * scale else np.zeros_like(y)


def _period_of(y: np.ndarray, allowed: np.ndarray | None, found: list[int]) -> int | None:
    """The shortest of the strongest periods, if there is one."""
    longest = min(len(y) // _LEAST_WHOLE, _LAST_LAG)
    lags = _peaks(y, longest) if allowed is None else allowed[allowed <= longest]
    limit = (_DEVIATIONS if allowed is None else _DEVIATIONS_OF_FEW) / np.sqrt(len(y))
    lags = lags[[all(abs(m - other) > _NEAR * other for other in found) for m in lags.tolist()]] if found else lags
    of = {m: _strength(y, m, limit) for m in lags.tolist()}
    least = max(_HARMONIC * max(of.values(), default=0.0), 1e-9)
    strong = [m for m in of if of[m] >= max(least, of.get(m - 1, 0.0), of.get(m + 1, 0.0))]
    return strong[0] if strong else None


def _peaks(y: np.ndarray, longest: int) -> np.ndarray:
    """Lags at peaks of the autocorrelation and of the spectrum, the highest of each, with their neighbours."""
    if longest < 2:
        return np.zeros(0, int)
    r = _autocorrelations(y, longest + 1)
    lags = np.arange(2, longest + 1)
    high = lags[(r[lags] > 0) & (r[lags] >= r[lags - 1]) & (r[lags] >= r[lags + 1])]
    power = np.abs(np.fft.rfft(y)) ** 2
    power[0] = 0.0
    waves = np.arange(1, len(power) - 1)
    waves = waves[(power[waves] >= power[waves - 1]) & (power[waves] >= power[waves + 1])]
    waves = waves[np.argsort(-power[waves])[:_PEAKS]]
    exact = np.rint(len(y) / waves).astype(int)
    near = (exact[:, None] + np.arange(-1, 2)).ravel()
    both = np.unique(np.concatenate([high[np.argsort(-r[high])[:_PEAKS]], near]))
    return both[(both >= 2) & (both <= longest)]


def _strength(y: np.ndarray, m: int, limit: float) -> float:
    """Mean autocorrelation at multiples of the period, of what the moving average leaves; 0 if it is no season's.

    A season's autocorrelation lasts over several periods, and falls between them; its spectrum is lines.
    """
    average, valid = moving_average(y[None], np.zeros(1, int), m)
    local = (y - average[0])[valid[0]]
    if len(local) < 2 * m or local.var() < _LEAST_SHARE * y.var():
        return 0.0
    times = max(min(len(local) // m - 1, _TIMES), 1)
    r = _autocorrelations(local, max(times * m, min(2 * m, len(local) - 2)))
    if len(local) >= 2 * m + _PAIRS and r[2 * m] < _LASTING * r[m]:
        return 0.0
    between = r[m // 2 : m].min()
    lasting = r[m] > limit and r[m] - between > 2 * limit / 3
    return float(r[m : times * m + 1 : m].mean()) if lasting and _has_lines(y, m) else 0.0


def _has_lines(y: np.ndarray, m: int) -> bool:
    """Whether the power at the period's frequencies rises over that of their neighbours.

    Over whole periods these are every q-th frequency, q periods being seen. The slope of the spectrum is taken away
    beforehand: what the last value tells of the next one.
    """
    r = _autocorrelations(y, 1)[1]
    y = y[1:] - r * y[:-1]
    q = len(y) // m
    power = np.abs(np.fft.rfft(y[len(y) - q * m :])) ** 2
    reach = np.arange(-2 * q, 2 * q + 1)
    reach = reach[reach % q != 0]
    lines = q * np.arange(1, min(m // 2, _LINES) + 1)
    near = np.abs(lines[:, None] + reach)
    near = np.where(near < len(power), near, 2 * (len(power) - 1) - near)
    ratio = power[lines] / (np.median(power[np.maximum(near, 1)], axis=1) / np.log(2) + 1e-300)
    lone, all_together = ratio.max(), ratio.mean()
    return lone > _LINE + np.log(len(lines)) or all_together > 1 + _LINE_DEVIATIONS / np.sqrt(len(lines))


def _shape(y: np.ndarray, m: int) -> np.ndarray:
    """The mean of each phase, for all steps."""
    phase = np.arange(len(y)) % m
    return (np.bincount(phase, y, m) / np.maximum(np.bincount(phase, minlength=m), 1))[phase]


def _autocorrelations(y: np.ndarray, last: int) -> np.ndarray:
    """At lags 0 … last, each the mean over the pairs that there are."""
    n = len(y)
    y = y - y.mean()
    size = 1 << (2 * n - 1).bit_length()
    sums = np.fft.irfft(np.abs(np.fft.rfft(y, size)) ** 2, size)[: last + 1]
    means = sums / (n - np.arange(last + 1))
    return means / means[0] if means[0] > 0 else np.zeros(last + 1)
