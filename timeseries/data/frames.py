"""Conversion between sktime's tables and arrays: rows at the steps of a timeline, and series with NaN in gaps."""

from collections.abc import Hashable
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd

from .timeline import Timeline

_MOST_GAPS = 20  # most steps for each row; more count as a mistake in the times
_SMALL = 1_000_000  # number of steps that fits into memory in any case


class Instance(NamedTuple):
    """One series: its name in the panel (None for a single series), its first step on the timeline, and its values
    (T, C), NaN where nothing was observed."""

    key: Hashable | None
    start: int
    values: np.ndarray

    @property
    def end(self) -> int:
        """The step after its last."""
        return self.start + len(self.values)


class Rows(NamedTuple):
    """Rows of a table, in the order of series and time.

    Attributes:
        keys: Names of the series, sorted.
        series: Number of each row's series (N,).
        steps: Step of each row on the timeline (N,).
        values: float64 (N, C).
    """

    keys: list[Hashable | None]
    series: np.ndarray
    steps: np.ndarray
    values: np.ndarray


def values_of(table: pd.DataFrame) -> list[np.ndarray]:
    """The values (T, C) of the series of a table in sktime's "pd-multiindex" format, one after another."""
    codes, _ = pd.factorize(table.index.droplevel(-1))
    order = np.argsort(codes, kind="stable")  # an instance's rows need not stand together
    bounds = np.flatnonzero(np.diff(codes[order])) + 1
    return np.split(table.to_numpy(dtype=np.float64)[order], bounds)


def last_step(table: pd.DataFrame, timeline: Timeline) -> int:
    """The last step of all series of a table (see ``rows_of``)."""
    index = table.index
    times = index.levels[-1][np.unique(index.codes[-1])] if isinstance(index, pd.MultiIndex) else index
    timeline.check_kind(times, "y")
    steps, among = timeline.locate(times)
    if not among.all():
        rows_of(table, timeline, "y")  # raises the error that names the row
    return int(steps.max())


def rows_of(table: pd.DataFrame, timeline: Timeline, what: str, strict: bool = True) -> Rows:
    """The rows of a table in sktime's "pd.DataFrame", "pd-multiindex" or "pd_multiindex_hier" format.

    Args:
        table: The table, with rows in any order.
        timeline: The timeline of its times.
        what: Name of the table in messages.
        strict: Whether to refuse rows whose times are not on the timeline. If False, they are left out.

    Raises:
        TypeError: If the times are of another kind than the timeline's.
        ValueError: If a time occurs twice in a series; or, with ``strict``, if a row is off the timeline. The message
            names the first such row.
    """
    index, values = table.index, table.to_numpy(dtype=np.float64)
    keys, series = _series_of(index, what)
    if isinstance(index, pd.MultiIndex):
        timeline.check_kind(index.levels[-1], what)
        steps, among = (part[index.codes[-1]] for part in timeline.locate(index.levels[-1]))
    else:
        timeline.check_kind(index, what)
        steps, among = timeline.locate(index)
    if not among.all():
        if strict:
            off = np.flatnonzero(~among)
            row = index[off[np.lexsort((steps[off],))[0]]]
            raise ValueError(
                f"{row_in_words(row)} in {what} is none of the times of the frequency {timeline.frequency} through "
                f"{timeline.times(np.zeros(1, dtype=np.int64))[0]}: give the freq of the times, or reindex with "
                "y.asfreq(...), which puts NaN where nothing was observed"
            )
        series, steps, values, index = series[among], steps[among], values[among], index[among]
    if not _rising(series, steps).all():
        order = np.lexsort((steps, series))
        series, steps, values, index = series[order], steps[order], values[order], index[order]
        if (twice := np.flatnonzero(~_rising(series, steps))).size:
            row = index[twice[0]]
            count = int(((series == series[twice[0]]) & (steps == steps[twice[0]])).sum())
            raise ValueError(
                f"{what} has duplicates: {row_in_words(row)} occurs {count} times. Keep one row of each time, as "
                "y[~y.index.duplicated(keep='last')] does, or, if these are several series, name them in a MultiIndex "
                "of series and time"
            )
    return Rows(keys, series, steps, values)


def instances_of(y: Rows, X: Rows | None = None) -> list[Instance]:
    """The series that the rows make up, in the order of their keys, with NaN at steps without a row.

    Args:
        y: Rows of the series. If a step occurs twice, the later row counts.
        X: Rows of covariates, which become columns after those of y. Only rows from the first row of their series in y
            to the last row of all series in y are used.

    Raises:
        ValueError: If hardly any steps have a row.
    """
    n, M = len(y.keys), y.values.shape[1]
    first, last = np.full(n, np.iinfo(np.int64).max), np.full(n, np.iinfo(np.int64).min)
    np.minimum.at(first, y.series, y.steps)
    np.maximum.at(last, y.series, y.steps)
    width = M
    if X is not None:
        series = _numbers_in(y.keys, X.keys)[X.series]
        inside = series >= 0
        inside[inside] = (X.steps[inside] >= first[series[inside]]) & (X.steps[inside] <= last.max())
        series, steps = series[inside], X.steps[inside]
        np.maximum.at(last, series, steps)
        width += X.values.shape[1]
    lengths = last - first + 1
    if lengths.sum() > max(_MOST_GAPS * len(y.steps), _SMALL):
        worst = int(np.argmax(lengths / np.bincount(y.series, minlength=n)))
        raise ValueError(
            f"{lengths[worst]} steps lie between the first and the last row{of_series(y.keys[worst])}, which has "
            f"{int((y.series == worst).sum())} rows: give a freq with a longer step, or leave out rows with wrong times"
        )
    starts = np.cumsum(lengths) - lengths
    values = np.full((int(lengths.sum()), width), np.nan)
    values[starts[y.series] + y.steps - first[y.series], :M] = y.values
    if X is not None:
        values[starts[series] + steps - first[series], M:] = X.values[inside]
    parts = (values[start : start + length] for start, length in zip(starts, lengths, strict=True))
    return [Instance(*of) for of in zip(y.keys, first.tolist(), parts, strict=True)]


def check_shared(y: Rows, X: Rows, spans: str) -> None:
    """Raises ValueError if X has no row at any time of a series; ``spans`` states both ranges of times."""
    series = _numbers_in(y.keys, X.keys)[X.series]
    known = series >= 0
    lowest = min(y.steps.min(initial=0), X.steps.min(initial=0))
    reach = max(y.steps.max(initial=0), X.steps.max(initial=0)) - lowest + 1
    own = y.series * reach + y.steps - lowest  # rising
    others = series[known] * reach + X.steps[known] - lowest
    at = np.minimum(np.searchsorted(own, others), len(own) - 1)
    shared = np.bincount(series[known][own[at] == others], minlength=len(y.keys))
    if not shared.all():
        worst = int(shared.argmin())
        raise ValueError(
            f"X has no row at any time of y{of_series(y.keys[worst])}: {spans}. Give X at the times of y, and NaN "
            "where it is not known"
        )


def merged(old: dict[Hashable | None, Instance], y: Rows, X: Rows | None) -> list[Instance]:
    """Series with new rows added; a new row replaces an old one at the same time.

    Args:
        old: Series with columns of y and of X.
        y, X: New rows.

    Returns:
        The series in the order of their keys.
    """
    M = y.values.shape[1]
    keys = sorted_keys([*dict.fromkeys([*old, *y.keys])], "y")
    number = {key: n for n, key in enumerate(keys)}
    kept = list(old.values())
    lengths = [len(i.values) for i in kept]
    series = np.repeat(np.array([number[i.key] for i in kept], dtype=np.int64), lengths)
    steps = np.concatenate([np.arange(i.start, i.end) for i in kept])
    values = np.concatenate([i.values for i in kept])

    def joined(new: Rows, columns: slice) -> Rows:
        numbers = np.array([number.get(key, -1) for key in new.keys], dtype=np.int64)[new.series]
        there = numbers >= 0
        parts = ((series, numbers[there]), (steps, new.steps[there]), (values[:, columns], new.values[there]))
        return Rows(keys, *(np.concatenate(part) for part in parts))

    return instances_of(joined(y, slice(M)), None if X is None else joined(X, slice(M, None)))


def ends_of(instances: list[Instance], keep: int, targets: int) -> list[Instance]:
    """Copies of the ends of series. They begin ``keep`` steps before the end of the target channel that ends first."""
    ends = []
    for i in instances:
        last = len(i.values)
        if np.isnan(i.values[-1, :targets]).any():
            known = ~np.isnan(i.values[:, :targets])
            known = known[:, known.any(axis=0)]
            last = int((len(known) - known[::-1].argmax(axis=0)).min()) if known.size else last
        begin = max(0, last - keep)
        ends.append(Instance(i.key, i.start + begin, i.values[begin:].copy()))
    return ends


def known_span(values: np.ndarray) -> slice:
    """The range from the first to the last row of (T, C) with an observed value; all rows if there is none."""
    if not np.isnan(values[0]).all() and not np.isnan(values[-1]).all():
        return slice(0, len(values))
    known = np.flatnonzero(~np.isnan(values).all(axis=1))
    return slice(int(known[0]), int(known[-1]) + 1) if len(known) else slice(0, len(values))


def sorted_keys(keys: list[Hashable | None], what: str) -> list[Hashable | None]:
    """Names of series, sorted.

    Raises:
        TypeError: If they are of kinds that cannot be sorted together.
    """
    if len(keys) == 1:
        return keys
    try:
        return sorted(cast(list[Any], keys))
    except TypeError:
        kinds = sorted({type(part).__name__ for key in keys for part in (key if isinstance(key, tuple) else (key,))})
        raise TypeError(
            f"the names of the series in {what} are of several kinds, {', '.join(kinds)}: give names of one kind, for "
            "example by index.set_levels(index.levels[0].astype(str), level=0)"
        ) from None


def table_of(
    keys: list[Hashable | None], times: list[pd.Index], values: np.ndarray, names: list[Hashable], columns: pd.Index
) -> pd.DataFrame:
    """Values (n, T, C) of series as a table; ``names`` are the names of its index levels."""
    flat = values.reshape(-1, values.shape[-1])
    if keys[0] is None:
        index = times[0].rename(names[-1])
    else:
        together = times[0].append(times[1:])
        repeat = np.repeat(np.arange(len(keys)), values.shape[1])
        # with a single level of keys, a key may be a tuple
        levels = pd.MultiIndex.from_tuples(keys) if len(names) > 2 else pd.Index(keys, tupleize_cols=False)
        levels = levels.take(repeat)
        parts = [levels.get_level_values(i) for i in range(levels.nlevels)]
        index = pd.MultiIndex.from_arrays([*parts, together], names=names)
    return pd.DataFrame(flat, index=index, columns=columns)


def _series_of(index: pd.Index, what: str) -> tuple[list[Hashable | None], np.ndarray]:
    """Keys of the series, sorted, and the number of each row's series (N,)."""
    if not isinstance(index, pd.MultiIndex):
        return [None], np.zeros(len(index), dtype=np.int64)
    if index.nlevels == 2:
        used, series = np.unique(index.codes[0], return_inverse=True)
        found = list(index.levels[0][used])
    else:
        series, distinct = pd.factorize(index.droplevel(-1))
        found = list(distinct)
    keys = sorted_keys(found, what)
    return keys, _numbers_in(keys, found)[series]


def _numbers_in(keys: list[Hashable | None], others: list[Hashable | None]) -> np.ndarray:
    """Positions of some keys in a list, -1 for those that are not in it."""
    number = {key: n for n, key in enumerate(keys)}
    return np.array([number.get(key, -1) for key in others], dtype=np.int64)


def _rising(series: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Whether each row but the first comes after the one before it (N-1,)."""
    return (np.diff(series) > 0) | ((np.diff(series) == 0) & (np.diff(steps) > 0))


def row_in_words(row: Hashable | tuple) -> str:
    """A row in words: its time and its series."""
    if not isinstance(row, tuple):
        return str(row)
    return f"{row[-1]}{of_series(row[0] if len(row) == 2 else row[:-1])}"


def of_series(key: Hashable | None) -> str:
    return "" if key is None else f" of series {key!r}"
