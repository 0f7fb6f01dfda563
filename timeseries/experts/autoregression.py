"""Ridge regression over the lags of each series.

Sources: Hoerl and Kennard, "Ridge Regression", 1970 (the penalty); Hyndman and Athanasopoulos, "Forecasting: Principles
and Practice", section 9.8 (forecasts step by step and their spread by the weights of past errors).
"""

import numpy as np

from .batch import Batch, Opinion, where
from .decomposition import Season
from .naive import last
from .ridge import ridge
from .smoothing import spread_of

_DECAY = 1.0  # exponent by which the expected weight of a lag decays with its distance
_LEAST = 6  # observations
_LAGS = 16  # at most, where no period is longer
_MOST = 1000  # observations
_REACH = 1.0  # how far a forecast may leave the extremes of the series, in ranges of the series
_TRIAL, _GROWTH = 160, 1.01  # steps in which growth is measured, and the growth per step that counts as explosive
_LARGEST = 1.5  # largest weight of an error in a later step: with more, the recursion explodes


def autoregression(batch: Batch) -> Opinion:
    """Regression on lags of the adjusted series: a mean of two fits, one shrunk to the mean, one to the last value.

    The longest lag is at most a third of the observations. Last value with fewer than 6 observations.
    """
    found = batch.once("autoregression", lambda: lagged(batch.recent(_MOST), batch.season))
    return where(batch.length >= _LEAST, found, last(batch))


def lagged(batch: Batch, season: Season) -> Opinion:
    """The same without the least number of observations."""
    T = batch.values.shape[1]
    season = Season(season.factor[:, -batch.horizon - T :], season.term[:, -batch.horizon - T :], season.real)
    y = np.where(batch.seen, season.adjust(batch.values), 0.0)
    centre = y.sum(1) / batch.length
    y = np.where(batch.seen, y - centre[:, None], 0.0)
    lags = _lags(batch)
    usable = batch.length[:, None] >= np.maximum(3 * lags, 3)  # (n, k)
    longest = np.where(usable, lags, 0).max(1)
    begin = lags[usable.any(0)].max(initial=1)
    x = np.stack([y[:, begin - lag : T - lag] for lag in lags if lag <= begin], 2)
    lags, usable = lags[lags <= begin], usable[:, lags <= begin]
    trust = _trust(lags, batch)
    x *= usable[:, None] * trust
    target = y[:, begin:]
    counted = np.arange(begin, T) >= (batch.first + longest)[:, None]
    to_mean = ridge(x, target, counted, constant=True)
    steps = np.where(usable[:, None], x - x[..., :1] * trust, 0.0)
    steps[..., 0] = x[..., 0]
    to_last = ridge(steps, target - x[..., 0], counted, constant=False)
    weights = to_last.weights * trust
    weights[:, 0] += 1 - weights[:, 1:].sum(1)
    rows = counted.sum(1)
    chance = 0.5 * rows * (np.log(to_last.loss + 1e-300) - np.log(to_mean.loss + 1e-300))
    share = 1 / (1 + np.exp(np.clip(-chance, -50, 50)))[:, None]
    weights = share * to_mean.weights * trust + (1 - share) * weights
    constant = share[:, 0] * to_mean.constant
    weights = _calm(weights, lags)
    point, response = _ahead(y, weights, constant, lags, batch.horizon, batch.seen)
    loss = share[:, 0] * to_mean.loss + (1 - share[:, 0]) * to_last.loss
    past = np.where(batch.seen, season.past_factor(T), 0.0)
    error = np.sqrt(loss * (past**2).sum(1) / batch.length)
    return Opinion(season.restore(point + centre[:, None]), spread_of(error, response, season, batch), error)


def _lags(batch: Batch) -> np.ndarray:
    """The lags 1, 2, …, and lags at and next to whole periods."""
    m, longer = batch.period, batch.second
    near = np.arange(1, max(_LAGS, m + 1 if m <= 24 else 0) + 1)
    more = [lag for p in (m, longer) if p > 1 for lag in (p - 1, p, p + 1, 2 * p)]
    return np.unique(np.concatenate([near, np.array(more, int)]))


def _trust(lags: np.ndarray, batch: Batch) -> np.ndarray:
    """Expected relative size of a lag's weight: smaller the further back the lag is, in steps or in periods (Litterman,
    "Forecasting with Bayesian vector autoregressions", 1986, section 2)."""
    distance = lags.astype(float)
    for m in (batch.period, batch.second):
        if m > 1:
            distance = np.minimum(distance, np.minimum(1 + np.abs(lags - m), 2 + np.abs(lags - 2 * m)))
    return distance**-_DECAY


def _calm(weights: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """Weights (n, k) whose recursion does not explode: all its roots are divided by its growth per step."""
    longest = lags.max()
    psi = np.zeros((longest + _TRIAL, len(weights)))
    psi[longest - 1] = 1.0
    of_lag = np.ascontiguousarray(weights.T)
    for at in range(longest, longest + _TRIAL):
        psi[at] = (psi[at - lags] * of_lag).sum(0)
    late, early = (np.abs(psi[end - _TRIAL // 4 : end]).max(0) for end in (len(psi), len(psi) - _TRIAL // 2))
    growth = (np.maximum(late, 1e-9) / np.maximum(early, 1e-9)) ** (2 / _TRIAL)
    return weights * np.where(growth > _GROWTH, growth, 1.0)[:, None] ** -lags.astype(float)


def _ahead(
    y: np.ndarray, weights: np.ndarray, constant: np.ndarray, lags: np.ndarray, H: int, seen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Forecasts step by step, and how much an error changes the forecast j steps later, both (n, H)."""
    T, n = y.shape[1], len(y)
    top, bottom = np.where(seen, y, -np.inf).max(1), np.where(seen, y, np.inf).min(1)
    reach = _REACH * (top - bottom)
    reach_of = (bottom - reach, top + reach)
    longest = lags.max()
    path, psi = np.zeros((longest + H, n)), np.zeros((longest + H + 1, n))
    path[:longest] = y[:, T - longest :].T
    psi[longest] = 1.0
    of_lag = np.ascontiguousarray(weights.T)
    for at in range(longest, longest + H):
        path[at] = np.clip((path[at - lags] * of_lag).sum(0) + constant, *reach_of)
        psi[at + 1] = np.clip((psi[at + 1 - lags] * of_lag).sum(0), -_LARGEST, _LARGEST)
    return path[longest:].T, psi[longest + 1 :].T
