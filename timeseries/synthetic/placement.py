"""The level of a series: around zero, above zero by some deviations, or an exponential of the drawn values.

The exponential turns additive seasons, trends and errors into multiplicative ones. Units are drawn from 1e-3 to 1e6.
"""

import numpy as np
from numpy.random import Generator

from timeseries.synthetic.randomness import log_uniform, standardised

_AROUND_ZERO, _ABOVE, _EXPONENTIAL = 0.15, 0.5, 0.35
_STEEPEST = 6.0  # largest exponent: with more, tails of t distributions would leave a single large value


def place(rng: Generator, values: np.ndarray) -> np.ndarray:
    """Give real values (n, steps) of any unit a level and a scale."""
    n = len(values)
    units = standardised(values)
    kind = rng.random(n)[:, None]
    margin, spread = log_uniform(rng, 0.1, 40, n)[:, None], log_uniform(rng, 0.03, 0.8, n)[:, None]
    above = units - units.min(axis=1, keepdims=True) + margin
    steep = spread * (units - units[:, :1])
    exponential = np.exp(_STEEPEST * np.tanh(steep / _STEEPEST))
    placed = np.where(kind < _AROUND_ZERO + _ABOVE, above, exponential)
    return np.where(kind < _AROUND_ZERO, units, placed)


def units(rng: Generator, n: int) -> np.ndarray:
    """Factors (n,) by which series are multiplied, from 1e-3 to 1e6, mostly 1 to 1e5."""
    return 10 ** np.clip(rng.normal(2.5, 1.8, n), -3, 6)
