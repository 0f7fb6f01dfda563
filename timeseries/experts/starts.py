"""The best initial level and slope of an additive form for any rates, and its sum of squared errors from there.

Source: Hyndman, Koehler, Ord and Snyder, "Forecasting with Exponential Smoothing", 2008, section 14.2: errors are
linear in the initial state, so that least squares has a closed form. Three runs tell it: that of the series from a
state of 0, and those of nothing from a level and from a slope of 1.
"""

from collections.abc import Iterator

import numpy as np

from .adjoint import mixed_products, products_of_nothing
from .recursion import Rates, States, additive

_TINY = 1e-12
_CELLS = 8_000  # numbers in one array of a recursion: more leave the cache, fewer are not worth a call
_SHARED_CELLS, _BLOCK = 25_000, 8  # the same, and steps at a time, where the runs of nothing are shared


def best_starts(
    y: np.ndarray, length: np.ndarray, rates: Rates, trend: bool, m: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """The least sum of squared errors (G, n), and the level and slope before the first step that have it, (2, G, n).

    The season, if m > 1, begins at 0.

    Args:
        y: Series (T, n) from their first step on.
        length: Steps of each, (n,), rising.
        rates: Candidates (G, n), or (G, 1) if they are the same for all series.
        trend: Whether there is a slope.
        m: Period of a season, 1 for none.
    """
    G, n = len(rates.alpha), len(length)
    loss, initial = np.empty((G, n)), np.empty((2, G, n))
    if rates.alpha.shape[1] == 1:
        for rows in in_chunks(G, _SHARED_CELLS // n):
            products = _products_of_shared(y, length, _part(rates, rows), trend, m)
            loss[rows], initial[:, rows] = _least(products, trend)
        return loss, initial
    products_of = _products_without_season if trend and m == 1 else _products
    for columns in in_chunks(n, _CELLS // G):
        products = products_of(y[:, columns], length[columns], _part(rates, (slice(None), columns)), trend, m)
        loss[:, columns], initial[:, :, columns] = _least(products, trend)
    return loss, initial


def in_chunks(count: int, size: int) -> Iterator[slice]:
    """Slices of ``count`` things, at least one in each."""
    yield from (slice(start, start + max(size, 1)) for start in range(0, count, max(size, 1)))


def _part(rates: Rates, some: slice | tuple[slice, slice]) -> Rates:
    return Rates(*(np.ascontiguousarray(rate[some]) for rate in rates))


def _begun(m: int, trend: bool, k: int, G: int, n: int) -> States:
    """States of the first k runs."""
    level, slope = np.zeros((2, k, G, n))
    level[1:2] = 1.0
    slope[2:3] = 1.0
    return States(level, slope if trend else None, np.zeros((m, k, G, n)) if m > 1 else None)


def _products_without_season(y: np.ndarray, length: np.ndarray, rates: Rates, trend: bool, m: int) -> list[np.ndarray]:
    """As `_products`, of forms with a slope and without a season."""
    errors = np.empty((length[-1], 1, *rates.alpha.shape))
    for _ in additive(y, length, rates, _begun(m, trend, 1, *rates.alpha.shape), errors):
        pass
    errors = errors[:, 0]
    squares = np.einsum("tgn,tgn->gn", errors, errors)
    level, mixed, slope = products_of_nothing(length, rates)
    return [np.stack([squares, *mixed_products(errors, rates)]), np.stack([level, mixed]), slope[None]]


def _products(y: np.ndarray, length: np.ndarray, rates: Rates, trend: bool, m: int) -> list[np.ndarray]:
    """Sums over the steps of the products of the runs' errors: run i with the runs from i on, (k - i, G, n)."""
    k, (G, n) = 3 if trend else 2, rates.alpha.shape
    products = [np.zeros((k - i, G, n)) for i in range(k)]
    errors, work = np.empty((2, k, G, n))
    for _ in additive(y, length, rates, _begun(m, trend, k, G, n), errors[None]):
        for i in range(k):
            products[i] += np.multiply(errors[i], errors[i:], out=work[i:])
    return products


def _products_of_shared(y: np.ndarray, length: np.ndarray, rates: Rates, trend: bool, m: int) -> list[np.ndarray]:
    """The same for rates (G, 1): the runs of nothing are the same for all series."""
    T, n, G, k = length[-1], len(length), len(rates.alpha), 3 if trend else 2
    nothing = np.empty((T, k, G, 1))
    for _ in additive(np.zeros((T, 1)), np.array([T]), rates, _begun(m, trend, k, G, 1), nothing):
        pass
    others = nothing[:, 1:, :, 0].transpose(2, 1, 0)  # (G, k - 1, T)
    own = Rates(*(np.ascontiguousarray(np.broadcast_to(rate, (G, n))) for rate in rates))
    errors = np.empty((_BLOCK, 1, G, n))
    squares, mixed = np.zeros((G, n)), np.zeros((G, k - 1, n))
    for t in additive(y, length, own, _begun(m, trend, 1, G, n), errors):
        count = t % _BLOCK + 1
        if count == _BLOCK or t == T - 1:
            part = errors[:count, 0]
            squares += np.einsum("tgn,tgn->gn", part, part)
            mixed += others[:, :, t + 1 - count : t + 1] @ part.transpose(1, 0, 2)
    sums = [
        np.cumsum(others[:, i : i + 1] * others[:, i:], 2)[..., length - 1].transpose(1, 0, 2) for i in range(k - 1)
    ]
    return [np.concatenate([squares[None], mixed.transpose(1, 0, 2)]), *sums]


def _least(products: list[np.ndarray], trend: bool) -> tuple[np.ndarray, np.ndarray]:
    x = _initial(products, trend)
    loss = products[0][0] + (x[0] * (2 * products[0][1] + x[0] * products[1][0]))
    if trend:
        loss = loss + x[1] * (2 * products[0][2] + x[1] * products[2][0] + 2 * x[0] * products[1][1])
    return np.maximum(loss, 0.0), x


def _initial(products: list[np.ndarray], trend: bool) -> np.ndarray:
    """Level and slope (2, G, n) of the least sum of squared errors."""
    p01, p11 = products[0][1], products[1][0]
    if not trend:
        return np.stack([-p01 / (p11 + _TINY), np.zeros_like(p01)])
    p02, p12, p22 = products[0][2], products[1][1], products[2][0]
    p11, p22 = p11 * (1 + 1e-9) + _TINY, p22 * (1 + 1e-9) + _TINY
    determinant = p11 * p22 - p12**2
    return np.stack([p12 * p02 - p22 * p01, p12 * p01 - p11 * p02]) / determinant
