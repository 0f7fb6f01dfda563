"""Covariates: further columns beside the series. Some are known ahead, others up to the present only."""

from collections.abc import Hashable
from typing import NamedTuple

import numpy as np
import pandas as pd

from ..checks import check_known
from .categories import Levels, in_channels, levels_of
from .frames import Instance, Rows, check_shared, rows_of
from .timeline import Timeline, in_words
from .windows import mean_and_spread

Static = tuple[float, float] | None  # mean and deviation of a static channel; None for others


class Covariates(NamedTuple):
    """The columns of X in ``fit``.

    A column of numbers is one channel of the series, a column of categories one for each of its levels.

    Attributes:
        columns: Names of the columns of X, in order; empty without X.
        known_ahead: Which of them are known for future steps.
        levels: The levels of each column of categories, None for one of numbers. None: all columns hold numbers.
        static: Mean and deviation over the series of each channel that never changes within one, but differs between
            series; None for the other channels. It is standardised by these. None: there are none.
    """

    columns: list[Hashable]
    known_ahead: list[bool]
    levels: list[Levels] | None = None
    static: list[Static] | None = None

    @classmethod
    def of(
        cls,
        X: pd.DataFrame | None,
        past: list[Hashable] | str | None,
        like: "Covariates | None" = None,
    ) -> "Covariates":
        """From a table; its columns in ``past`` ("all" for all of them) are not known ahead. The table has to have the
        columns of ``like``, if given, whose order and encoding are taken.

        Raises:
            ValueError: If ``past`` names columns that the table does not have, or a column has too many levels.
            TypeError: If a column holds values of several kinds.
        """
        columns, static = columns_of(X), None
        if like is not None:
            columns, _, levels, static = like
        elif X is None:
            levels = None
        else:
            levels = levels_of(X)
            static = _static(in_channels(X, levels))
        if past == "all":
            return cls(columns, [False] * len(columns), levels, static)
        if unknown := [c for c in past or [] if c not in columns]:
            raise ValueError(f"past_covariates {unknown} are not among the columns of X, {columns}: name some of these")
        return cls(columns, [c not in (past or []) for c in columns], levels, static)

    @property
    def channels(self) -> list[bool]:
        """For each channel, whether it is known for future steps (K,)."""
        return [ahead for ahead, n in zip(self.known_ahead, self._widths, strict=True) for _ in range(n)]

    @property
    def still(self) -> list[bool]:
        """For each channel, whether it never changes within a series (K,); empty if all do."""
        return [] if self.static is None else [found is not None for found in self.static]

    @property
    def _widths(self) -> list[int]:
        """Channels of each column."""
        return [1 if known is None else len(known) for known in self._levels]

    @property
    def _levels(self) -> list[Levels]:
        return [None] * len(self.columns) if self.levels is None else self.levels

    def beside(self, y: Rows, X: pd.DataFrame | None, timeline: Timeline, doing: str) -> Rows | None:
        """Rows of X that lie at times of the timeline, with the columns in the order of ``fit``.

        Args:
            y: Rows of the series.
            X: Their covariates.
            timeline: Timeline of the series.
            doing: Name of the caller in messages, such as "fit".

        Raises:
            TypeError: If the times of X are of another kind than those of y.
            ValueError: If X has other columns, or no row at any time of a series.
        """
        if set(columns_of(X)) != set(self.columns):
            raise ValueError(
                f"fitted with the columns {self.columns} of X: give the same columns to {doing}, got {columns_of(X)}"
            )
        if X is None:
            return None
        rows = self._rows(X[self.columns], timeline)
        check_shared(y, rows, f"X has {_span(_times(X))}, y {_span(timeline.times(_ends(y.steps)))}")
        return rows

    def with_future(
        self, instances: list[Instance], wanted: np.ndarray, X: pd.DataFrame | None, timeline: Timeline
    ) -> list[np.ndarray]:
        """Values (T, M+K) of the series, extended by the future values of their covariates (T+steps, M+K).

        Args:
            instances: The series, their M own columns first.
            wanted: Requested steps (S,). X has to give the covariates that are known ahead at these steps.
            X: Future covariates.
            timeline: Timeline of all series.

        Raises:
            TypeError: If the times of X are of another kind than those of the series.
            ValueError: If X has other columns, no time of the timeline, no row for a requested step, or a column
                without any value at those steps.
        """
        values = [i.values for i in instances]
        rows = self._ahead(X, timeline, min(i.start for i in instances), int(wanted.max()))
        ends = np.array([i.end for i in instances])
        more = np.maximum(wanted.max() + 1 - ends, 0)  # (n,)
        if not any(self.known_ahead) or not more.any():
            return values
        assert rows is not None  # without X, ``_ahead`` refuses columns that are known ahead
        known = np.flatnonzero(self.channels)
        future = np.full((int(more.sum()), len(known)), np.nan)
        given = np.zeros(len(future), dtype=bool)
        begins = np.cumsum(more) - more
        number = {i.key: n for n, i in enumerate(instances)}
        series = np.array([number.get(key, -1) for key in rows.keys], dtype=np.int64)[rows.series]
        ahead = rows.steps - ends[series]
        use = (series >= 0) & (ahead >= 0) & (ahead < more[series])
        at = begins[series[use]] + ahead[use]
        given[at] = True
        future[at] = rows.values[np.ix_(use, known)]
        self._check_future(instances, wanted, begins, future, given, timeline, rows.keys)
        K = len(self.channels)
        tables = []
        for n, i in enumerate(instances):
            table = np.full((len(i.values) + more[n], i.values.shape[1]), np.nan)
            table[: len(i.values)] = i.values
            table[len(i.values) :, table.shape[1] - K + known] = future[begins[n] : begins[n] + more[n]]
            tables.append(table)
        return tables

    def _ahead(self, X: pd.DataFrame | None, timeline: Timeline, first: int, last: int) -> Rows | None:
        """Rows of X for future steps; X may leave out columns that are not known ahead."""
        if X is not None and not self.columns:
            raise ValueError(f"fitted without X, predict got {columns_of(X)}: fit with X, or leave it out")
        needed = {c for c, ahead in zip(self.columns, self.known_ahead, strict=True) if ahead}
        there = set(columns_of(X))
        if needed - there or there - set(self.columns):
            given = None if X is None else columns_of(X)
            raise ValueError(
                f"fitted with the columns {self.columns} of X, predict got {given}: give the same columns for the "
                "steps to forecast, or fit with those that are not known ahead in past_covariates"
            )
        if X is None:
            return None
        rows = self._rows(X.reindex(columns=self.columns), timeline)
        if not ((rows.steps >= first) & (rows.steps <= last)).any():
            raise ValueError(
                f"X has no row at any time of y or of the horizon: X has {_span(_times(X))}, y and the horizon have "
                f"{_span(timeline.times(np.array([first, last])))}. Give X at the times to forecast"
            )
        return rows

    def _rows(self, X: pd.DataFrame, timeline: Timeline) -> Rows:
        """The rows of X in channels, static ones standardised."""
        rows = rows_of(in_channels(X, self._levels), timeline, "X", strict=False)
        if self.static is None:
            return rows
        mean, spread = np.array([(0.0, 1.0) if found is None else found for found in self.static]).T
        return rows._replace(values=(rows.values - mean) / spread)

    def _check_future(
        self,
        instances: list[Instance],
        wanted: np.ndarray,
        begins: np.ndarray,
        future: np.ndarray,
        given: np.ndarray,
        timeline: Timeline,
        keys: list[Hashable | None],
    ) -> None:
        """Check the covariates that are known ahead: a row for every requested step, some value in every column."""
        K, known = len(self.channels), np.flatnonzero(self.channels)
        columns = np.repeat(np.arange(len(self.columns)), self._widths)  # of each channel
        for n, i in enumerate(instances):
            after = np.sort(wanted[wanted >= i.end])
            if not len(after):
                continue
            at = begins[n] + after - i.end
            if not given[at].all():
                way_out = ". Give its rows, too, or forecast the others alone, with select(names)"
                check_known("row in X of the series", i.key, keys, way_out)
                time = timeline.times(after[~given[at]][:1])[0]
                raise ValueError(
                    f"X does not cover the horizon: there is no row at {time}"
                    + (f" of {i.key}" if i.key is not None else "")
                )
            unknown = np.isnan(future[at]).all(axis=0)
            if unknown.any() and (~np.isnan(i.values[:, i.values.shape[1] - K + known[unknown]])).any():
                names = [self.columns[k] for k in columns[known[unknown]]]
                raise ValueError(
                    f"X has no value of {names} at the steps to forecast"
                    + (f" of {i.key}" if i.key is not None else "")
                    + ": all are NaN. Give their values, or fit with past_covariates if they are not known ahead"
                )


def _static(X: pd.DataFrame) -> list[Static] | None:
    """See ``Covariates``; from a table in channels."""
    if not isinstance(X.index, pd.MultiIndex):
        return None
    series = X.set_axis(range(X.shape[1]), axis=1).groupby(level=list(range(X.index.nlevels - 1)))
    least = series.min().to_numpy(dtype=np.float64)  # (n, K), NaN where a series has no value
    constant = ((series.max().to_numpy(dtype=np.float64) == least) | np.isnan(least)).all(axis=0)
    mean, spread = mean_and_spread(least)
    apart = np.nanmax(least, axis=0, initial=-np.inf) > np.nanmin(least, axis=0, initial=np.inf)
    if not (constant & apart).any():
        return None
    found = zip(mean.tolist(), spread.tolist(), strict=True)
    return [one if still else None for one, still in zip(found, constant & apart, strict=True)]


def columns_of(X: pd.DataFrame | None) -> list[Hashable]:
    """Names of the columns, none without a table."""
    return [] if X is None else list(X.columns)


def _times(X: pd.DataFrame) -> pd.Index:
    index = X.index
    return index.levels[-1][np.unique(index.codes[-1])] if isinstance(index, pd.MultiIndex) else index


def _ends(steps: np.ndarray) -> np.ndarray:
    return np.array([steps.min(), steps.max()])


def _span(times: pd.Index) -> str:
    """The range of some times, in words."""
    return f"{in_words(times)} from {times.min()} to {times.max()}"
