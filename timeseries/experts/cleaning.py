"""Missing values filled, and single values far from all others replaced.

Source: Hyndman and Athanasopoulos, "Forecasting: Principles and Practice", section 13.9 (the adjusted series is
interpolated and the season put back). The rule for outliers is our own.
"""

import numpy as np

from .decomposition import season_of

_DEVIATIONS = 10.0  # least distance of an outlier from both neighbours, in robust deviations of the steps of the series
_AT_END = 40.0  # the same for the first and the last value, which have one neighbour
_GAP = 4.0  # an outlier is at least this many times as high as all other spikes
_SHARE = 0.02  # largest fraction of outliers: if there are more, they belong to the series
_ZEROS = 0.3  # fraction of zeros from which on a series counts as intermittent
_LEAST = 8  # least number of observations for finding outliers
_ROUNDS = 2  # rounds of decomposition and interpolation


def cleaned(values: np.ndarray, periods: np.ndarray) -> np.ndarray:
    """Series with missing values filled and isolated gross outliers replaced.

    Args:
        values: Series (n, T), NaN before their first value and where a value is missing.
        periods: Seasonal periods (n, P), 1 for none; the first is the main one.

    Returns:
        Series (n, T), NaN only before their first value. Observed values that are not outliers stay as they are.
    """
    values = np.array(values, float)
    return filled(np.where(_outliers(filled(values, periods), np.isnan(values), periods), np.nan, values), periods)


def filled(values: np.ndarray, periods: np.ndarray) -> np.ndarray:
    """Series (n, T) with missing values filled: by linear interpolation, seasonally adjusted if there is a season.

    Args:
        values: Series, NaN where a value is missing. NaN before the first value stay.
        periods: Seasonal periods (n, P), 1 for none; the first is used.
    """
    seen = ~np.isnan(values)
    first = np.where(seen.any(1), seen.argmax(1), values.shape[1])
    holes = ~seen & (np.arange(values.shape[1]) >= first[:, None])
    rows = np.flatnonzero(holes.any(1))
    if not len(rows):
        return values
    values = values.copy()
    for m in np.unique(periods[rows, 0]):
        group = rows[periods[rows, 0] == m]
        values[group] = _filled(values[group], first[group], holes[group], int(m))
    return values


def _filled(values: np.ndarray, first: np.ndarray, holes: np.ndarray, m: int) -> np.ndarray:
    inside = np.arange(values.shape[1]) >= first[:, None]
    found = np.where(holes, _interpolated(values), values)
    if m > 1:
        for _ in range(_ROUNDS):
            whole = np.where(inside, found, 0.0)
            positive = np.where(inside, whole, 1.0).min(1) > 0
            season = season_of(whole, first, 1, m, 1, positive, tested=True)
            adjusted = np.where(holes, np.nan, season.adjust(np.where(inside, found, np.nan)))
            line = _interpolated(adjusted)
            T = values.shape[1]
            found = np.where(holes, line * season.factor[:, :T] + season.term[:, :T], found)
    return found


def _interpolated(values: np.ndarray) -> np.ndarray:
    """Linear interpolation; the last observed value is repeated after it."""
    T = values.shape[1]
    columns = np.broadcast_to(np.arange(T), values.shape)
    seen = ~np.isnan(values)
    before = np.maximum.accumulate(np.where(seen, columns, -1), 1)
    after = np.minimum.accumulate(np.where(seen, columns, T)[:, ::-1], 1)[:, ::-1]
    left, right = np.maximum(before, 0), np.where(after < T, after, np.maximum(before, 0))
    share = (columns - left) / np.maximum(right - left, 1)
    low, high = np.take_along_axis(values, left, 1), np.take_along_axis(values, right, 1)
    return low + np.clip(share, 0.0, 1.0) * (high - low)


def _outliers(values: np.ndarray, missing: np.ndarray, periods: np.ndarray) -> np.ndarray:
    """Which values (n, T) of filled series are isolated gross outliers."""
    flags = np.zeros(values.shape, bool)
    for row in np.flatnonzero(_suspects(values)):
        inside = np.flatnonzero(~np.isnan(values[row]))
        y = values[row, inside]
        flags[row, inside] = _outliers_of(y, missing[row, inside], int(periods[row, 0]))
    return flags & ~missing


def _suspects(values: np.ndarray) -> np.ndarray:
    """Series (n,) with a step so large that they may have an outlier: the others need no closer look."""
    if values.shape[1] < 2:
        return np.zeros(len(values), bool)
    steps = np.abs(np.diff(values, axis=1))
    seen = ~np.isnan(steps)
    count = seen.sum(1)
    ordered = np.sort(np.where(seen, steps, np.inf), 1)
    middle = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0)[:, None], 1)[:, 0]
    largest = np.where(seen, steps, 0.0).max(1)
    return (count >= _LEAST - 1) & (largest > _DEVIATIONS * middle)


def _outliers_of(y: np.ndarray, missing: np.ndarray, m: int) -> np.ndarray:
    """Which values of one series (T,) are spikes: up and down again, or down and up, alone of their height."""
    none = np.zeros(len(y), bool)
    if len(y) < _LEAST or (y == 0).mean() > _ZEROS:
        return none
    steps = np.diff(y)
    deviation = 1.4826 * np.median(np.abs(steps - np.median(steps)))
    if deviation == 0:
        return none
    rise, fall = np.concatenate([[steps[0]], steps]), np.concatenate([steps, [steps[-1]]])
    fall[:-1] *= -1  # so that a spike rises from both sides
    rise[0] *= -1
    height = np.where(rise * fall > 0, np.minimum(np.abs(rise), np.abs(fall)), 0.0)
    back = np.abs(np.concatenate([[0.0], y[2:] - y[:-2], [0.0]]))
    height[back > height / 3] = 0.0
    limit = np.full(len(y), _DEVIATIONS * deviation)
    limit[[0, -1]] = _AT_END * deviation
    found = (height > limit) & ~missing
    if not found.any() or found.sum() > max(1, _SHARE * len(y)):
        return none
    near = found.copy()  # a spike makes its neighbours look like small ones
    near[1:] |= found[:-1]
    near[:-1] |= found[1:]
    others = height[~near].max(initial=0.0)
    found &= height > _GAP * others
    return found & ~_again(y, found, height, m)


def _again(y: np.ndarray, found: np.ndarray, height: np.ndarray, m: int) -> np.ndarray:
    """Spikes that come in the neighbouring periods too."""
    again = np.zeros(len(y), bool)
    if m < 2:
        return again
    for at in np.flatnonzero(found):
        for other in (at - m, at + m):
            if 0 <= other < len(y) and height[other] > height[at] / 4:
                again[at] = True
    return again
