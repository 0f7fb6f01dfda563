"""The timeline that the series of a table share. Tables whose series differ in frequency are refused."""

import warnings
from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from .frames import instances_of, of_series, row_in_words, rows_of, values_of
from .frequency import Uneven
from .timeline import EvenTimeline, Frequency, Timeline, kind_of, timeline_of


def timeline_for(table: pd.DataFrame, freq: Frequency) -> Timeline:
    """The timeline of all series in a table.

    Raises:
        ValueError, TypeError: See ``timeline_of``; and if one series of a panel has a longer step than the others.
    """
    index = table.index
    panel = isinstance(index, pd.MultiIndex)
    times = index.levels[-1][np.unique(index.codes[-1])] if panel else index
    kind_of(times)
    distinct = times if times.is_monotonic_increasing and times.is_unique else times.unique().sort_values()
    if panel and getattr(index.levels[-1], "freq", None) is not None and index.levels[-1].is_monotonic_increasing:
        freq_of_all = index.levels[-1].freq
    else:
        freq_of_all = None
    dated = isinstance(times, pd.DatetimeIndex)
    try:
        timeline = timeline_of(distinct, freq if freq is not None or not dated else freq_of_all)
    except Uneven as error:
        raise ValueError(f"{error}{_whose(index, error.time)}") from None
    if panel and freq is None:
        _check_one_frequency(table, timeline)
    return timeline


def even_values(table: pd.DataFrame) -> list[np.ndarray]:
    """As ``values_of``, with NaN at steps without a row.

    If the series have no common frequency, each row counts as one step, with a warning if the times are unevenly
    spaced.
    """
    try:
        rows = rows_of(table, timeline_for(table, None), "X")
        found = {i.key: i.values for i in instances_of(rows)}
    except (ValueError, TypeError):
        if (uneven := _first_uneven(table.index)) is not None:
            warnings.warn(
                f"the times{of_series(uneven)} are not evenly spaced, yet each row counts as one step: resample the "
                "series first, if the time between rows matters",
                UserWarning,
                stacklevel=5,
            )
        return values_of(table)
    return [found[key] for key in table.index.droplevel(-1).unique()]


def _first_uneven(index: pd.MultiIndex) -> Hashable | None:
    """Key of the first series whose times are unevenly spaced, if any."""
    codes, keys = pd.factorize(index.droplevel(-1))
    times = index.get_level_values(-1)
    order = np.argsort(codes, kind="stable")
    apart = np.diff(np.asarray(getattr(times, "asi8", times))[order])
    series = codes[order][1:]
    inside = series == codes[order][:-1]
    spread = pd.Series(apart[inside]).groupby(series[inside]).agg(["min", "max"])
    odd = spread.index[spread["max"] != spread["min"]]
    return keys[odd[0]] if len(odd) else None


def check_same_frequency(table: pd.DataFrame, timeline: Timeline) -> None:
    """Raises ValueError if a series of a table is evenly spaced at a longer step than the timeline's."""
    if (found := _coarse_series(table, timeline)) is not None:
        key, times, freq = found
        raise ValueError(
            f"fitted on times of the frequency {timeline.frequency}, but y{of_series(key)} goes on as {times}: fit "
            f"on series of this frequency; or, if it only lacks rows, fit with freq={freq!r}"
        )


def _check_one_frequency(table: pd.DataFrame, timeline: Timeline) -> None:
    """Raises ValueError if a series of a panel is evenly spaced at a longer step than the timeline's."""
    if (found := _coarse_series(table, timeline)) is not None:
        key, times, freq = found
        raise ValueError(
            f"the panel mixes frequencies: most of its times are {timeline.frequency}, but the series {key!r} goes "
            f"on as {times}. Forecast this series by itself; or, if it only lacks rows, give freq={freq!r}"
        )


def _coarse_series(table: pd.DataFrame, timeline: Timeline) -> tuple[Hashable | None, str, Any] | None:
    """The first series that is evenly spaced at a longer step than the timeline's, if any: its key, its first times in
    words, and the frequency of the timeline."""
    rows = rows_of(table.iloc[:, :0], timeline, "y")
    inside = np.diff(rows.series) == 0
    gaps = np.diff(rows.steps)
    kinds = [(gaps, 2)]
    if isinstance(timeline.like, pd.DatetimeIndex):
        kinds.append((_months_apart(timeline, rows.steps), 1))
    for apart, least in kinds:
        coarse = _coarse(rows.series[1:][inside], apart[inside], gaps[inside], least, len(rows.keys))
        if coarse.any():
            number = int(coarse.argmax())
            own = timeline.times(rows.steps[rows.series == number][:3])
            freq: Any = timeline.frequency
            if isinstance(timeline, EvenTimeline) and timeline.offset is None:
                freq = timeline.step
            return rows.keys[number], ", ".join(map(str, own)), freq
    return None


def _coarse(series: np.ndarray, apart: np.ndarray, gaps: np.ndarray, least: int, n: int) -> np.ndarray:
    """Which series have no two rows at neighbouring steps, and have most rows equally far apart (n,)."""
    counts = np.bincount(series, minlength=n)
    coarse = np.zeros(n, dtype=bool)
    begins = (np.cumsum(counts) - counts)[counts > 0]
    if not len(begins):
        return coarse
    step = np.gcd.reduceat(apart, begins)
    enough = (np.minimum.reduceat(gaps, begins) > 1) & (np.minimum.reduceat(apart, begins) >= least)
    usual = np.add.reduceat(apart == np.repeat(step, counts[counts > 0]), begins)
    coarse[counts > 0] = enough & (step >= least) & (usual >= 2) & (usual > 2 / 3 * counts[counts > 0] - 1e-9)
    return coarse


def _months_apart(timeline: Timeline, steps: np.ndarray) -> np.ndarray:
    """Months from each row to the next."""
    distinct, number = np.unique(steps, return_inverse=True)
    times = timeline.times(distinct)
    return np.diff(np.asarray(times.year * 12 + times.month)[number])


def _whose(index: pd.Index, time: object) -> str:
    """The first series of a panel that holds a given time, in words."""
    if not isinstance(index, pd.MultiIndex):
        return ""
    rows = np.flatnonzero(np.asarray(index.get_level_values(-1) == time))
    return f" (it is in {row_in_words(index[rows[0]])})" if len(rows) else ""
