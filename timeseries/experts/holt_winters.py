"""Holt-Winters smoothing with a damped slope, and a season that changes over time, as a term or as a factor.

Sources: Winters, "Forecasting sales by exponentially weighted moving averages", 1960; Hyndman, Koehler, Ord and Snyder,
"Forecasting with Exponential Smoothing", 2008, tables 2.2 and 6.1: ETS(A,Ad,A) and ETS(A,Ad,M). The season begins as
the classical decomposition finds it.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .batch import Batch, Opinion, from_start, to_end, where
from .decomposition import Season, season_of
from .recursion import Rates, States, multiplicative, next_season
from .smoothing import (
    DAMPED,
    MOST,
    Fit,
    Form,
    damped,
    damping,
    fit,
    fit_where,
    opinion_of,
    rates_of,
    responses,
    search,
    spread_of,
)
from .starts import in_chunks

_CELLS = 6_000  # numbers in one array of a recursion: more leave the cache, fewer are not worth a call
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
    states: States
    errors: np.ndarray
    outer: Season


def _fit_multiplicative(batch: Batch) -> Moving:
    T, m, n = batch.values.shape[1], batch.period, len(batch.values)
    begin = max(0, T - MOST)
    both = season_of(batch.values, batch.first, batch.horizon, m, batch.second, batch.positive, tested=False)
    main = season_of(batch.values, batch.first, batch.horizon, m, 1, batch.positive, tested=False)
    outer = Season(both.factor / main.factor, both.term - main.term, both.real)
    rows = has_season(batch) & batch.positive
    start = fit_where(rows & (both.factor != batch.season.factor).any(1), batch, both, DAMPED)
    first = np.maximum(batch.first - begin, 0)
    length = T - begin - first
    y = from_start((batch.values / outer.past_factor(T))[:, begin:], first)
    at = begin + first + np.arange(m)[:, None]
    factors = np.take_along_axis(main.factor.T, np.where(at < T, at, np.maximum(at - m, 0)), 0)
    seen = batch.seen[:, begin:]
    least = 0.01 * np.where(seen, both.adjust(batch.values)[:, begin:], 0.0).sum(1) / seen.sum(1)
    alpha, beta, phi, _ = start.rates
    logits = [_logit(alpha), _logit(beta / alpha), _logit((phi - 0.8) / 0.18)]
    grid = np.stack([np.stack([*(x[0] for x in logits), np.full(n, g)]) for g in _LOGITS], 1)

    def run(rates: Rates, columns: slice, errors: np.ndarray) -> tuple[Iterator[int], States]:
        G = errors.shape[2]
        level, slope = np.repeat(start.initial[:, None, None, columns], G, 2)
        states = States(level, slope, np.repeat(factors[:, None, None, columns], G, 2))
        part = Rates(*(np.ascontiguousarray(rate[:, columns]) for rate in rates))
        return multiplicative(y[:, columns], length[columns], part, states, least[columns], errors), states

    def loss_at(points: np.ndarray) -> np.ndarray:
        rates, loss = rates_of(points, _FORM), np.zeros(points.shape[1:])
        for columns in in_chunks(n, _CELLS // len(loss)):
            total, errors, work = np.zeros((3, 1, 1, *loss[:, columns].shape))
            for _ in run(rates, columns, errors)[0]:
                total += np.multiply(errors, errors, out=work)
            loss[:, columns] = total[0, 0]
        return loss

    rates = rates_of(search(loss_at, grid, np.ones(4, bool), n), _FORM)
    errors = np.empty((len(y), 1, 1, n))
    steps, states = run(rates, slice(None), errors)
    for _ in steps:
        pass
    assert states.slope is not None and states.season is not None
    states = States(states.level[0], states.slope[0], next_season(states.season, length)[:, 0])
    scaled = np.zeros(batch.values.shape)
    scaled[:, begin:] = to_end(errors[:, 0, 0], first) * outer.past_factor(T)[:, begin:]
    return Moving(rates, states, scaled, outer)


def multiplicative_opinion(found: Moving, batch: Batch) -> Opinion:
    """Forecasts of the form with a factor."""
    H, m = batch.horizon, batch.period
    assert found.states.slope is not None and found.states.season is not None
    base = found.states.level[0][:, None] + found.states.slope[0][:, None] * damping(found.rates.phi[0], H)
    factor = found.states.season[np.arange(H) % m, 0].T
    length = np.minimum(batch.length, MOST)
    error = np.sqrt((found.errors**2).sum(1) / np.maximum(length - _FORM.parameters - m + 1, 1))
    spread = spread_of(error, responses(found.rates, H, m), found.outer, batch) * factor / factor.mean(1, keepdims=True)
    return Opinion(base * factor * found.outer.future_factor(H), spread, error)


def _logit(share: np.ndarray) -> np.ndarray:
    share = np.clip(share, 1e-4, 1 - 1e-4)
    return np.log(share / (1 - share))
