"""Experts: classical forecasting methods, computed for a whole batch of series at once.

Every expert is a function from a `Batch` to an `Opinion`, its forecast. To add one, write the function in a file of
this folder, and append it to `_EXPERTS`.
"""

from typing import NamedTuple

import numpy as np

from ..checks import check_count, check_finite
from .autoregression import autoregression
from .batch import Batch, Opinion
from .cleaning import cleaned, filled
from .ets import ets
from .factorisation import factorisation
from .holt_winters import holt_winters_additive, holt_winters_multiplicative
from .intermittent import intermittent
from .naive import drift, last, mean, seasonal_drift, seasonal_naive, seasonal_naive_2
from .periods import find_periods
from .smoothing import damped, holt, simple
from .theta import theta

__all__ = ["NAMES", "Opinions", "cleaned", "filled", "find_periods", "opinions"]

_EXPERTS = (
    last,
    mean,
    drift,
    seasonal_naive,
    seasonal_naive_2,
    seasonal_drift,
    simple,
    holt,
    damped,
    holt_winters_additive,
    holt_winters_multiplicative,
    ets,
    theta,
    factorisation,
    autoregression,
    intermittent,
)
NAMES: tuple[str, ...] = tuple(expert.__name__ for expert in _EXPERTS)
"""Names of the experts, in the order of their forecasts."""

_COLUMNS = 60_000  # values in a chunk: beyond, arrays leave the cache
_SERIES = (16, 512)  # least and most series in a chunk
_SHORTEST = 8  # least number of columns, so that no expert gets an empty array
_FLOOR = (1e-6, 1e-12)  # least spread: in deviations of the series, plus in units of its largest value


class Opinions(NamedTuple):
    """Forecasts of all experts for n series.

    Attributes:
        point: Forecasts (n, E, H), experts in the order of ``NAMES``.
        spread: Standard deviation of the errors of these forecasts by each expert's own theory, (n, E, H), above 0.
        error: Root mean square of the errors one step ahead, (n, E), corrected for fitted parameters, above 0.
    """

    point: np.ndarray
    spread: np.ndarray
    error: np.ndarray


def opinions(values: np.ndarray, periods: np.ndarray, horizon: int) -> Opinions:
    """Forecast series by all experts.

    Args:
        values: Series (n, T), NaN before their first value. Later NaN are missing values, which are filled; outliers
            stay (see `cleaned`).
        periods: Seasonal periods (n, P), 1 for none. The first is the main one; of the others, the longest is used.
        horizon: Steps to forecast, H.

    Raises:
        TypeError: If the horizon is not an integer.
        ValueError: If shapes do not fit, a series has no observed value, or values are infinite.
    """
    check_count("horizon", horizon, "step")
    values, periods = _checked(values, periods)
    values = filled(values, periods)
    n, horizon = len(values), int(horizon)
    E = len(NAMES)
    said = Opinions(np.empty((n, E, horizon)), np.empty((n, E, horizon)), np.empty((n, E)))
    seen = ~np.isnan(values)
    length = values.shape[1] - seen.argmax(1)
    main = periods[:, 0]
    longest = periods.max(1)
    second = np.where(longest > main, longest, 1)
    order = np.lexsort((length, second, main))
    changes = np.flatnonzero(np.diff(main[order]) | np.diff(second[order])) + 1
    for group in np.split(order, changes) if n else []:
        at = 0
        while at < len(group):
            size = int(np.clip(_COLUMNS // length[group[at]], *_SERIES))
            rows = group[at : at + size]
            _ask(values[rows], length[rows], int(main[rows[0]]), int(second[rows[0]]), horizon, rows, said)
            at += size
    return said


def _checked(values: np.ndarray, periods: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values, periods = np.asarray(values, float), np.asarray(periods)
    if values.ndim != 2:
        raise ValueError(f"values have shape {values.shape}: give series of one length, (n, T)")
    if periods.ndim != 2 or len(periods) != len(values) or not periods.shape[1]:
        raise ValueError(f"periods have shape {periods.shape}: give ({len(values)}, P), 1 for none")
    if not np.issubdtype(periods.dtype, np.integer) or (periods < 1).any():
        raise ValueError("periods must be integers, at least 1: give 1 for no season")
    check_finite(values)
    empty = np.flatnonzero(np.isnan(values).all(1))
    if len(empty):
        raise ValueError(f"series {empty[0]} has no observed value: leave it out")
    return values, periods


def _ask(
    values: np.ndarray, length: np.ndarray, period: int, second: int, horizon: int, rows: np.ndarray, said: Opinions
) -> None:
    """Write the forecasts of one chunk into the rows of ``said``."""
    T = max(length.max(), _SHORTEST)
    values = values[:, -T:]
    values = np.pad(values, ((0, 0), (T - values.shape[1], 0)), constant_values=np.nan)
    seen = ~np.isnan(values)
    values = np.where(seen, values, 0.0)
    scale = np.abs(values).max(1)
    scale[scale == 0] = 1.0
    batch = Batch(values / scale[:, None], T - length, horizon, period, second)
    centre = batch.values.sum(1) / length
    deviation = np.sqrt((np.where(seen, batch.values - centre[:, None], 0.0) ** 2).sum(1) / length)
    floor = _FLOOR[0] * deviation + _FLOOR[1]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        for at, expert in enumerate(_EXPERTS):
            one: Opinion = expert(batch)
            if at and not np.isfinite(one.point).all():  # where smoothing diverged, use the last value
                one = _instead(one, said.point[rows, 0] / scale[:, None], floor)
            said.point[rows, at] = one.point * scale[:, None]
            said.spread[rows, at] = np.maximum(one.spread, floor[:, None]) * scale[:, None]
            said.error[rows, at] = np.maximum(one.error, floor) * scale


def _instead(one: Opinion, last: np.ndarray, floor: np.ndarray) -> Opinion:
    """A forecast in which rows that are not finite are replaced by the last value with the spread of a random walk."""
    bad = ~np.isfinite(one.point).all(axis=1)
    walk = np.sqrt(np.arange(1, last.shape[1] + 1))
    error = np.where(np.isfinite(one.error), one.error, floor)
    spread = np.where(bad[:, None], error[:, None] * walk, one.spread)
    return Opinion(np.where(bad[:, None], last, one.point), spread, error)
