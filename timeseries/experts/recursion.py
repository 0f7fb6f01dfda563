"""The recursions of exponential smoothing, for many series and many rates at once.

Source: Hyndman, Koehler, Ord and Snyder, "Forecasting with Exponential Smoothing", 2008, chapter 2: the additive forms
in error correction, section 2.5, and ETS(A,Ad,M), table 2.2.

Series begin at step 0 here and end when they end, the shortest first. Arrays stay whole, because numpy is several times
as fast on them as on slices: a series that has ended errs by 0, and its states are put aside.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np


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


class States(NamedTuple):
    """States of smoothing before the first step. A recursion writes those after the last step of each series there.

    Attributes:
        level: (k, G, n), for k runs side by side.
        slope: (k, G, n), or None.
        season: Terms or factors (m, k, G, n); that of step t is at t % m. Or None.
    """

    level: np.ndarray
    slope: np.ndarray | None
    season: np.ndarray | None


def additive(y: np.ndarray, length: np.ndarray, rates: Rates, states: States, errors: np.ndarray) -> Iterator[int]:
    """Go through the steps of the additive form.

    Args:
        y: Series (T, n) of the first run. The other runs have nothing, 0 at each step.
        length: Steps of each series, (n,), rising.
        rates: Candidates, (G, n) each.
        states: Before the first step; overwritten.
        errors: The last b errors (b, k, G, n), those of step t at t % b; overwritten.

    Yields:
        A step, after its errors are written.
    """
    alpha, beta, phi, gamma = rates
    L, B = states.level.copy(), None if states.slope is None else states.slope.copy()
    S, m = states.season, 1 if states.season is None else len(states.season)
    fades, work = bool(np.any(phi != 1)), np.empty_like(L)
    for steps, over, ending in _stretches(length):
        for t in steps:
            e = errors[t % len(errors)]
            if B is not None:
                if fades:
                    B *= phi
                L += B
            np.subtract(y[t], L[0], out=e[0])
            if len(L) > 1:
                np.negative(L[1:], out=e[1:])
            if S is not None:
                e -= S[t % m]
            if over:
                e[..., :over] = 0.0
            yield t
            L += np.multiply(e, alpha, out=work)
            if B is not None:
                B += np.multiply(e, beta, out=work)
            if S is not None:
                S[t % m] += np.multiply(e, gamma, out=work)
        _put_aside(states, L, B, ending)


def multiplicative(
    y: np.ndarray, length: np.ndarray, rates: Rates, states: States, least: np.ndarray, errors: np.ndarray
) -> Iterator[int]:
    """Go through the steps of the form with a slope and a seasonal factor; see `additive`.

    Args:
        y, length, rates, states, errors: As above, for one run: k is 1.
        least: Least level, (n,): a factor of nothing is not known.
    """
    assert states.slope is not None and states.season is not None
    alpha, beta, phi, gamma = rates
    L, B, S, m = states.level.copy(), states.slope.copy(), states.season, len(states.season)
    work, part, rise = (np.empty_like(L) for _ in range(3))
    for steps, over, ending in _stretches(length):
        for t in steps:
            e, s = errors[t % len(errors)], S[t % m]
            B *= phi
            L += B
            np.maximum(L, least, out=L)
            np.subtract(y[t], np.multiply(L, s, out=e), out=e)
            if over:
                e[..., :over] = 0.0
            yield t
            np.multiply(gamma, e, out=rise)
            rise /= L
            np.divide(e, s, out=part)
            L += np.multiply(alpha, part, out=work)
            B += np.multiply(beta, part, out=work)
            s += rise
            np.maximum(s, 0.01, out=s)
        _put_aside(states, np.maximum(L, least), B, ending)


def _stretches(length: np.ndarray) -> Iterator[tuple[range, int, slice]]:
    """Steps through which the same series go on, how many are over before, and which end with the last of the steps."""
    stops, firsts = np.unique(length, return_index=True)
    numbers = [*firsts.tolist(), len(length)]
    start = 0
    for i, stop in enumerate(stops.tolist()):
        yield range(start, stop), numbers[i], slice(numbers[i], numbers[i + 1])
        start = stop


def _put_aside(states: States, level: np.ndarray, slope: np.ndarray | None, series: slice) -> None:
    states.level[..., series] = level[..., series]
    if states.slope is not None and slope is not None:
        states.slope[..., series] = slope[..., series]


def next_season(season: np.ndarray, length: np.ndarray) -> np.ndarray:
    """The terms or factors of the steps after the last, from those at t % m, both (m, k, G, n)."""
    m = len(season)
    return np.take_along_axis(season, ((length + np.arange(m)[:, None]) % m)[:, None, None], 0)
