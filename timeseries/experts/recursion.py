"""The recursions of exponential smoothing, for many series and many rates at once.

Source: Hyndman, Koehler, Ord and Snyder, "Forecasting with Exponential Smoothing", 2008: the additive forms in error
correction, section 2.5, and least squares of the initial state, section 14.2: errors of an additive form are linear in
its initial level and slope, so that the best ones have a closed form for any rates.
"""

from typing import NamedTuple

import numpy as np

_TINY = 1e-12


class Rates(NamedTuple):
    """Rates of smoothing, each (G, n): G candidates for n series.

    Attributes:
        alpha: Of the level, in (0, 1).
        beta: Of the slope, in (0, alpha).
        phi: What is left of the slope after a step, up to 1.
        gamma: Of the season, in (0, 1 - alpha).
    """

    alpha: np.ndarray
    beta: np.ndarray
    phi: np.ndarray
    gamma: np.ndarray


class Additive(NamedTuple):
    """What the additive form makes of series.

    Attributes:
        loss: Sum of squared errors, (G, n).
        level, slope: After the last step, (G, n).
        initial: Level and slope before the first step, (2, G, n).
        season: What the season adds to the next steps, (m, G, n), or None.
        errors: (T, G, n) if asked for.
    """

    loss: np.ndarray
    level: np.ndarray
    slope: np.ndarray
    initial: np.ndarray
    season: np.ndarray | None
    errors: np.ndarray | None


def additive(y: np.ndarray, first: np.ndarray, rates: Rates, trend: bool, m: int = 1, keep: bool = False) -> Additive:
    """Level, slope if ``trend``, and season if m > 1, from the best initial level and slope and a season of 0.

    Three runs go side by side: the series from a state of 0, and nothing from a level and from a slope of 1. The
    errors are a sum of the three.

    Args:
        y: Series (T, n), 0 before ``first``.
        first: Column of the first observation, (n,).
        rates: Candidates.
        trend: Whether there is a slope.
        m: Period of a season, 1 for none.
        keep: Whether errors are asked for.
    """
    T, n = y.shape
    G, k = len(rates.alpha), 3 if trend else 2
    L, B, E = np.zeros((k, G, n)), np.zeros((k, G, n)), np.empty((k, G, n))
    work, pair = np.empty((k, G, n)), np.empty((k, G, n))
    S = np.zeros((m, k, G, n)) if m > 1 else None
    products = [np.zeros((k - i, G, n)) for i in range(k)]
    kept = np.empty((T, k, G, n)) if keep else None
    begins = set(first.tolist())
    alpha, beta, phi, gamma = rates
    for t in range(T):
        if t in begins:
            fresh = (first == t).astype(float)
            L[1] += fresh
            if trend:
                B[2] += fresh
        if trend:
            B *= phi
            L += B
        np.negative(L, out=E)
        if S is not None:
            E -= S[t % m]
        E[0] += y[t]
        L += np.multiply(E, alpha, out=work)
        if trend:
            B += np.multiply(E, beta, out=work)
        if S is not None:
            S[t % m] += np.multiply(E, gamma, out=work)
        for i in range(k):
            products[i] += np.multiply(E[i], E[i:], out=pair[i:])
        if kept is not None:
            kept[t] = E
    x = _initial(products, trend)
    loss = products[0][0] + (x[0] * (2 * products[0][1] + x[0] * products[1][0]))
    if trend:
        loss = loss + x[1] * (2 * products[0][2] + x[1] * products[2][0] + 2 * x[0] * products[1][1])
    total = _sum(L, x)
    return Additive(
        np.maximum(loss, 0.0),
        total,
        _sum(B, x) if trend else np.zeros_like(total),
        x,
        None if S is None else np.stack([_sum(S[(T + j) % m], x) for j in range(m)]),
        None if kept is None else np.stack([_sum(kept[t], x) for t in range(T)]),
    )


def _sum(runs: np.ndarray, x: np.ndarray) -> np.ndarray:
    total = runs[0] + x[0] * runs[1]
    return total + x[1] * runs[2] if len(runs) > 2 else total


def _initial(products: list[np.ndarray], trend: bool) -> np.ndarray:
    """Level and slope (2, G, n) of the least sum of squared errors."""
    p01, p11 = products[0][1], products[1][0]
    if not trend:
        return np.stack([-p01 / (p11 + _TINY), np.zeros_like(p01)])
    p02, p12, p22 = products[0][2], products[1][1], products[2][0]
    p11, p22 = p11 * (1 + 1e-9) + _TINY, p22 * (1 + 1e-9) + _TINY
    determinant = p11 * p22 - p12**2
    return np.stack([p12 * p02 - p22 * p01, p12 * p01 - p11 * p02]) / determinant


class Multiplicative(NamedTuple):
    """What the form with a seasonal factor makes of series; see `Additive`. ``season`` (m, G, n): next factors."""

    loss: np.ndarray
    level: np.ndarray
    slope: np.ndarray
    season: np.ndarray
    errors: np.ndarray | None


def multiplicative(
    y: np.ndarray,
    first: np.ndarray,
    rates: Rates,
    initial: np.ndarray,
    season: np.ndarray,
    least: np.ndarray,
    keep: bool = False,
) -> Multiplicative:
    """Level, damped slope and a seasonal factor (ETS(A,Ad,M): same book, table 2.2).

    Args:
        y: Series (T, n), 0 before ``first``.
        first: (n,).
        rates: Candidates.
        initial: Level and slope before the first step, (2, G, n) or (2, 1, n).
        season: Factors of the first m steps of the columns, (m, n).
        least: Least level, (n,): a factor of nothing is not known.
        keep: Whether errors are asked for.
    """
    T, n = y.shape
    m, G = len(season), len(rates.alpha)
    alpha, beta, phi, gamma = rates
    L = np.array(np.broadcast_to(initial[0], (G, n)))
    B = np.zeros((G, n))
    S = np.array(np.broadcast_to(season[:, None], (m, G, n)))
    E, part, loss = np.empty((G, n)), np.empty((G, n)), np.zeros((G, n))
    kept = np.empty((T, G, n)) if keep else None
    begins, latest = set(first.tolist()), first.max()
    for t in range(T):
        if t in begins:
            B += np.where(first == t, initial[1], 0.0)
        B *= phi
        L += B
        np.maximum(L, least, out=L)
        s = S[t % m]
        np.subtract(y[t], np.multiply(L, s, out=E), out=E)
        if t < latest:
            E *= first <= t
        loss += np.multiply(E, E, out=part)
        np.divide(E, s, out=part)
        if kept is not None:
            kept[t] = E
        rise = np.multiply(gamma, E)
        rise /= L
        L += alpha * part
        B += beta * part
        s += rise
        np.maximum(s, 0.01, out=s)
    order = [(T + j) % m for j in range(m)]
    return Multiplicative(loss, np.maximum(L, least), B, S[order], kept)
