"""Cycles that do not follow the calendar, such as sunspots, lynx and business cycles: phase and height wander.

A noisy phase oscillator, after the stochastic cycle of Harvey, Forecasting, Structural Time Series Models and the
Kalman Filter, 1989, section 2.3.3, with peaks sharper than troughs or steeper on one side.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from timeseries.synthetic.randomness import autoregress, draw_tails, log_uniform, noise, sometimes, walk


class Cycles(NamedTuple):
    """All (n,): steps of a cycle, how its phase and height wander, how sharp and how steep it is, and the rest."""

    length: np.ndarray
    start: np.ndarray
    wander: np.ndarray
    height: np.ndarray
    sharp: np.ndarray
    steep: np.ndarray
    level: np.ndarray
    drift: np.ndarray
    noise: np.ndarray
    memory: np.ndarray
    tails: np.ndarray


def parameters(rng: Generator, periods: np.ndarray, steps: int) -> Cycles:
    n = len(periods)
    own = sometimes(rng, 0.3, np.ones(n)) * (periods[:, 0] > 2)
    return Cycles(
        length=np.where(own > 0, periods[:, 0], log_uniform(rng, 3, max(40, steps / 3), n)),
        start=rng.random(n),
        wander=log_uniform(rng, 0.005, 0.12, n),  # of a cycle, in each cycle's root
        height=sometimes(rng, 0.7, log_uniform(rng, 0.1, 0.8, n)),
        sharp=sometimes(rng, 0.5, rng.uniform(0.2, 2.5, n)),
        steep=sometimes(rng, 0.4, rng.uniform(-0.9, 0.9, n)),
        level=sometimes(rng, 0.5, log_uniform(rng, 0.01, 0.3, n)),
        drift=sometimes(rng, 0.4, rng.normal(0, 2, n)) / steps,
        noise=log_uniform(rng, 0.02, 0.8, n),
        memory=sometimes(rng, 0.4, rng.uniform(0, 0.9, n)),
        tails=draw_tails(rng, n),
    )


def series(rng: Generator, p: Cycles, steps: int) -> np.ndarray:
    n, time = len(p.length), np.arange(steps)
    phase = time / p.length[:, None] + p.start[:, None] + walk(rng, p.wander / np.sqrt(p.length) * 2, steps)
    angle = 2 * np.pi * phase
    angle = angle + p.steep[:, None] * np.sin(angle)
    sharp = p.sharp[:, None]
    wave = np.where(sharp > 0, np.exp(sharp * (np.cos(angle) - 1)), np.cos(angle) / 2)
    slow = autoregress(rng.standard_normal((n, steps)), np.exp(-0.5 / p.length))
    wave = 2 * wave * np.exp(np.clip(p.height[:, None] * slow, -3, 3))
    irregular = p.noise[:, None] * autoregress(noise(rng, p.tails, steps), p.memory)
    return wave + walk(rng, p.level, steps) + p.drift[:, None] * time + irregular
