"""Pairs of series, two draws of one random process, from which an encoder learns what makes series alike.

A process combines one to three components, each with parameters of its own, and adds drift and noise. Contrastive
learning tells the other series of a batch apart from a pair, so some processes have *relatives*: processes that differ
in a single part, as the classes of real problems do.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator

from timeseries.checks import check_count
from timeseries.synthetic import oscillations, shapes
from timeseries.synthetic.randomness import chance, log_uniform, sometimes

SLOTS = 3  # most components of a process
RELATIVES = 4  # processes of a group that differ in a single part
_ALONE = 0.5  # fraction of the groups whose processes have nothing in common


class Component(NamedTuple):
    """A kind of component: how its parameters are drawn, how a series of it, and how often it is chosen."""

    parameters: Callable[[Generator, int], Any]
    series: Callable[[Generator, Any, np.ndarray], np.ndarray]
    share: float


COMPONENTS = {
    "waves": Component(oscillations.waves, oscillations.series_of_waves, 0.28),
    "noise": Component(oscillations.noise, oscillations.series_of_noise, 0.2),
    "outlines": Component(shapes.outlines, shapes.series_of_outlines, 0.24),
    "events": Component(shapes.events, shapes.series_of_events, 0.16),
    "paths": Component(shapes.paths, shapes.series_of_paths, 0.12),
}


class _Mixture(NamedTuple):
    """How the components of a process are combined (n,): their sizes (n, SLOTS), 0 for none; whether the second one
    multiplies the first; the bend of the values (0: none, 1: tanh, 2: absolute, 3: exp, 4: clipped); the drift and its
    deviation, both over the whole series; and the deviations of white noise and of the sizes from draw to draw."""

    sizes: np.ndarray
    product: np.ndarray
    bend: np.ndarray
    drift: np.ndarray
    unsteady: np.ndarray
    noise: np.ndarray
    jitter: np.ndarray


def draw_pairs(n: int, steps: int, seed: int | tuple[int, ...]) -> np.ndarray:
    """Draw two series of each of n processes.

    Args:
        n: How many processes.
        steps: Length T of the series.
        seed: The same seed gives the same pairs.

    Returns:
        Series (n, 2, T), float32, all finite.

    Raises:
        TypeError: If a count is not an integer.
        ValueError: If n is below 1, steps below 2, or a seed below 0.
    """
    check_count("n", n, "process")
    check_count("steps", steps, "steps", least=2)
    for part in seed if isinstance(seed, tuple) else (seed,):
        check_count("seed", part, least=0)
    rng, time = np.random.default_rng(seed), np.linspace(0, 1, steps)
    leader = np.arange(n) - np.arange(n) % RELATIVES
    changed = np.where(leader == np.arange(n), -1, rng.integers(0, SLOTS + 1, n))  # the part that is a relative's own
    changed = np.where(chance(rng, _ALONE, n)[leader], -2, changed)
    sources = [np.where((changed == part) | (changed == -2), np.arange(n), leader) for part in range(SLOTS + 1)]
    parts = [_component(rng, source, time) for source in sources[:SLOTS]]
    mixture = _mixture(rng, n)
    mixture = _Mixture(*(np.repeat(value[sources[SLOTS]], 2, axis=0) for value in mixture))
    return _mixed(rng, mixture, parts, time).reshape(n, 2, steps).astype(np.float32)


def _component(rng: Generator, source: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Two series (2 n, T) of each process: one component, whose kind and parameters are those drawn for ``source``."""
    n = len(source)
    kinds = rng.choice(len(COMPONENTS), n, p=[c.share for c in COMPONENTS.values()])
    values = np.empty((n, 2, len(time)), dtype=np.float32)
    for k, component in enumerate(COMPONENTS.values()):
        own, rows = np.flatnonzero(kinds == k), np.flatnonzero(kinds[source] == k)
        if not len(rows):
            continue
        parameters = component.parameters(rng, len(own))
        place = np.repeat(np.searchsorted(own, source[rows]), 2)
        drawn = component.series(rng, type(parameters)(*(value[place] for value in parameters)), time)
        values[rows] = drawn.reshape(len(rows), 2, len(time))
    return values.reshape(2 * n, len(time))


def _mixture(rng: Generator, n: int) -> _Mixture:
    count = rng.choice(SLOTS, (n, 1), p=[0.35, 0.4, 0.25]) + 1
    order = rng.random((n, SLOTS)).argsort(axis=1)
    return _Mixture(
        sizes=(order < count) * log_uniform(rng, 0.25, 1.5, n * SLOTS).reshape(n, SLOTS),
        product=chance(rng, 0.2, n),
        bend=np.where(chance(rng, 0.3, n), rng.integers(1, 5, n), 0),
        drift=sometimes(rng, 0.3, rng.normal(0, 1.5, n)),
        unsteady=sometimes(rng, 0.3, log_uniform(rng, 0.05, 1.0, n)),
        noise=sometimes(rng, 0.8, log_uniform(rng, 0.01, 0.6, n)),
        jitter=log_uniform(rng, 0.02, 0.3, n),
    )


def _mixed(rng: Generator, p: _Mixture, parts: list[np.ndarray], time: np.ndarray) -> np.ndarray:
    n = len(p.bend)
    sizes = (p.sizes * np.exp(p.jitter[:, None] * rng.standard_normal(p.sizes.shape))).astype(np.float32)
    first, second, third = (size[:, None] * part for size, part in zip(sizes.T, parts, strict=True))
    both = p.product & (p.sizes[:, 0] > 0) & (p.sizes[:, 1] > 0)
    values = np.where(both[:, None], first * (1 + second), first + second) + third
    for bend, form in enumerate(_BENDS, start=1):
        rows = p.bend == bend
        values[rows] = form(values[rows])
    values = values + ((p.drift + p.unsteady * rng.standard_normal(n))[:, None] * time).astype(np.float32)
    return values + p.noise[:, None].astype(np.float32) * rng.standard_normal(values.shape, dtype=np.float32)


_BENDS: tuple[Callable[[np.ndarray], np.ndarray], ...] = (
    lambda v: np.tanh(1.5 * v),
    np.abs,
    lambda v: np.exp(np.clip(v, -4, 3)) / 2,
    lambda v: np.clip(v, -0.7, 0.7),
)
