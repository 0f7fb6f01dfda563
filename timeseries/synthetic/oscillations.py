"""Components of processes that repeat: waves of any form, and coloured noise.

Each component has `parameters(rng, n)`, which draws n of them, and `series(rng, p, time)`, which draws a series (n, T)
of each at the times (T,) from 0 to 1. Waves and noise have a deviation of about 1.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from timeseries.synthetic.randomness import chance, log_uniform, sometimes

_GRID = 128  # points of a cycle's form
_HARMONICS = 12


class Waves(NamedTuple):
    """Waves whose cycles have one form.

    Attributes:
        form: One cycle at evenly spaced phases (n, _GRID).
        rate: Cycles in the whole series (n,).
        spread: Relative deviation of the rate from draw to draw (n,).
        sweep: Relative change of the rate from the first to the last step: not 0 in a chirp (n,).
        start, shift: The phase at the first step, and how far it differs from draw to draw, up to any phase (n,).
        swell: Depth by which the amplitude rises and falls once in the series (n,).
    """

    form: np.ndarray
    rate: np.ndarray
    spread: np.ndarray
    sweep: np.ndarray
    start: np.ndarray
    shift: np.ndarray
    swell: np.ndarray


def waves(rng: Generator, n: int) -> Waves:
    """Sums of harmonics, some of them pulses: their harmonics have one phase, and peak together."""
    order = np.arange(1, _HARMONICS + 1)
    fall = rng.uniform(0.3, 3.0, n)[:, None]
    size = order**-fall * rng.standard_normal((n, _HARMONICS)) * (order <= rng.integers(1, _HARMONICS + 1, (n, 1)))
    phase = np.where(chance(rng, 0.35, n)[:, None], 0.0, rng.uniform(0, 1, (n, _HARMONICS)))
    size = np.where(phase[:, :1] == 0, np.abs(size), size)
    spectrum = np.zeros((n, _GRID // 2 + 1), dtype=complex)
    spectrum[:, 1 : _HARMONICS + 1] = size * np.exp(2j * np.pi * phase)
    form = np.fft.irfft(spectrum, _GRID, axis=1)
    return Waves(
        form=(form / (form.std(axis=1, keepdims=True) + 1e-12)).astype(np.float32),
        rate=log_uniform(rng, 0.7, 80, n),
        spread=sometimes(rng, 0.6, log_uniform(rng, 0.003, 0.15, n)),
        sweep=sometimes(rng, 0.25, rng.uniform(-0.8, 3.0, n)),
        start=rng.uniform(0, 1, n),
        shift=rng.choice([0.02, 0.1, 1.0], n, p=[0.25, 0.25, 0.5]),
        swell=sometimes(rng, 0.3, rng.uniform(0.2, 1.0, n)),
    )


def series_of_waves(rng: Generator, p: Waves, time: np.ndarray) -> np.ndarray:
    n = len(p.rate)
    rate = p.rate * np.exp(p.spread * rng.standard_normal(n))
    phase = (p.start + p.shift * (rng.random(n) - 0.5))[:, None] + rate[:, None] * (
        time + p.sweep[:, None] / 2 * time**2
    )
    place = (phase % 1.0) * _GRID
    left = place.astype(np.int32)
    form = np.concatenate([p.form, p.form[:, :2]], axis=1)
    first = np.take_along_axis(form, left, axis=1)
    values = first + (place - left) * (np.take_along_axis(form, left + 1, axis=1) - first)
    return values * (1 + p.swell[:, None] * np.sin(2 * np.pi * (time + rng.random((n, 1)))))


class Noise(NamedTuple):
    """Noise of one spectrum (n,): it falls with a power ``fall`` of the frequency, and peaks near ``peak`` (cycles in
    the whole series) with the relative ``width``; ``height`` is the share of the peak. ``bursts`` is the depth of slow
    changes of its size."""

    fall: np.ndarray
    peak: np.ndarray
    width: np.ndarray
    height: np.ndarray
    bursts: np.ndarray


def noise(rng: Generator, n: int) -> Noise:
    return Noise(
        fall=rng.uniform(0.0, 2.6, n),
        peak=log_uniform(rng, 1, 160, n),
        width=log_uniform(rng, 0.03, 0.6, n),
        height=sometimes(rng, 0.5, rng.uniform(0.2, 1.0, n)),
        bursts=sometimes(rng, 0.3, rng.uniform(0.3, 1.2, n)),
    )


def series_of_noise(rng: Generator, p: Noise, time: np.ndarray) -> np.ndarray:
    n, steps = len(p.fall), len(time)
    rates = np.arange(1, steps // 2 + 1)
    red = rates ** (-p.fall[:, None] / 2)
    peak = np.exp(-0.5 * (np.log(rates / p.peak[:, None]) / p.width[:, None]) ** 2)
    red, peak = (size / (np.sqrt((size**2).sum(axis=1, keepdims=True)) + 1e-12) for size in (red, peak))
    size = np.sqrt((1 - p.height[:, None]) * red**2 + p.height[:, None] * peak**2)
    waves = np.zeros((n, steps // 2 + 1), dtype=np.complex64)
    normal = rng.standard_normal((n, 2, len(rates)), dtype=np.float32)
    waves[:, 1:] = size * (normal[:, 0] + 1j * normal[:, 1])
    values = np.fft.irfft(waves, steps, axis=1) * steps / 2
    slow = np.sin(2 * np.pi * (rng.uniform(0.5, 4, (n, 1)) * time + rng.random((n, 1))))
    return values * np.exp(p.bursts[:, None] * slow)
