"""Input and output of every expert: series of the same periods, aligned at their ends, and forecasts."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np

from .decomposition import Season, season_of

Made = TypeVar("Made")


class Opinion(NamedTuple):
    """Forecasts of one expert for n series.

    Attributes:
        point: Forecasts (n, H).
        spread: Standard deviation of the errors of these forecasts by the expert's own theory, (n, H).
        error: Root mean square of its errors one step ahead, (n,), corrected for the parameters that it fitted.
    """

    point: np.ndarray
    spread: np.ndarray
    error: np.ndarray


@dataclass
class Batch:
    """Series of the same periods, shortest first.

    Attributes:
        values: Series (n, T), each from column ``first`` on; 0 before.
        first: Column of the first observation, (n,).
        horizon: Steps to forecast, H.
        period: The main period, 1 for none.
        second: The longer period, 1 for none.
        fits: Fits that several experts share, by name.
    """

    values: np.ndarray
    first: np.ndarray
    horizon: int
    period: int
    second: int
    fits: dict[object, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def length(self) -> np.ndarray:
        """Observations of each series, (n,)."""
        return self.values.shape[1] - self.first

    @cached_property
    def seen(self) -> np.ndarray:
        """Where there are observations, (n, T)."""
        return np.arange(self.values.shape[1]) >= self.first[:, None]

    @cached_property
    def positive(self) -> np.ndarray:
        """Series whose values are all above 0, (n,)."""
        return np.where(self.seen, self.values, 1.0).min(1) > 0

    @cached_property
    def season(self) -> Season:
        """The season, if it is significant: a factor if all values are positive, else a term."""
        return season_of(self.values, self.first, self.horizon, self.period, self.second, self.positive, tested=True)

    @cached_property
    def adjusted(self) -> "Batch":
        """The series without their season, a batch without periods."""
        values = np.where(self.seen, self.season.adjust(self.values), 0.0)
        return Batch(values, self.first, self.horizon, 1, 1)

    def once(self, name: object, make: Callable[[], Made]) -> Made:
        """The result of ``make``, which is called only the first time."""
        if name not in self.fits:
            self.fits[name] = make()
        return self.fits[name]

    def recent(self, most: int) -> "Batch":
        """The batch reduced to its last ``most`` columns."""
        cut = max(0, self.values.shape[1] - most)
        return Batch(self.values[:, cut:], np.maximum(self.first - cut, 0), self.horizon, self.period, self.second)

    def only(self, rows: np.ndarray) -> "Batch":
        """The batch reduced to rows, (n,) True or False."""
        return Batch(self.values[rows], self.first[rows], self.horizon, self.period, self.second)


def from_start(values: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Series (n, T) that begin at column ``first`` (n,) as (T, n) that begin at step 0; then their last value."""
    T = values.shape[1]
    return np.ascontiguousarray(np.take_along_axis(values, np.minimum(first[:, None] + np.arange(T), T - 1), 1).T)


def to_end(values: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The reverse: (T, n) from step 0 on as (n, T), 0 before column ``first``."""
    T = len(values)
    age = np.arange(T) - first[:, None]
    return np.where(age >= 0, np.take_along_axis(values.T, np.maximum(age, 0), 1), 0.0)


def root_mean_square(errors: np.ndarray, counted: np.ndarray, parameters: np.ndarray | int) -> np.ndarray:
    """Root mean square of the errors (n, T) that are counted; fitted parameters are subtracted from their number.

    At least one degree of freedom is assumed.
    """
    squares = (np.where(counted, errors, 0.0) ** 2).sum(1)
    return np.sqrt(squares / np.maximum(counted.sum(1) - parameters, 1))


def where(rows: np.ndarray, one: Opinion, other: Opinion) -> Opinion:
    """Forecasts of ``one`` for the rows (n,) that are True, those of ``other`` for the rest."""
    return Opinion(*(np.where(rows if a.ndim == 1 else rows[:, None], a, b) for a, b in zip(one, other, strict=True)))
