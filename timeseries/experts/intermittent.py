"""Demand that is mostly zero: its size and its probability are smoothed separately.

Sources: Croston, "Forecasting and stock control for intermittent demands", 1972; Teunter, Syntetos and Babai,
"Intermittent demand: linking forecasting to inventory obsolescence", 2011, section 2 (the probability is smoothed at
every step).
"""

from itertools import product

import numpy as np

from .batch import Batch, Opinion
from .smoothing import MOST

_SIZES, _CHANCES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.7), (0.01, 0.03, 0.07, 0.15, 0.3)


def intermittent(batch: Batch) -> Opinion:
    """Probability times size; the same as simple smoothing if there is demand at every step."""
    near = batch.recent(MOST)
    always = (near.values != 0).sum(1) == near.length  # the probability is and stays 1, at any rate
    if not always.any():
        return _smoothed(near, _CHANCES)
    if always.all():
        return _smoothed(near, _CHANCES[:1])
    n, H = len(always), batch.horizon
    said = Opinion(np.empty((n, H)), np.empty((n, H)), np.empty(n))
    for rows, chances in (always, _CHANCES[:1]), (~always, _CHANCES):
        for all_rows, some in zip(said, _smoothed(near.only(rows), chances), strict=True):
            all_rows[rows] = some
    return said


def _smoothed(batch: Batch, chances: tuple[float, ...]) -> Opinion:
    y = np.ascontiguousarray(batch.values.T)
    seen = np.ascontiguousarray(batch.seen.T)
    some = y != 0
    rates = np.array(list(product(_SIZES, chances))).T[:, :, None]
    counts = some.sum(0)
    size = np.broadcast_to(y.sum(0) / np.maximum(counts, 1), (rates.shape[1], y.shape[1])).copy()
    chance = np.broadcast_to(counts / batch.length, size.shape).copy()
    loss = np.zeros_like(size)
    for t in range(len(y)):
        loss += np.where(seen[t], y[t] - size * chance, 0.0) ** 2
        size += np.where(some[t], rates[0] * (y[t] - size), 0.0)
        chance += np.where(seen[t], rates[1] * (some[t] - chance), 0.0)
    best = loss.argmin(0), np.arange(y.shape[1])
    level, odds = (size * chance)[best], chance[best]
    error = np.sqrt(loss[best] / np.maximum(batch.length - 2, 1))
    weight = rates[0, best[0], 0] * odds + rates[1, best[0], 0] * (1 - odds)
    growth = np.sqrt(1 + weight[:, None] ** 2 * np.arange(batch.horizon))
    return Opinion(np.repeat(level[:, None], batch.horizon, 1), error[:, None] * growth, error)
