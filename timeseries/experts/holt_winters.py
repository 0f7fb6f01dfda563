"""Holt-Winters smoothing with a damped slope, and a season that changes over time, as a term or as a factor.

Sources: Winters, "Forecasting sales by exponentially weighted moving averages", 1960; Hyndman, Koehler, Ord and Snyder,
"Forecasting with Exponential Smoothing", 2008, tables 2.2 and 6.1: ETS(A,Ad,A) and ETS(A,Ad,M). The season begins as
the classical decomposition finds it.
"""

from typing import NamedTuple

import numpy as np

from .batch import Batch, Opinion, where
from .decomposition import Season, season_of
from .recursion import Multiplicative, Rates, multiplicative
from .smoothing import (
    DAMPED,
    MOST,
    Fit,
    Form,
    damped,
    damping,
    fit,
    opinion_of,
    rates_of,
    responses,
    search,
    spread_of,
)

_FORM = Form(trend=True, damped=True, season=True)
_LOGITS = (-4.0, -2.0, -0.5)  # of gamma as a share, to begin with


def holt_winters_additive(batch: Batch) -> Opinion:
    """ETS(A,Ad,A). Damped smoothing of the adjusted series without two periods."""
    whole = has_season(batch)
    if not whole.any():
        return damped(batch)
    found, season = fit_additive(batch)
    return where(whole, opinion_of(found, batch, season, batch.period - 1), damped(batch))


def holt_winters_multiplicative(batch: Batch) -> Opinion:
    """ETS(A,Ad,M). The additive form where values are not all above 0."""
    rows = has_season(batch) & batch.positive
    if not rows.any():
        return holt_winters_additive(batch)
    return where(rows, multiplicative_opinion(fit_multiplicative(batch), batch), holt_winters_additive(batch))


def has_season(batch: Batch) -> np.ndarray:
    """Series with two periods, and enough observations to fit seasons by, (n,)."""
    m = batch.period
    return (batch.length >= 2 * m) & (batch.length >= m + 6) & (m > 1)


def fit_additive(batch: Batch) -> tuple[Fit, Season]:
    """The additive form, fitted after a fixed season is removed, so that the seasonal state begins at 0."""
    return batch.once("additive", lambda: _fit_additive(batch))


def fit_multiplicative(batch: Batch) -> "Moving":
    """The form with a factor; rates and initial states begin at those of the damped form on the adjusted series."""
    return batch.once("multiplicative", lambda: _fit_multiplicative(batch))


def _fit_additive(batch: Batch) -> tuple[Fit, Season]:
    season = season_of(
        batch.values,
        batch.first,
        batch.horizon,
        batch.period,
        batch.second,
        np.zeros(len(batch.values), bool),
        tested=False,
    )
    return fit(batch, season, _FORM, batch.period), season


class Moving(NamedTuple):
    """The form with a factor, fitted to n series; see `smoothing.Fit`. ``outer``: the longer period's fixed season."""

    rates: Rates
    states: Multiplicative
    errors: np.ndarray
    outer: Season


def _fit_multiplicative(batch: Batch) -> Moving:
    T, m, n = batch.values.shape[1], batch.period, len(batch.values)
    begin = max(0, T - MOST)
    both = season_of(batch.values, batch.first, batch.horizon, m, batch.second, batch.positive, tested=False)
    main = season_of(batch.values, batch.first, batch.horizon, m, 1, batch.positive, tested=False)
    outer = Season(both.factor / main.factor, both.term - main.term, both.real)
    start = fit(batch, both, DAMPED)
    first = np.maximum(batch.first - begin, 0)
    seen = batch.seen[:, begin:]
    y = np.ascontiguousarray(np.where(seen, (batch.values / outer.past_factor(T))[:, begin:], 0.0).T)
    factors = np.ascontiguousarray(main.factor[:, begin : begin + m].T)
    values = np.where(seen, both.adjust(batch.values)[:, begin:], 0.0)
    anchor = np.take_along_axis(both.adjust(batch.values)[:, begin:], first[:, None], 1).T
    initial = start.states.initial + np.stack([anchor, np.zeros_like(anchor)])
    least = 0.01 * values.sum(1) / seen.sum(1)
    alpha, beta, phi, _ = start.rates
    logits = [_logit(alpha), _logit(beta / alpha), _logit((phi - 0.8) / 0.18)]
    grid = np.stack([np.stack([*(x[0] for x in logits), np.full(n, g)]) for g in _LOGITS], 1)
    at = search(
        lambda points: multiplicative(y, first, rates_of(points, _FORM), initial, factors, least).loss,
        grid,
        np.ones(4, bool),
        n,
    )
    rates = rates_of(at, _FORM)
    states = multiplicative(y, first, rates, initial, factors, least, keep=True)
    assert states.errors is not None
    errors = np.zeros(batch.values.shape)
    errors[:, begin:] = states.errors[:, 0].T * outer.past_factor(T)[:, begin:]
    return Moving(rates, states._replace(errors=None), errors, outer)


def multiplicative_opinion(found: Moving, batch: Batch) -> Opinion:
    """Forecasts of the form with a factor."""
    H, m = batch.horizon, batch.period
    base = found.states.level[0][:, None] + found.states.slope[0][:, None] * damping(found.rates.phi[0], H)
    factor = found.states.season[np.arange(H) % m, 0].T
    length = np.minimum(batch.length, MOST)
    error = np.sqrt((found.errors**2).sum(1) / np.maximum(length - _FORM.parameters - m + 1, 1))
    spread = spread_of(error, responses(found.rates, H, m), found.outer, batch) * factor / factor.mean(1, keepdims=True)
    return Opinion(base * factor * found.outer.future_factor(H), spread, error)


def _logit(share: np.ndarray) -> np.ndarray:
    share = np.clip(share, 1e-4, 1 - 1e-4)
    return np.log(share / (1 - share))
