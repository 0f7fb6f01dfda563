"""Ridge regression of many small problems at once, with penalties weighted by their leave-one-out errors.

Source: Golub, Heath and Wahba, "Generalized Cross-Validation as a Method for Choosing a Good Ridge Parameter", 1979,
section 1: one decomposition gives the errors of all left-out rows.
"""

from typing import NamedTuple

import numpy as np

_CELLS = 50_000  # numbers in the features at a time: more leave the cache
_PENALTIES = np.logspace(-4, 2, 13)  # in mean eigenvalues


class Solution(NamedTuple):
    """Weights (n, k), constants (n,), and the mean square of errors on rows left out, (n,)."""

    weights: np.ndarray
    constant: np.ndarray
    loss: np.ndarray


def ridge(features: np.ndarray, targets: np.ndarray, counted: np.ndarray, constant: bool) -> Solution:
    """Fit each problem: a mean over the penalties, each weighted by the likelihood of its left-out rows.

    Args:
        features: (n, N, k).
        targets: (n, N).
        counted: Rows that count, (n, N), at least one for each problem.
        constant: Whether there is a constant, which is not penalised.
    """
    size = max(1, _CELLS // features[0].size) if len(features) else 1
    some = [slice(start, start + size) for start in range(0, max(len(features), 1), size)]
    parts = [_ridge(features[s], targets[s], counted[s], constant) for s in some]
    return Solution(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _ridge(features: np.ndarray, targets: np.ndarray, counted: np.ndarray, constant: bool) -> Solution:
    rows = np.maximum(counted.sum(1), 1)
    x, z = np.where(counted[..., None], features, 0.0), np.where(counted, targets, 0.0)
    if constant:
        x_mean, z_mean = x.sum(1) / rows[:, None], z.sum(1) / rows
        x = np.where(counted[..., None], features - x_mean[:, None], 0.0)
        z = np.where(counted, targets - z_mean[:, None], 0.0)
    gram = x.transpose(0, 2, 1) @ x
    values, vectors = np.linalg.eigh(gram)
    values = np.maximum(values, 0.0)
    columns = np.maximum((x != 0).any(1).sum(1), 1)  # those of nothing are as if they were not there
    size = (values.sum(1) / columns)[:, None] + 1e-300
    inverse = 1 / (values[..., None] + size[..., None] * _PENALTIES)  # (n, k, P)
    spun = x @ vectors
    target = (spun.transpose(0, 2, 1) @ z[..., None])[..., 0]
    solutions = target[..., None] * inverse
    leverage = (spun**2) @ inverse + (1 / rows[:, None, None] if constant else 0.0)
    left_out = np.where(counted[..., None], (z[..., None] - spun @ solutions) / np.maximum(1 - leverage, 1e-3), 0.0)
    losses = (left_out**2).sum(1) / rows[:, None]
    chance = np.log(losses + 1e-300) * (-0.5 * rows[:, None])
    share = np.exp(np.maximum(chance - chance.max(1, keepdims=True), -700.0))
    share /= share.sum(1, keepdims=True)
    weights = (vectors @ (solutions @ share[..., None]))[..., 0]
    loss = ((left_out @ share[..., None]) ** 2)[..., 0].sum(1) / rows
    return Solution(weights, z_mean - (weights * x_mean).sum(1) if constant else np.zeros(len(weights)), loss)
