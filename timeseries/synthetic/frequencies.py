"""How often series of each frequency are drawn, and the periods that a user of this frequency assumes."""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator


class Frequency(NamedTuple):
    """Main and second period (1: none), and the share of series that have it."""

    main: int
    second: int
    share: float


FREQUENCIES = {
    "yearly": Frequency(1, 1, 0.17),
    "quarterly": Frequency(4, 1, 0.14),
    "monthly": Frequency(12, 1, 0.26),
    "weekly": Frequency(52, 1, 0.07),
    "daily": Frequency(7, 1, 0.11),
    "hourly": Frequency(24, 168, 0.16),
    "half-hourly": Frequency(48, 336, 0.03),
    "quarter-hourly": Frequency(96, 672, 0.02),
    "other": Frequency(0, 1, 0.04),  # any period from 2 to 60
}
"""The frequencies by name, with their periods and how often each is drawn."""
_OTHER = (2, 60)


def draw_periods(rng: Generator, n: int) -> np.ndarray:
    """Periods int (n, 2): main, second. The first k of n draws are those of k draws."""
    table = list(FREQUENCIES.values())
    drawn = rng.random((n, 2))
    which = np.searchsorted(np.cumsum([f.share for f in table])[:-1], drawn[:, 0], side="right")
    periods = np.array([(f.main, f.second) for f in table])[which]
    low, high = _OTHER
    other = low + (drawn[:, 1] * (high - low + 1)).astype(int)
    periods[:, 0] = np.where(periods[:, 0] == 0, other, periods[:, 0])
    return periods


def given_period(period: int, n: int) -> np.ndarray:
    """The same periods for all (n, 2), with the second one of its frequency."""
    second = {f.main: f.second for f in FREQUENCIES.values()}
    return np.tile([period, second.get(period, 1)], (n, 1))
