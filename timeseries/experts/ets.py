"""The smoothing forms together, weighed by AICc.

Sources: Hyndman, Koehler, Ord and Snyder, "Forecasting with Exponential Smoothing", 2008, section 7.2 (choice by AICc);
Kolassa, "Combining exponential smoothing forecasts using Akaike weights", 2011 (a mean with weights instead of the best
form alone).
"""

import numpy as np

from .batch import Batch, Opinion
from .decomposition import season_of
from .holt_winters import fit_additive, fit_multiplicative, has_season, multiplicative_opinion
from .smoothing import DAMPED, HOLT, MOST, SIMPLE, fit_adjusted, fit_where, opinion_of

_LEAST = 4  # observations for a slope


def ets(batch: Batch) -> Opinion:
    """The mean of simple, Holt's, damped and Holt-Winters smoothing with Akaike weights."""
    m, length = batch.period, np.minimum(batch.length, MOST)
    none = np.zeros(len(batch.values), bool)
    real = batch.season.real
    plain = season_of(batch.values, batch.first, batch.horizon, 1, 1, none, tested=False)
    opinions, criteria = [], []

    def add(opinion: Opinion, squares: np.ndarray, parameters: int, rows: np.ndarray) -> None:
        opinions.append(opinion)
        criteria.append(np.where(rows, _aicc(squares, length, parameters + 1), np.inf))

    for form in (SIMPLE, HOLT, DAMPED):
        enough = length >= (_LEAST if form.trend else 1)
        if real.any():
            found = fit_adjusted(batch, form)
            opinion = opinion_of(found, batch, batch.season, m - 1)
            add(opinion, (found.errors**2).sum(1), form.parameters + m - 1, enough & real)
        found = fit_where(real, batch, plain, form)
        add(opinion_of(found, batch, plain), (found.errors**2).sum(1), form.parameters, enough)
    whole = has_season(batch)
    if whole.any():
        found, season = fit_additive(batch)
        opinion = opinion_of(found, batch, season, m - 1)
        add(opinion, (found.errors**2).sum(1), found.form.parameters + m - 1, whole)
        if (rows := whole & batch.positive).any():
            moving = fit_multiplicative(batch)
            opinion = multiplicative_opinion(moving, batch)
            add(opinion, (moving.errors**2).sum(1), found.form.parameters + m - 1, rows)
    return _mean(opinions, np.stack(criteria))


def _aicc(squares: np.ndarray, length: np.ndarray, parameters: int) -> np.ndarray:
    """Akaike's criterion, corrected for short series; infinite where there are too few observations for it."""
    left = length - parameters - 1
    criterion = length * np.log(np.maximum(squares, 1e-300)) + 2 * parameters
    correction = 2 * parameters * (parameters + 1) / np.maximum(left, 1)
    return np.where(left > 0, criterion + correction, 1e100 + parameters)


def _mean(opinions: list[Opinion], criteria: np.ndarray) -> Opinion:
    """Weighted mean of points; spread and error as of a mixture."""
    weights = np.exp(-0.5 * np.minimum(criteria - criteria.min(0), 1400.0))
    weights /= weights.sum(0)
    point = sum(w[:, None] * o.point for w, o in zip(weights, opinions, strict=True))
    spread = sum(w[:, None] * o.spread**2 for w, o in zip(weights, opinions, strict=True))
    error = sum(w * o.error**2 for w, o in zip(weights, opinions, strict=True))
    return Opinion(point, np.sqrt(spread), np.sqrt(error))
