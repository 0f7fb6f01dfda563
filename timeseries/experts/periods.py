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
_ROWS = 256  # series at a time
_NOWHERE = -9  # no column
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
    allowed = None if candidates is None else np.array(sorted({int(c) for c in candidates if c > 1}), int)
    length = (~np.isnan(values)).sum(1)
    for steps in np.unique(length[length >= 2 * _LEAST_WHOLE]):
        rows = np.flatnonzero(length == steps)
        for start in range(0, len(rows), _ROWS):
            some = rows[start : start + _ROWS]
            periods[some] = _periods_of(values[some, T - steps :], allowed, most)
    return periods


def _periods_of(y: np.ndarray, allowed: np.ndarray | None, most: int) -> np.ndarray:
    """Periods (n, most) of series (n, T), sorted but for those that are none, which come last."""
    found = np.ones((len(y), most), int)
    rest, rows = _detrended(y), np.arange(len(y))
    for number in range(most):
        period = _period_of(rest[rows], allowed, found[rows, :number])
        rows, period = rows[period > 1], period[period > 1]
        found[rows, number] = period
        for m in np.unique(period).tolist():
            rest[rows[period == m]] -= _shape(rest[rows[period == m]], m)
    last = np.iinfo(int).max
    return np.where(found > 1, np.sort(np.where(found > 1, found, last), 1), 1)


def _detrended(y: np.ndarray) -> np.ndarray:
    """The series (n, T) less a parabola each, in deviations."""
    t = np.linspace(-1, 1, y.shape[1])
    rest = y - np.polynomial.polynomial.polyval(t, np.polynomial.polynomial.polyfit(t, y.T, 2))
    deviation, scale = rest.std(1, keepdims=True), np.abs(y).max(1, keepdims=True)
    varies = deviation > 1e-10 * scale
    return np.where(varies, rest / np.where(varies, deviation, 1.0), 0.0)


def _period_of(y: np.ndarray, allowed: np.ndarray | None, found: np.ndarray) -> np.ndarray:
    """The shortest of the strongest periods of series (n, T), which have those found already; 1 for none, (n,)."""
    n, T = y.shape
    longest = min(T // _LEAST_WHOLE, _LAST_LAG)
    lags = np.arange(longest + 2)
    if allowed is None:
        looked_at = _peaks(y, longest)
    else:
        looked_at = np.broadcast_to(np.isin(lags, allowed[allowed <= longest]), (n, len(lags))).copy()
    for other in found.T:
        looked_at &= np.abs(lags - other[:, None]) > _NEAR * other[:, None]
    limit = (_DEVIATIONS if allowed is None else _DEVIATIONS_OF_FEW) / np.sqrt(T)
    strength, variance = np.zeros((n, len(lags))), y.var(1)
    for m in np.flatnonzero(looked_at.any(0)).tolist():
        rows = looked_at[:, m]
        strength[rows, m] = _strength(y[rows], variance[rows], m, limit)
    least = np.maximum(_HARMONIC * strength.max(1), 1e-9)[:, None]
    strong = looked_at[:, 2:-1] & (strength[:, 2:-1] >= least)
    strong &= (strength[:, 2:-1] >= strength[:, 1:-2]) & (strength[:, 2:-1] >= strength[:, 3:])
    return np.where(strong.any(1), 2 + strong.argmax(1), 1)


def _peaks(y: np.ndarray, longest: int) -> np.ndarray:
    """Which lags are looked at, (n, longest + 2): the highest peaks of the autocorrelation, and those of the spectrum
    with their neighbours."""
    n, T = y.shape
    looked_at = np.zeros((n, longest + 2), bool)
    if longest < 2:
        return looked_at
    r, lags = _autocorrelations(y, longest + 1), np.arange(2, longest + 1)
    high = (r[:, lags] > 0) & (r[:, lags] >= r[:, lags - 1]) & (r[:, lags] >= r[:, lags + 1])
    _mark(looked_at, _highest(r[:, lags], high) + 2)
    power = np.abs(np.fft.rfft(y)) ** 2
    power[:, 0] = 0.0
    waves = np.arange(1, power.shape[1] - 1)
    high = (power[:, waves] >= power[:, waves - 1]) & (power[:, waves] >= power[:, waves + 1])
    exact = np.rint(T / (_highest(power[:, waves], high) + 1)).astype(int)
    for beside in (-1, 0, 1):
        _mark(looked_at, exact + beside)
    looked_at[:, :2] = looked_at[:, -1] = False
    return looked_at


def _highest(heights: np.ndarray, peaks: np.ndarray) -> np.ndarray:
    """Columns of the highest peaks of each row of (n, k): the highest again where there are few, and no column if there
    is none."""
    order = np.argsort(np.where(peaks, -heights, np.inf), 1)[:, :_PEAKS]
    there = np.take_along_axis(peaks, order, 1)
    return np.where(there, order, np.where(there[:, :1], order[:, :1], _NOWHERE))


def _mark(flags: np.ndarray, columns: np.ndarray) -> None:
    """Set flags (n, k) at columns (n, p); for one outside, that of column 0, which is no lag."""
    inside = (columns >= 0) & (columns < flags.shape[1])
    np.put_along_axis(flags, np.where(inside, columns, 0), True, 1)


def _strength(y: np.ndarray, variance: np.ndarray, m: int, limit: float) -> np.ndarray:
    """Mean autocorrelation at multiples of the period, of what the moving average leaves; 0 if it is no season's, (n,).

    A season's autocorrelation lasts over several periods, and falls between them; its spectrum is lines.
    """
    average, valid = moving_average(y, np.zeros(len(y), int), m)
    local = (y - average)[:, valid[0]]
    n, steps = local.shape
    strength = np.zeros(n)
    if steps < 2 * m:
        return strength
    times = max(min(steps // m - 1, _TIMES), 1)
    r = _autocorrelations(local, max(times * m, min(2 * m, steps - 2)))
    lasting = (local.var(1) >= _LEAST_SHARE * variance) & (r[:, m] > limit)
    if steps >= 2 * m + _PAIRS:
        lasting &= r[:, 2 * m] >= _LASTING * r[:, m]
    lasting &= r[:, m] - r[:, m // 2 : m].min(1) > 2 * limit / 3
    rows = np.flatnonzero(lasting)
    rows = rows[_has_lines(y[rows], m)]
    strength[rows] = r[rows, m : times * m + 1 : m].mean(1)
    return strength


def _has_lines(y: np.ndarray, m: int) -> np.ndarray:
    """Whether the power of series (n, T) at the period's frequencies rises over that of their neighbours, (n,).

    Over whole periods these are every q-th frequency, q periods being seen. The slope of the spectrum is taken away
    beforehand: what the last value tells of the next one.
    """
    r = _autocorrelations(y, 1)[:, 1:]
    y = y[:, 1:] - r * y[:, :-1]
    q = y.shape[1] // m
    power = np.abs(np.fft.rfft(y[:, y.shape[1] - q * m :])) ** 2
    reach = np.arange(-2 * q, 2 * q + 1)
    reach = reach[reach % q != 0]
    lines = q * np.arange(1, min(m // 2, _LINES) + 1)
    near = np.abs(lines[:, None] + reach)
    near = np.where(near < power.shape[1], near, 2 * (power.shape[1] - 1) - near)
    ratio = power[:, lines] / (np.median(power[:, np.maximum(near, 1)], axis=2) / np.log(2) + 1e-300)
    lone, all_together = ratio.max(1), ratio.mean(1)
    return (lone > _LINE + np.log(len(lines))) | (all_together > 1 + _LINE_DEVIATIONS / np.sqrt(len(lines)))


def _shape(y: np.ndarray, m: int) -> np.ndarray:
    """The mean of each phase of series (n, T), for all steps."""
    phase = np.arange(y.shape[1]) % m
    sums = np.stack([y[:, at::m].sum(1) for at in range(m)], 1)
    return (sums / np.maximum(np.bincount(phase, minlength=m), 1))[:, phase]


def _autocorrelations(y: np.ndarray, last: int) -> np.ndarray:
    """Of series (n, T) at lags 0 … last, each the mean over the pairs that there are."""
    T = y.shape[1]
    y = y - y.mean(1, keepdims=True)
    size = 1 << (2 * T - 1).bit_length()
    sums = np.fft.irfft(np.abs(np.fft.rfft(y, size)) ** 2, size)[:, : last + 1]
    means = sums / (T - np.arange(last + 1))
    varies = means[:, :1] > 0
    return np.where(varies, means / np.where(varies, means[:, :1], 1.0), 0.0)
