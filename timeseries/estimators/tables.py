"""Checks of the user's series before sktime sees them: they are sorted by time and converted to numbers, or refused."""

from typing import Any

import numpy as np
import pandas as pd

from ..data.frames import sorted_keys
from ..data.timeline import kind_of

_NUMBERS = ("floating", "integer", "mixed-integer-float", "integer-na", "decimal", "boolean", "empty")
_CATEGORIES = ("string", "mixed", "mixed-integer", "categorical")


def in_order(data: Any, what: str) -> Any:
    """Series in any of sktime's formats; rows of pandas objects are sorted by time.

    Args:
        data: The series. Objects that are not of pandas or numpy are returned as they are, for sktime to check.
        what: Name of the argument in messages.

    Raises:
        ValueError: If there is no row or no column, or the index has NaN.
        TypeError: If values are not numbers, or an index does not hold times.
    """
    if isinstance(data, np.ndarray):
        _check_some(data.size, what)
        return _numbers(data, what)
    if isinstance(data, list):
        _check_some(len(data), what)
        return [in_order(one, f"{what}[{n}]") for n, one in enumerate(data)]
    if isinstance(data, pd.Series):
        _check_some(len(data), what)
        if isinstance(data.index, pd.MultiIndex):
            swap = "" if _is_time(data.index.levels[-1]) else ".swaplevel()"
            raise TypeError(
                f"{what} is a Series with the index levels {_names(data.index)}: several series need a table whose "
                f"last level is time, as {what}{swap}.sort_index().to_frame('value') is"
            )
        return _sorted(data if data.dtype != object else _numeric(data.to_frame(), what).iloc[:, 0], what)
    if isinstance(data, pd.DataFrame) and not _nested(data):
        _check_some(len(data) * len(data.columns), what)
        return _sorted(_numeric(data, what), what)
    return data


def in_columns(y: pd.DataFrame, columns: list) -> pd.DataFrame:
    """A table with its columns in the order of ``fit``. The name of a single column does not matter.

    Raises:
        ValueError: If the table has other columns.
    """
    if len(columns) == 1 or list(y.columns) == columns:
        return y
    if set(y.columns) != set(columns):
        raise ValueError(f"fitted on the columns {columns}, got the columns {list(y.columns)}: give the same columns")
    return y[columns]


def _check_some(count: int, what: str) -> None:
    if not count:
        raise ValueError(f"{what} is empty: give at least one row and one column")


def _nested(table: pd.DataFrame) -> bool:
    """Whether each cell holds a whole series."""
    return table.size > 0 and isinstance(table.iloc[0, 0], (pd.Series, pd.DataFrame, np.ndarray))


def _numbers(array: np.ndarray, what: str) -> np.ndarray:
    if array.dtype.kind in "biuf":
        return array
    if array.dtype == object:
        if pd.api.types.infer_dtype(array.ravel(), skipna=True) in _NUMBERS:
            return array.astype(np.float64)
        found = next(v for v in array.ravel() if not isinstance(v, (int, float, np.number)) and v is not None)
    else:
        found = array.ravel()[0]
    raise TypeError(
        f"{what} is an array of {array.dtype} that holds {type(found).__name__}, such as {str(found)[:40]!r}: give "
        "numbers, NaN where nothing was observed, and series of unequal lengths as a list of tables"
    )


def _numeric(table: pd.DataFrame, what: str) -> pd.DataFrame:
    """A table whose columns of objects are converted to numbers."""
    objects = [c for c, dtype in enumerate(table.dtypes) if pd.api.types.is_object_dtype(dtype)]
    kinds = {c: pd.api.types.infer_dtype(table.iloc[:, c], skipna=True) for c in objects}
    if any(kind in _NUMBERS for kind in kinds.values()):
        columns = [s.astype(np.float64) if kinds.get(c) in _NUMBERS else s for c, (_, s) in enumerate(table.items())]
        table = pd.concat(columns, axis=1).set_axis(table.columns, axis=1)
    others = [c for c, dtype in enumerate(table.dtypes) if not pd.api.types.is_numeric_dtype(dtype)]
    if what.startswith("X"):  # categories are encoded later (see ``data.categories``)
        others = [c for c in others if not _categorical(table.dtypes.iloc[c], kinds.get(c))]
    if not others:
        return table
    held = next((v for v in table.iloc[:, others[0]] if not isinstance(v, (int, float, np.number))), None)
    message = f"column {table.columns[others[0]]!r} of {what} holds {type(held).__name__}, such as {str(held)[:40]!r}, "
    if len(table.columns) == 1:
        raise TypeError(message + "categorical values: give numbers, NaN where nothing was observed")
    dates = [c for c in others if isinstance(table.iloc[0, c], (pd.Timestamp, pd.Period)) or kinds.get(c) == "date"]
    names = [table.columns[c] for c in others if c not in dates]
    there = isinstance(table.index, (pd.DatetimeIndex, pd.PeriodIndex)) and not dates
    how = (
        f"reset_index().set_index({[*names, table.index.name or 'index']})"
        if there
        else f"set_index({[*names, *(table.columns[c] for c in dates)]})"
    )
    raise TypeError(
        f"{message}categorical values or dates in place of numbers. If this is a long table, put the names of the "
        f"series and then the times into its index: {what}.{how}"
    )


def _categorical(dtype: Any, kind: str | None) -> bool:
    """Whether a column holds categories: texts, or any values declared as such; ``kind`` is that of its objects."""
    return isinstance(dtype, pd.CategoricalDtype) or (
        kind in _CATEGORIES if kind is not None else pd.api.types.is_string_dtype(dtype)
    )


def _sorted(table: pd.Series | pd.DataFrame, what: str) -> pd.Series | pd.DataFrame:
    """Rows sorted by time; in a panel, by series and time."""
    index = table.index
    if isinstance(index, pd.MultiIndex):
        _check_levels(index, what)
    else:
        kind_of(index)
        if index.hasnans:
            raise ValueError(
                f"row {int(index.isna().argmax())} of {what} has no time: leave the row out, or give its time"
            )
    return table if index.is_monotonic_increasing else table.sort_index()


def _check_levels(index: pd.MultiIndex, what: str) -> None:
    if not _is_time(index.levels[-1]):
        others = [
            n for n, level in enumerate(index.levels[:-1]) if isinstance(level, (pd.DatetimeIndex, pd.PeriodIndex))
        ]
        if others:
            order = [n for n in range(index.nlevels) if n != others[0]] + [others[0]]
            raise TypeError(
                f"time is level {others[0]} of the index of {what}, {_names(index)}, and has to be the last level: "
                f"{what}.reorder_levels({order}).sort_index()"
            )
        kind_of(index.levels[-1])
    for n, (level, codes) in enumerate(zip(index.levels, index.codes, strict=True)):
        absent = (codes < 0) | np.append(level.isna(), False)[codes]
        if absent.any():
            row = int(absent.argmax())
            held = "time" if n == index.nlevels - 1 else "name of a series"
            raise ValueError(
                f"row {row} of {what} has no {held}, level {n} of its index is NaN: leave the row out, or fill it in"
            )
    for n, level in enumerate(index.levels[:-1]):
        sorted_keys(list(level[np.unique(index.codes[n])]), what)


def _is_time(level: pd.Index) -> bool:
    return isinstance(level, (pd.DatetimeIndex, pd.PeriodIndex, pd.TimedeltaIndex)) or (
        pd.api.types.is_integer_dtype(level)
    )


def _names(index: pd.MultiIndex) -> str:
    return ", ".join(repr(name) if name is not None else f"number {n}" for n, name in enumerate(index.names))
