"""The layout of a table of series: which column holds the times, the names of the series, the values to forecast."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.tseries.api import guess_datetime_format

from .frames import instances_of, rows_of
from .panel_timeline import timeline_for
from .timeline import Timeline

_TIMES = ("time", "times", "date", "datetime", "timestamp", "ds", "day", "week", "month", "quarter", "year", "period")
_SERIES = ("series", "unique_id", "id", "item_id", "name", "item", "store", "shop", "product", "sensor")
_TARGETS = ("value", "values", "y", "target", "sales", "demand", "count")
_NUMBERS = re.compile(r"\d{1,2}([./-])\d{1,2}\1\d{4}( \d{1,2}:\d{2})?(:\d{2})?")
_QUARTER = re.compile(r"\s*\d{4}\s*-?\s*[Qq][1-4]\s*")


@dataclass(frozen=True)
class Layout:
    """Columns of a table.

    Attributes:
        time: Column of the times; None if the rows are in order, one step after the other.
        targets: Columns to forecast, each a series of its own.
        series: In a long table, the column with the name of the series that a row belongs to; None in a wide one.
        covariates: Columns that help.
    """

    time: str | None
    targets: tuple[str, ...]
    series: str | None = None
    covariates: tuple[str, ...] = ()


@dataclass(frozen=True)
class Arranged:
    """A table in the form that forecasters take.

    Attributes:
        y: One column: a series, indexed by time, or a panel, indexed by series and time.
        X: Covariates, indexed alike; they may go on after the end of y. None if there are none.
        timeline: The times of y.
        missing: Number of steps without a value.
        told: How the table was read, in words.
    """

    y: pd.DataFrame
    X: pd.DataFrame | None
    timeline: Timeline
    missing: int
    told: str


def find_layout(table: pd.DataFrame) -> Layout:
    """The layout that a table seems to have. A guess: names of columns count first, then what the columns hold.

    Raises:
        ValueError: If no column holds numbers.
    """
    columns = list(table.columns)
    time = _time_column(table)
    rest = [c for c in columns if c != time]
    series = None
    if time is not None and table[time].duplicated().any():
        candidates = _named(rest, _SERIES) + [c for c in rest if not _numeric(table[c])] + rest
        alone = (c for c in dict.fromkeys(candidates) if not table.duplicated([c, time]).any())
        series = next((c for c in alone if table[c].nunique() < len(table)), None)
    values = [c for c in rest if c != series and _numeric(table[c])]
    if not values:
        raise ValueError(f"no column holds numbers to forecast: there are {', '.join(map(repr, columns))}")
    targets = values if series is None and not _named(values, _TARGETS) else (_named(values, _TARGETS) or values)[:1]
    return Layout(time, tuple(targets), series)


def arrange(table: pd.DataFrame, layout: Layout) -> Arranged:
    """A table in the form that forecasters take. Rows at the end without any value to forecast are for covariates.

    Raises:
        ValueError, TypeError: If there is no such column, or one is used twice; if times cannot be read or have no
            common frequency; if a series has two rows of one time.
    """
    _check_columns(table, layout)
    times = _steps(table, layout.series) if layout.time is None else times_of(table[layout.time], layout.time)
    names = [layout.series or "series", layout.time or "step"]
    long = layout.series is not None

    def indexed(columns: Sequence[str], name: str | None) -> pd.DataFrame:
        part = table[list(columns)]
        if not long and name is None:
            return part.set_axis(pd.Index(times, name=names[1]))
        key = np.full(len(table), name, dtype=object) if not long else _keys(table[layout.series], name)
        return part.set_axis(pd.MultiIndex.from_arrays([key, times], names=names))

    several = len(layout.targets) > 1
    parts, others = [], []
    for target in layout.targets:
        part = indexed([target], target if several else None)
        parts.append(part.set_axis(["value" if several else target], axis=1))
        others.append(indexed(layout.covariates, target if several else None))
    y = pd.concat(parts)
    X = pd.concat(others) if layout.covariates else None
    _check_once(y, layout)
    y = _until_last_value(y)
    timeline = timeline_for(y, None)
    steps = [i.values for i in instances_of(rows_of(y, timeline, "the table"))]
    missing = int(sum(np.isnan(values).sum() for values in steps))
    return Arranged(y, X, timeline, missing, _in_words(table, layout, y, timeline, len(steps), missing))


def times_of(column: pd.Series, name: str) -> pd.Index:
    """Times of a column: whole numbers, quarters such as 2020Q1, or dates.

    Raises:
        ValueError: If one cannot be read; the message names it.
    """
    if pd.api.types.is_integer_dtype(column):
        return pd.Index(column.to_numpy(np.int64))
    if pd.api.types.is_float_dtype(column) and column.notna().all() and (column % 1 == 0).all():
        return pd.Index(column.to_numpy(np.int64))
    if column.isna().any():
        row = int(column.isna().argmax())
        raise ValueError(f"row {row + 1} has no time in column {name!r}: leave the row out, or fill it in")
    text = column.astype(str)
    if text.str.fullmatch(_QUARTER.pattern).all():
        return pd.PeriodIndex(text.str.replace(r"[\s-]", "", regex=True).str.upper(), freq="Q")
    for form in _formats(text.iloc[0].strip()):
        dates = pd.to_datetime(text.str.strip(), format=form, errors="coerce")
        if dates.notna().all():
            return pd.DatetimeIndex(dates)
    wrong = text[pd.to_datetime(text, format="ISO8601", errors="coerce").isna()]
    raise ValueError(
        f"column {name!r} holds {wrong.iloc[0]!r} where a time is expected: write dates such as 2024-01-31, or choose "
        "another column"
    )


def _formats(example: str) -> list[str]:
    """Formats to try: of 31.1.2024 the day first, of 1/31/2024 the month first, and each the other way round; else
    ISO's, and the one that pandas guesses."""
    if match := _NUMBERS.fullmatch(example):
        sign, minutes, seconds = match.groups()
        clock = " %H:%M" * bool(minutes) + ":%S" * bool(seconds)
        day, month = (f"{sign.join(parts)}{clock}" for parts in (("%d", "%m", "%Y"), ("%m", "%d", "%Y")))
        return [day, month] if sign == "." else [month, day]
    return ["ISO8601", *filter(None, [guess_datetime_format(example)]), "%b %Y"]


def _check_columns(table: pd.DataFrame, layout: Layout) -> None:
    used = [c for c in (layout.time, layout.series, *layout.targets, *layout.covariates) if c is not None]
    for column in used:
        if column not in table:
            raise ValueError(f"there is no column {column!r}: choose among {', '.join(map(repr, table.columns))}")
        if used.count(column) > 1:
            raise ValueError(f"column {column!r} is chosen for two things: choose it once")
    if not layout.targets:
        raise ValueError("no column to forecast is chosen: choose one or more")


def _check_once(y: pd.DataFrame, layout: Layout) -> None:
    if (twice := y.index.duplicated()).any():
        row = y.index[int(twice.argmax())]
        time, whose = (row[-1], f" of series {row[0]!r}") if isinstance(row, tuple) else (row, "")
        raise ValueError(
            f"column {layout.time!r} holds {time} more than once{whose}: choose the column that names the series, or "
            "keep one row of each time"
        )


def _steps(table: pd.DataFrame, series: str | None) -> pd.Index:
    """Numbers of the rows, in each series from 0."""
    if series is None:
        return pd.Index(np.arange(len(table)))
    return pd.Index(table.groupby(series, dropna=False).cumcount().to_numpy(np.int64))


def _keys(column: pd.Series, target: str | None) -> np.ndarray:
    """Names of series; of several targets, each is a series of its own."""
    if target is None:
        return column.to_numpy()
    return (column.astype(str) + " " + target).to_numpy(dtype=object)


def _until_last_value(y: pd.DataFrame) -> pd.DataFrame:
    """The rows up to the last time at which any series has a value."""
    known = y.iloc[:, 0].notna().to_numpy()
    if not known.any():
        raise ValueError(f"column {y.columns[0]!r} holds no value at all: choose another one to forecast")
    times = y.index.get_level_values(-1)
    return y[np.asarray(times <= times[known].max())]


def _time_column(table: pd.DataFrame) -> str | None:
    columns = list(table.columns)
    readable = [c for c in _named(columns, _TIMES) if _holds_times(table[c], c)]
    texts = [c for c in columns if not _numeric(table[c]) and _holds_times(table[c], c)]
    return next(iter([*readable, *texts]), None)


def _holds_times(column: pd.Series, name: str) -> bool:
    try:
        times_of(column.dropna().iloc[:200], name)
    except (ValueError, TypeError):
        return False
    return pd.api.types.is_integer_dtype(column) or not _numeric(column)


def _named(columns: Sequence[str], names: Sequence[str]) -> list[str]:
    """Those of some columns that have one of the names, in the order of the names."""
    lower = {c.lower(): c for c in reversed(columns)}
    return [lower[name] for name in names if name in lower]


def _numeric(column: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column)) and not pd.api.types.is_bool_dtype(column)


def _in_words(table: pd.DataFrame, layout: Layout, y: pd.DataFrame, timeline: Timeline, n: int, missing: int) -> str:
    times = y.index.get_level_values(-1)
    ends = " to ".join(str(t).removesuffix(" 00:00:00") for t in (times.min(), times.max()))
    kind = "a long table" if layout.series is not None else "a wide table" if n > 1 else "one series"
    when = "the rows in order" if layout.time is None else f"the times in {layout.time!r}"
    who = f", the names of {n:,} series in {layout.series!r}" if layout.series is not None else ""
    told = [
        f"Read as {kind} of {len(table):,} rows: {when}{who}, the values in {', '.join(map(repr, layout.targets))}"
        + (f", covariates {', '.join(map(repr, layout.covariates))}" if layout.covariates else "")
        + f". From {ends}, frequency {timeline.frequency}."
    ]
    told.append(f"{missing:,} steps have no value and count as gaps." if missing else "No step is missing.")
    return " ".join(told)
