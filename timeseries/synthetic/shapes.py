"""Components of processes that happen once: outlines, events and paths, each at about the same place in every draw.

The interface is that of ``oscillations``.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from timeseries.synthetic.randomness import chance, log_uniform, sometimes

_GRID = 256  # points of an outline
_EVENTS, _PIECES = 6, 10  # most events, and most pieces of a path


class Outlines(NamedTuple):
    """Smooth curves, stretched in time a little from draw to draw.

    Attributes:
        curve: The curve at evenly spaced times (n, _GRID + 1), of deviation 1.
        warp: Relative changes of speed (n,).
        shift: Deviation of its place in time (n,).
    """

    curve: np.ndarray
    warp: np.ndarray
    shift: np.ndarray


def outlines(rng: Generator, n: int) -> Outlines:
    rates = np.arange(1, 41)
    size = rates ** -rng.uniform(0.6, 2.5, (n, 1)) * (rates <= np.exp(rng.uniform(np.log(2), np.log(40), (n, 1))))
    waves = np.zeros((n, _GRID + 1), dtype=complex)  # of twice the length, so that the ends need not meet
    waves[:, 1:41] = size * (rng.standard_normal((n, 40)) + 1j * rng.standard_normal((n, 40)))
    curve = np.fft.irfft(waves, 2 * _GRID, axis=1)[:, : _GRID + 1]
    curve = curve - curve.mean(axis=1, keepdims=True)
    return Outlines(
        curve=(curve / (curve.std(axis=1, keepdims=True) + 1e-12)).astype(np.float32),
        warp=log_uniform(rng, 0.01, 0.3, n),
        shift=log_uniform(rng, 0.001, 0.05, n),
    )


def series_of_outlines(rng: Generator, p: Outlines, time: np.ndarray) -> np.ndarray:
    n = len(p.warp)
    order = np.arange(1, 4)
    bends = p.warp[:, None] * rng.standard_normal((n, 3)) / (np.pi * order**1.5)
    warped = time + bends @ np.sin(np.pi * order[:, None] * time) + (p.shift * rng.standard_normal(n))[:, None]
    place = np.clip(warped, 0, 1 - 1e-6) * _GRID
    left = place.astype(np.int32)
    first = np.take_along_axis(p.curve, left, axis=1)
    return first + (place - left) * (np.take_along_axis(p.curve, left + 1, axis=1) - first)


class Events(NamedTuple):
    """Up to _EVENTS bumps, steps, decays or bursts (n, _EVENTS).

    Attributes:
        kind: 0: bump, 1: step, 2: decay, 3: burst of a wave.
        place, width, size: Of each event; times from 0 to 1.
        jitter: Deviations from draw to draw (n,) of place and of size.
    """

    kind: np.ndarray
    place: np.ndarray
    width: np.ndarray
    size: np.ndarray
    jitter: np.ndarray


def events(rng: Generator, n: int) -> Events:
    shape = (n, _EVENTS)
    there = np.arange(_EVENTS) < rng.integers(1, _EVENTS + 1, (n, 1))
    mixed = chance(rng, 0.3, n)[:, None]
    kind = np.where(mixed, rng.integers(0, 4, shape), rng.integers(0, 4, (n, 1)))
    return Events(
        kind=kind,
        place=rng.uniform(0.03, 0.97, shape),
        width=np.exp(rng.uniform(np.log(0.006), np.log(0.12), shape)),
        size=there * rng.normal(0, 1, shape) + there * np.sign(rng.normal(0, 1, shape)),
        jitter=log_uniform(rng, 0.002, 0.15, n),
    )


def series_of_events(rng: Generator, p: Events, time: np.ndarray) -> np.ndarray:
    n = len(p.jitter)
    values = np.zeros((n, len(time)), dtype=np.float32)
    normal = rng.standard_normal((2, n, _EVENTS))
    place = p.place + 0.3 * p.jitter[:, None] * normal[0]
    size = p.size * (1 + p.jitter[:, None] * normal[1])
    for e in range(_EVENTS):
        for kind in range(4):
            rows = np.flatnonzero((p.kind[:, e] == kind) & (p.size[:, e] != 0))
            if len(rows):
                away = ((time - place[rows, e, None]) / p.width[rows, e, None]).astype(np.float32)
                values[rows] += size[rows, e, None].astype(np.float32) * _FORMS[kind](away)
    return values


_FORMS = (
    lambda away: np.exp(-(away**2) / 2),
    lambda away: 0.5 + 0.5 * np.tanh(4 * away),
    lambda away: np.where(away >= 0, np.exp(-np.clip(away, 0, 30) / 2), 0),
    lambda away: np.exp(-(away**2) / 2) * np.cos(6 * away),
)


class Paths(NamedTuple):
    """Paths of constant or linear pieces.

    Attributes:
        knots: Times at which pieces meet, rising (n, _PIECES + 1), from 0 to 1.
        levels: Values there (n, _PIECES + 1).
        constant: Whether pieces are constant (n,).
        shuffled: Whether each draw has the levels in an order of its own (n,).
        jitter: Deviation of the levels, and of the knots relative to the pieces (n,).
    """

    knots: np.ndarray
    levels: np.ndarray
    constant: np.ndarray
    shuffled: np.ndarray
    jitter: np.ndarray


def paths(rng: Generator, n: int) -> Paths:
    pieces = rng.integers(2, _PIECES + 1, (n, 1))
    length = rng.gamma(2.0, 1.0, (n, _PIECES)) * (np.arange(_PIECES) < pieces)
    ends = np.cumsum(length, axis=1) / length.sum(axis=1, keepdims=True)
    few = rng.normal(0, 1, (n, 3))  # many machines switch between few levels
    chosen = np.take_along_axis(few, rng.integers(0, 3, (n, _PIECES + 1)), axis=1)
    return Paths(
        knots=np.concatenate([np.zeros((n, 1)), ends], axis=1),
        levels=np.where(chance(rng, 0.4, n)[:, None], chosen, rng.normal(0, 1, (n, _PIECES + 1))),
        constant=chance(rng, 0.5, n),
        shuffled=chance(rng, 0.25, n),
        jitter=sometimes(rng, 0.8, log_uniform(rng, 0.01, 0.3, n)),
    )


def series_of_paths(rng: Generator, p: Paths, time: np.ndarray) -> np.ndarray:
    n = len(p.jitter)
    order = np.where(p.shuffled[:, None], rng.random(p.levels.shape), np.arange(_PIECES + 1)).argsort(axis=1)
    levels = np.take_along_axis(p.levels, order, axis=1)
    levels = levels + 0.5 * p.jitter[:, None] * rng.standard_normal(levels.shape)
    length = np.diff(p.knots, axis=1) * np.exp(p.jitter[:, None] * rng.standard_normal((n, _PIECES)))
    knots = np.concatenate([np.zeros((n, 1)), np.cumsum(length, axis=1)], axis=1)
    knots = knots / knots[:, -1:]
    piece = np.zeros((n, len(time)), dtype=np.int32)
    for k in range(1, _PIECES):
        piece += time >= knots[:, k, None]
    first, begin = np.take_along_axis(levels, piece, axis=1), np.take_along_axis(knots, piece, axis=1)
    last, end = np.take_along_axis(levels, piece + 1, axis=1), np.take_along_axis(knots, piece + 1, axis=1)
    way = np.clip((time - begin) / np.maximum(end - begin, 1e-6), 0, 1)
    return first + np.where(p.constant[:, None], 0, way) * (last - first)
