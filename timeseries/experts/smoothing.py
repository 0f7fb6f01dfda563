"""Exponential smoothing of the adjusted series: simple, Holt's and damped, their rates chosen by one-step errors.

Sources: Hyndman, Koehler, Ord and Snyder, "Forecasting with Exponential Smoothing", 2008, chapter 2 (the forms) and
table 6.1 (spreads); Gardner and McKenzie, "Forecasting trends in time series", 1985 (the damped trend).
"""

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import numpy as np

from .batch import Batch, Opinion, from_start, to_end, where
from .decomposition import Season
from .recursion import Rates, States, additive, next_season
from .starts import best_starts

MOST = 500  # observations that a recursion goes over: earlier ones have almost no weight
_LEAST = 4  # observations for a slope
_PHI = (0.8, 0.98)  # the range that the book advises, section 2.3
_STEPS = (0.6, 0.5, 0.3, 0.15)  # of the search about the best of the grid, as parts of its own steps
_SIDE = 6.0  # logits beyond which a rate is at its bound


class Form(NamedTuple):
    """The states of a model. ``season``: whether a moving season is added to the fixed one."""

    trend: bool = False
    damped: bool = False
    season: bool = False

    @property
    def rates(self) -> int:
        """Number of free rates."""
        return 1 + self.trend + self.damped + self.season

    @property
    def parameters(self) -> int:
        """Number of rates and initial states, without those of the season."""
        return self.rates + 1 + self.trend


SIMPLE, HOLT, DAMPED = Form(), Form(trend=True), Form(trend=True, damped=True)
_ALPHAS = (0.02, 0.06, 0.13, 0.25, 0.4, 0.6, 0.8, 0.97)
_SLOPES, _DAMPINGS, _GAMMAS = (0.005, 0.04, 0.15, 0.5), (0.2, 0.85), (0.01, 0.1, 0.35)


class Fit(NamedTuple):
    """A form fitted to n series.

    Attributes:
        rates: (1, n) each.
        initial: Level and slope before the first step, (2, n).
        states: After the last step, without the axis of runs; the season is that of the next steps.
        errors: One step ahead, in units of the series, (n, T).
        form: The form.
    """

    rates: Rates
    initial: np.ndarray
    states: States
    errors: np.ndarray
    form: Form


def simple(batch: Batch) -> Opinion:
    """A smoothed level, ETS(A,N,N), with the season put back."""
    return _opinion(batch, SIMPLE)


def holt(batch: Batch) -> Opinion:
    """Level and slope, ETS(A,A,N). Simple smoothing with fewer than 4 observations."""
    return where(batch.length >= _LEAST, _opinion(batch, HOLT), simple(batch))


def damped(batch: Batch) -> Opinion:
    """Level and a damped slope, ETS(A,Ad,N). Simple smoothing with fewer than 4 observations."""
    return where(batch.length >= _LEAST, _opinion(batch, DAMPED), simple(batch))


def _opinion(batch: Batch, form: Form) -> Opinion:
    return opinion_of(fit_adjusted(batch, form), batch, batch.season)


def fit_adjusted(batch: Batch, form: Form) -> Fit:
    """A form fitted to the adjusted series."""
    return batch.once(form, lambda: fit(batch, batch.season, form))


def fit_where(rows: np.ndarray, batch: Batch, season: Season, form: Form) -> Fit:
    """A form fitted to the series without another season in the rows (n,) that are True, to the adjusted ones in the
    rest."""
    found = fit_adjusted(batch, form)
    if not rows.any():
        return found
    own = fit(batch.only(rows), season.only(rows), form)
    errors = found.errors.copy()
    errors[rows] = own.errors
    assert found.states.slope is not None and own.states.slope is not None
    level = _with(found.states.level, rows, own.states.level)
    slope = _with(found.states.slope, rows, own.states.slope)
    rates = Rates(*(_with(a, rows, b) for a, b in zip(found.rates, own.rates, strict=True)))
    return Fit(rates, _with(found.initial, rows, own.initial), States(level, slope, None), errors, form)


def _with(values: np.ndarray, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    values = values.copy()
    values[:, rows] = others
    return values


def fit(batch: Batch, season: Season, form: Form, m: int = 1) -> Fit:
    """Choose rates for each series, on a grid and then around its best point."""
    T, n = batch.values.shape[1], len(batch.values)
    begin = max(0, T - MOST)
    first = np.maximum(batch.first - begin, 0)
    length = T - begin - first
    y = from_start(season.adjust(batch.values)[:, begin:], first)
    anchor = y[0].copy()
    y -= anchor  # keeps sums of squares small beside the errors
    grid = np.array(
        list(
            product(
                _logit(np.array(_ALPHAS)),
                _logit(np.array(_SLOPES)) if form.trend else (0.0,),
                _logit(np.array(_DAMPINGS)) if form.damped else (0.0,),
                _logit(np.array(_GAMMAS)) if form.season else (0.0,),
            )
        )
    ).T[:, :, None]
    free = np.array([True, form.trend, form.damped, form.season])
    at = search(lambda where: best_starts(y, length, rates_of(where, form), form.trend, m)[0], grid, free, n)
    rates = rates_of(at, form)
    initial = best_starts(y, length, rates, form.trend, m)[1][:, 0]
    level, slope = initial[:, None, None].copy()
    states = States(level, slope, np.zeros((m, 1, 1, n)) if m > 1 else None)
    errors = np.empty((len(y), 1, 1, n))
    for _ in additive(y, length, rates, states, errors):
        pass
    scaled = np.zeros(batch.values.shape)
    scaled[:, begin:] = to_end(errors[:, 0, 0], first) * season.past_factor(T)[:, begin:]
    assert states.slope is not None
    moving = None if states.season is None else next_season(states.season, length)[:, 0]
    initial[0] += anchor
    return Fit(rates, initial, States(states.level[0] + anchor, states.slope[0], moving), scaled, form)


def search(loss_at: Callable[[np.ndarray], np.ndarray], grid: np.ndarray, free: np.ndarray, n: int) -> np.ndarray:
    """The best point for each of n series.

    Args:
        loss_at: From points (4, G, n) to losses (G, n).
        grid: Points (4, G, 1) or (4, G, n) to begin with; the losses of (4, G, 1) are those of the same for all.
        free: Which of the coordinates move, (4,).
        n: Series.

    Returns:
        Points (4, 1, n).
    """
    loss = loss_at(grid)
    best = loss.argmin(0)
    at, least = np.broadcast_to(grid, (*grid.shape[:2], n))[:, best, np.arange(n)], loss.min(0)
    around = _around(free)
    for step in _STEPS:
        points = np.clip(at[:, None] + step * around[:, :, None], -_SIDE, _SIDE)
        loss = loss_at(points)
        best = loss.argmin(0)
        better = loss.min(0) < least
        at = np.where(better, points[:, best, np.arange(n)], at)
        least = np.minimum(least, loss.min(0))
    return at[:, None]


def _around(free: np.ndarray) -> np.ndarray:
    """Steps (4, G) from a point along each free coordinate and into the corners."""
    size = np.array([1.0, 2.0, 2.0, 2.0])  # about the grid's steps, in logits
    corners = np.array(list(product((-1, 1), repeat=int(free.sum())))) * 0.7
    axes = np.concatenate([np.eye(int(free.sum())), -np.eye(int(free.sum()))])
    steps = np.zeros((len(corners) + len(axes), 4))
    steps[:, free] = np.concatenate([axes, corners])
    return (steps * size).T


def rates_of(points: np.ndarray, form: Form) -> Rates:
    """Rates at points (4, G, n) of logits."""
    share = 1 / (1 + np.exp(-points))
    alpha = share[0]
    return Rates(
        alpha,
        alpha * share[1] if form.trend else np.zeros_like(alpha),
        _PHI[0] + (_PHI[1] - _PHI[0]) * share[2] if form.damped else np.ones_like(alpha),
        (1 - alpha) * share[3] if form.season else np.zeros_like(alpha),
    )


def _logit(share: np.ndarray) -> np.ndarray:
    return np.log(share / (1 - share))


def opinion_of(found: Fit, batch: Batch, season: Season, extra: int = 0) -> Opinion:
    """Forecasts of a fitted form; ``extra`` parameters beyond the form's count as fitted."""
    H = batch.horizon
    assert found.states.slope is not None
    level, slope = found.states.level[0][:, None], found.states.slope[0][:, None]
    point = level + slope * damping(found.rates.phi[0], H)
    if found.states.season is not None:
        m = len(found.states.season)
        point = point + found.states.season[np.arange(H) % m, 0].T
        weights = responses(found.rates, H, m)
    else:
        weights = responses(found.rates, H, 1)
    squares = (found.errors**2).sum(1)
    length = np.minimum(batch.length, MOST)
    error = np.sqrt(squares / np.maximum(length - found.form.parameters - extra, 1))
    return Opinion(season.restore(point), spread_of(error, weights, season, batch), error)


def damping(phi: np.ndarray, H: int) -> np.ndarray:
    """phi + … + phi^h for h = 1 … H, (n, H)."""
    return np.cumsum(phi[:, None] ** np.arange(1, H + 1), 1)


def responses(rates: Rates, H: int, m: int) -> np.ndarray:
    """How much an error changes the forecast j steps later, j = 1 … H, (n, H)."""
    weights = rates.alpha[0][:, None] + rates.beta[0][:, None] * damping(rates.phi[0], H)
    if m > 1:
        weights = weights + rates.gamma[0][:, None] * (np.arange(1, H + 1) % m == 0)
    return weights


def spread_of(error: np.ndarray, weights: np.ndarray, season: Season, batch: Batch) -> np.ndarray:
    """Spread sigma √(1 + Σ c²), (n, H), larger where the seasonal factor is larger."""
    H, T = batch.horizon, batch.values.shape[1]
    before = np.concatenate([np.zeros((len(weights), 1)), weights[:, : H - 1] ** 2], 1)
    past = np.where(batch.seen, season.past_factor(T), 0.0)
    usual = np.sqrt((past**2).sum(1) / batch.length)
    return error[:, None] * np.sqrt(1 + np.cumsum(before, 1)) * season.future_factor(H) / usual[:, None]
