"""Products of the errors of smoothing with a level and a slope, for rates of each series' own.

Without a season the runs of nothing are powers of a matrix A of two rows: a step takes level and slope (L, B) to
A (L, B), and errs by c (L, B). So their products are sums of powers, had by repeated squaring; and those with the
errors of the series follow from one run in reverse, the adjoint of a step. This halves the time of three runs.
"""

import numpy as np

from .recursion import Rates

_Arrays = tuple[np.ndarray, ...]


def mixed_products(errors: np.ndarray, rates: Rates) -> tuple[np.ndarray, np.ndarray]:
    """Sums of the products of errors (T, G, n), 0 after the end of a series, with those of nothing from a level of 1
    and from a slope of 1, (G, n) each."""
    keep = 1 - rates.alpha
    level, slope, work = np.zeros((3, *keep.shape))
    for e in errors[::-1]:
        level *= keep
        level -= np.multiply(rates.beta, slope, out=work)
        level -= e
        slope += level
        slope *= rates.phi
    return level, slope


def products_of_nothing(length: np.ndarray, rates: Rates) -> _Arrays:
    """Sums over ``length`` steps (n,) of the products of the errors of nothing: from a level of 1 with itself, with
    those from a slope of 1, and of these with themselves, (G, n) each."""
    alpha, beta, phi, _ = rates
    one: _Arrays = (1 - alpha, (1 - alpha) * phi, -beta, (1 - beta) * phi)  # A, row by row
    power: _Arrays = np.ones_like(alpha), np.zeros_like(alpha), np.zeros_like(alpha), np.ones_like(alpha)
    sums: _Arrays = np.zeros_like(alpha), np.zeros_like(alpha), np.zeros_like(alpha)
    of_one: _Arrays = np.ones_like(alpha), phi, phi**2  # c = -(1, phi)
    for bit in range(int(length.max()).bit_length())[::-1]:
        sums = _plus(sums, _between(sums, power))
        power = _times(power, power)
        odd = (length >> bit) % 2 == 1
        if odd.any():
            more, next_power = _plus(of_one, _between(sums, one)), _times(power, one)
            if not odd.all():
                more = tuple(np.where(odd, a, b) for a, b in zip(more, sums, strict=True))
                next_power = tuple(np.where(odd, a, b) for a, b in zip(next_power, power, strict=True))
            sums, power = more, next_power
    return sums


def _plus(one: _Arrays, other: _Arrays) -> _Arrays:
    return tuple(a + b for a, b in zip(one, other, strict=True))


def _times(one: _Arrays, other: _Arrays) -> _Arrays:
    """The product of two matrices, row by row."""
    a, b, c, d = one
    e, f, g, h = other
    return a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h


def _between(symmetric: _Arrays, matrix: _Arrays) -> _Arrays:
    """M' S M."""
    x, y, z = symmetric
    a, b, c, d = matrix
    left, right, low, last = x * a + y * c, x * b + y * d, y * a + z * c, y * b + z * d
    return a * left + c * low, a * right + c * last, b * right + d * last
