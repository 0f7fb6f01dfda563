"""Draw series: first a frequency and a family for each, then all series of a family at once, then their changes."""

import difflib
import zlib
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from timeseries.checks import check_count
from timeseries.synthetic.families import COUNTS, FAMILIES, FREE, shares
from timeseries.synthetic.frequencies import draw_periods, given_period
from timeseries.synthetic.placement import place, units
from timeseries.synthetic.transforms import composed, transform

COMPOSED = 0.08  # fraction of series that combine two draws
SUMMED = {1: 0.35, 4: 0.25, 12: 0.1}  # by main period, the fraction of series whose values sum _STEPS finer ones
_STEPS = 3


class Drawn(NamedTuple):
    """n series of T steps.

    Attributes:
        values: float64 (n, T), all finite.
        periods: int (n, 2), the main and second period that a user of this frequency assumes, whether or not the
            series has such a season; 1 is none. Hourly series have 24 and 168.
        family: int (n,), the index into the list of FAMILIES.
    """

    values: np.ndarray
    periods: np.ndarray
    family: np.ndarray


def draw(n: int, steps: int, seed: int, families: Iterable[str] | None = None, period: int | None = None) -> Drawn:
    """Draw series of all kinds.

    Args:
        n: How many.
        steps: Their length T.
        seed: The same seed gives the same series on every machine, up to the last digits of exp and cos. Frequencies
            and families of the first k series do not depend on n; their values do.
        families: Names out of FAMILIES; all by default. Their relative probabilities stay the same.
        period: The main period of all series. By default it is drawn, with the probabilities in FREQUENCIES.

    Raises:
        TypeError: If a count is not an integer.
        ValueError: If n, steps or period is below 1, the seed is below 0, or a family is unknown.
    """
    _check(n, steps, seed, period)
    names = _names(families)
    periods = draw_periods(_stream(seed, "frequency"), n) if period is None else given_period(period, n)
    chosen = _choose(_stream(seed, "family"), periods, names)
    values = _draw_all(seed, "alone", chosen, periods, steps)
    share = sum(value * (periods[:, 0] == main) for main, value in SUMMED.items())
    summed = np.flatnonzero(_stream(seed, "sums").random(n) < share)
    if len(summed):
        finer = _draw_all(seed, "summed", chosen[summed], periods[summed] * (_STEPS, 1), steps * _STEPS)
        values[summed] = finer.reshape(len(summed), steps, _STEPS).sum(axis=2)
    rng = _stream(seed, "after")
    real = np.array([f.values != COUNTS for f in FAMILIES.values()])[chosen]
    joined = np.flatnonzero((rng.random(n) < COMPOSED) & real)
    if len(joined):
        others = _choose(_stream(seed, "second family"), periods, names)[joined]
        others = _draw_all(seed, "joined", others, periods[joined], steps)
        values[joined] = composed(rng, values[joined], others)
    changed = transform(rng, values) * units(rng, n)[:, None]
    return Drawn(np.where(real[:, None], changed, values), periods, chosen)


def _choose(rng: Generator, periods: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Indices into FAMILIES (n,)."""
    bounds = np.cumsum(shares(periods, names), axis=1)[:, :-1]
    index = np.array([list(FAMILIES).index(name) for name in names])
    return index[(rng.random(len(periods))[:, None] >= bounds).sum(axis=1)]


def _draw_all(seed: int, purpose: str, chosen: np.ndarray, periods: np.ndarray, steps: int) -> np.ndarray:
    values = np.empty((len(chosen), steps))
    for k, (name, family) in enumerate(FAMILIES.items()):
        rows = np.flatnonzero(chosen == k)
        if not len(rows):
            continue
        rng = _stream(seed, f"{purpose} {name}")
        drawn = family.series(rng, family.parameters(rng, periods[rows], steps), steps)
        values[rows] = place(rng, drawn) if family.values == FREE else drawn
    return values


def _stream(seed: int, purpose: str) -> Generator:
    """A separate random generator for each purpose, so that a change in one family does not change the others."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode())])


def _names(families: Iterable[str] | None) -> tuple[str, ...]:
    names = tuple(FAMILIES) if families is None else (families,) if isinstance(families, str) else tuple(families)
    if not names:
        raise ValueError(f"no families: name some of {', '.join(FAMILIES)}, or leave the argument out for all")
    for name in names:
        if name not in FAMILIES:
            near = difflib.get_close_matches(str(name), FAMILIES, 1, 0.5)
            hint = f"did you mean {near[0]!r}? There are" if near else "there are"
            raise ValueError(f"unknown family {name!r}: {hint} {', '.join(FAMILIES)}")
    return tuple(name for name in FAMILIES if name in names)


def _check(n: int, steps: int, seed: int, period: int | None) -> None:
    check_count("n", n, "series")
    check_count("steps", steps, "step")
    check_count("seed", seed, least=0)
    if period is not None:
        check_count("period", period, "step, which means no season")
