"""Gaussian processes whose kernels are sums and products of simple ones.

KernelSynth of Ansari et al., Chronos, 2024, appendix A, here with sampled frequencies in place of a factor of the
covariance: Rahimi and Recht, Random Features for Large-Scale Kernel Machines, NeurIPS 2007. A product of stationary
kernels has the sum of their frequencies. There is always noise on top.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from timeseries.synthetic.randomness import chance, draw_tails, log_uniform, noise, sometimes

_FEATURES, _COMPONENTS = 40, 4


class GaussianProcess(NamedTuple):
    """Frequencies in cycles a step, phases and weights (n, features); slope, growth and noise (n,)."""

    frequency: np.ndarray
    phase: np.ndarray
    weight: np.ndarray
    slope: np.ndarray
    growth: np.ndarray  # of the waves over the whole series: a linear kernel times the others
    noise: np.ndarray
    tails: np.ndarray


def parameters(rng: Generator, periods: np.ndarray, steps: int) -> GaussianProcess:
    n, scale = len(periods), max(steps, 16)
    shape = (n, _FEATURES)
    components = rng.integers(1, _COMPONENTS + 1, n)
    member = np.arange(_FEATURES) % components[:, None]
    size = np.take_along_axis(log_uniform(rng, 0.2, 2, n * _COMPONENTS).reshape(n, -1), member, axis=1)
    first, second = (_frequencies(rng, periods, member, scale) for _ in range(2))
    product = np.take_along_axis(rng.random((n, _COMPONENTS)) < 0.3, member, axis=1)
    weight = size * rng.standard_normal(shape) * np.sqrt(components / _FEATURES)[:, None]
    slope = sometimes(rng, 0.5, rng.normal(0, 2, n)) / scale
    growth = sometimes(rng, 0.2, log_uniform(rng, 0.3, 3, n))
    frequency = first + product * second
    phase = rng.uniform(0, 2 * np.pi, shape)
    return GaussianProcess(frequency, phase, weight, slope, growth, log_uniform(rng, 0.03, 1.2, n), draw_tails(rng, n))


def _frequencies(rng: Generator, periods: np.ndarray, member: np.ndarray, scale: int) -> np.ndarray:
    """Sampled from the spectra of smooth (RBF), rational quadratic or periodic kernels, one kernel a component."""
    n, shape = len(periods), member.shape

    def of_component(values):
        return np.take_along_axis(values.reshape(n, _COMPONENTS), member, axis=1)

    length = of_component(log_uniform(rng, 0.02, 1, n * _COMPONENTS)) * scale
    mixing = of_component(log_uniform(rng, 0.3, 5, n * _COMPONENTS))
    heavy = of_component(chance(rng, 0.4, n * _COMPONENTS))
    widths = np.where(heavy, np.sqrt(rng.gamma(mixing) / mixing), 1)
    smooth = rng.standard_normal(shape) * widths / (2 * np.pi * length)
    other = of_component(log_uniform(rng, 4, scale, n * _COMPONENTS))
    main = np.where(of_component(chance(rng, 0.8, n * _COMPONENTS)), periods[:, :1], periods[:, 1:])
    own = (main > 1) & of_component(chance(rng, 0.8, n * _COMPONENTS))
    decay = of_component(rng.uniform(0.3, 0.8, n * _COMPONENTS))
    harmonic = rng.geometric(1 - decay)
    harmonic = np.minimum(harmonic, np.where(own, np.maximum(main // 2, 1), 6))
    periodic = of_component(chance(rng, 0.5, n * _COMPONENTS))
    return np.where(periodic, harmonic / np.where(own, main, other), smooth)


def series(rng: Generator, p: GaussianProcess, steps: int) -> np.ndarray:
    n, time = len(p.slope), np.arange(steps)
    waves = np.zeros((n, steps))
    for k in range(p.frequency.shape[1]):
        angle = 2 * np.pi * p.frequency[:, k, None] * time + p.phase[:, k, None]
        waves += p.weight[:, k, None] * np.cos(angle)
    waves *= np.sqrt(2) * (1 + p.growth[:, None] * time / steps)
    return waves + p.slope[:, None] * time + p.noise[:, None] * noise(rng, p.tails, steps)
