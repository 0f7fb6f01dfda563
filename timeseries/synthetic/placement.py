"""Where a series lies: around zero, above zero by some of its deviations, or as the exponential of what was drawn.

The exponential makes multiplicative seasons, trends and errors of additive ones. Units are drawn from 1e-3 to 1e6.
"""

import numpy as np
from numpy.random import Generator

from timeseries.synthetic.randomness import log_uniform, standardised

_AROUND_ZERO, _ABOVE, _EXPONENTIAL = 0.15, 0.5, 0.35
_STEEPEST = 6.0  # of the exponential: tails of t distributions would make a series of one value


def place(rng: Generator, values: np.ndarray) -> np.ndarray:
    """Real values (n, steps) of any unit, placed. None of it tells the mean of the series that is to come."""
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
    """What a series is multiplied by, (n,), from 1e-3 to 1e6, mostly 1 to 1e5."""
    return 10 ** np.clip(rng.normal(2.5, 1.8, n), -3, 6)
