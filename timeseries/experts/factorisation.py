"""Level times shape: the mean of each period is forecast, and spread over its steps by the shape of the last periods.

Source: FLAIR, arXiv 2605.07222: level and shape of a series folded by its period, ridge regression of the level.
"""

import numpy as np

from .autoregression import autoregression, lagged
from .batch import Batch, Opinion, where
from .decomposition import season_of

_LEAST = 4  # whole periods
_SHAPES = 3  # periods whose shape is averaged


def factorisation(batch: Batch) -> Opinion:
    """A factor where all values are positive, else a difference. Autoregression with fewer than 4 whole periods."""
    m, T, n = batch.period, batch.values.shape[1], len(batch.values)
    enough = batch.length >= _LEAST * m
    if m < 2 or not enough.any():
        return autoregression(batch)
    K = T // m
    folded = batch.values[:, T - K * m :].reshape(n, K, m)
    whole = np.arange(K) >= (K - batch.length // m)[:, None]
    level = np.where(whole, folded.mean(2), 0.0)
    steps = -(-batch.horizon // m)
    levels = Batch(level, K - np.maximum(batch.length // m, 1), steps, 1, 1)
    none = season_of(level, levels.first, steps, 1, 1, np.zeros(n, bool), tested=False)
    ahead = lagged(levels, none)
    safe = np.where(batch.positive[:, None] & whole, level, 1.0)
    shapes = np.where(batch.positive[:, None, None], folded / safe[..., None], folded - level[..., None])
    shape = shapes[:, -_SHAPES:].mean(1)
    left = (
        np.where(whole[..., None], shapes - shape[:, None], 0.0)
        * np.where(batch.positive[:, None], safe, 1.0)[..., None]
    )
    noise = (left**2).sum((1, 2)) / np.maximum(whole.sum(1) * m - m, 1)
    spot = np.arange(batch.horizon)
    future, shape = ahead.point[:, spot // m], shape[:, spot % m]
    point = np.where(batch.positive[:, None], future * shape, future + shape)
    spread = np.sqrt(ahead.spread[:, spot // m] ** 2 + noise[:, None] * (1 + 1 / _SHAPES))
    return where(enough, Opinion(point, spread, np.sqrt(ahead.error**2 + noise)), autoregression(batch))
