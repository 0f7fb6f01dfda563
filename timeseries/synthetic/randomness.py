"""Small draws that all families use. Each gives one value for each series, or one for each series and step."""

import numpy as np
from numpy.random import Generator


def chance(rng: Generator, share: float | np.ndarray, n: int) -> np.ndarray:
    """bool (n,), true with the probability `share`."""
    return rng.random(n) < share


def log_uniform(rng: Generator, low: float, high: float, n: int) -> np.ndarray:
    """Values (n,) between low and high, uniform on the log scale."""
    return np.exp(rng.uniform(np.log(low), np.log(high), n))


def sometimes(rng: Generator, share: float | np.ndarray, values: np.ndarray, otherwise: float = 0.0) -> np.ndarray:
    """The values with probability `share`, a constant otherwise."""
    return np.where(chance(rng, share, len(values)), values, otherwise)


def draw_tails(rng: Generator, n: int, heavy: float = 0.2) -> np.ndarray:
    """Degrees of freedom (n,) of Student's t: from 3 to 12 with probability `heavy`, else infinite (normal noise)."""
    return sometimes(rng, heavy, log_uniform(rng, 3, 12, n), np.inf)


def noise(rng: Generator, tails: np.ndarray, steps: int) -> np.ndarray:
    """Noise (n, steps) of Student's t with these degrees of freedom, about as wide as a standard normal one."""
    drawn = rng.standard_normal((len(tails), steps))
    heavy = np.isfinite(tails)
    freedom = tails[heavy, None]
    drawn[heavy] /= np.sqrt(rng.chisquare(np.broadcast_to(freedom, (heavy.sum(), steps))) / freedom)
    return drawn


def walk(rng: Generator, sizes: np.ndarray, steps: int) -> np.ndarray:
    """Random walks (n, steps) from 0, whose steps have these deviations."""
    steps_taken = sizes[:, None] * rng.standard_normal((len(sizes), steps))
    steps_taken[:, 0] = 0
    return np.cumsum(steps_taken, axis=1)


def autoregress(shocks: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """AR(1) (n, steps) on shocks of deviation 1, itself of deviation 1 and stationary from its first step on."""
    n, steps = shocks.shape
    driven = (shocks * np.sqrt(1 - coefficients**2)[:, None]).T.copy()
    driven[0] = shocks[:, 0]
    for t in range(1, steps):
        driven[t] += coefficients * driven[t - 1]
    return driven.T


def standardised(values: np.ndarray) -> np.ndarray:
    """Each row divided by its deviation; a constant row stays as it is."""
    deviation = values.std(axis=1, keepdims=True)
    return values / np.where(deviation > 1e-12 * (1 + np.abs(values[:, :1])), deviation, 1)
