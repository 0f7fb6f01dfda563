"""Checks of labelled series. Input that is probably a mistake is refused, with a message that says what to do."""

from collections.abc import Hashable
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

_WANTED = (
    "give a numpy array (series, channels, steps), a list of DataFrames, or a DataFrame with an index of two levels "
    "(series, time)"
)


def checked_panel(X: Any) -> Any:
    """A panel in any of sktime's formats, checked; values of dtype object are converted to numbers.

    Raises:
        TypeError: If X is a single series, or holds values that are not numbers.
        ValueError: If X is empty, has two rows of one series at the same time, or a series whose channels differ from
            those of the first.
    """
    if isinstance(X, np.ndarray):
        return _checked_array(X)
    if isinstance(X, pd.Series):
        raise TypeError(f"X is one series of {len(X)} steps, where a panel of series is wanted: {_WANTED}")
    if isinstance(X, list):
        return _checked_list(X)
    if isinstance(X, pd.DataFrame):
        return _checked_table(X)
    return X


def _checked_array(X: np.ndarray) -> np.ndarray:
    if X.dtype == object and any(isinstance(v, (np.ndarray, list, pd.Series)) for v in X.flat):
        raise TypeError(f"X is an array of arrays, of shape {X.shape}: {_WANTED}; np.stack joins series of one length")
    if X.ndim not in (2, 3):
        what = "one series" if X.ndim == 1 else "no panel of series"
        raise TypeError(f"X of shape {X.shape} is {what}: {_WANTED}")
    if not X.size:
        raise ValueError(f"X of shape {X.shape} holds no values: {_WANTED}")
    return _numbers(X, "X")


def _checked_list(X: list) -> list:
    if not X:
        raise ValueError("X is an empty list: give a DataFrame for each series")
    if not all(isinstance(series, pd.DataFrame) for series in X):
        odd = next(series for series in X if not isinstance(series, pd.DataFrame))
        raise TypeError(f"X is a list with a {type(odd).__name__} in it: {_WANTED}")
    first = list(X[0].columns)
    for n, series in enumerate(X):
        if series.empty:
            raise ValueError(f"series {n} of X, counted from 0, is empty: leave it out")
        if set(series.columns) != set(first) or len(series.columns) != len(first):
            raise ValueError(
                f"series {n} of X has the channels {list(series.columns)}, the first has {first}: give all series the "
                "same channels, with a column of NaN where a channel was not observed"
            )
    return [_checked_columns(series) for series in X]


def _checked_table(X: pd.DataFrame) -> pd.DataFrame:
    if not isinstance(X.index, pd.MultiIndex):
        if not X.empty and X.map(lambda cell: isinstance(cell, (pd.Series, np.ndarray))).all(axis=None):
            return X  # series nested in cells
        raise TypeError(
            f"X is a table of {len(X)} rows whose index does not say which series a row belongs to: {_WANTED}; "
            "set_index([series, time]) gives a long table this index"
        )
    if X.index.nlevels != 2:
        raise TypeError(f"the index of X has {X.index.nlevels} levels, {list(X.index.names)}: {_WANTED}")
    if X.empty:
        raise ValueError(f"X of {len(X)} rows and {X.shape[1]} columns holds no values: {_WANTED}")
    if (absent := X.index.get_level_values(0).isna()).any():
        raise ValueError(
            f"row {int(absent.argmax())} of X, counted from 0, has NaN in place of the name of its series: name it"
        )
    if (twice := X.index.duplicated()).any():
        name, time = X.index[int(twice.argmax())]
        raise ValueError(
            f"X has more than one row of series {name} at {time}: give each series its own name, and each time once"
        )
    return _checked_columns(X)


def _checked_columns(table: pd.DataFrame) -> pd.DataFrame:
    checked = table
    for n, dtype in enumerate(table.dtypes):
        if not (pd.api.types.is_any_real_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype)):
            checked = table.copy() if checked is table else checked
            checked.isetitem(n, _numbers(table.iloc[:, n].to_numpy(), f"column {table.columns[n]!r} of X"))
    return checked


def _numbers(values: np.ndarray, name: str) -> np.ndarray:
    """The values as numbers; missing objects become NaN."""
    if values.dtype.kind in "biuf":
        return values
    if values.dtype.kind == "O":
        known = ~pd.isna(values)
        if all(isinstance(v, (Real, np.bool_)) for v in values[known]):
            numbers = np.full(values.shape, np.nan)
            numbers[known] = values[known].astype(np.float64)
            return numbers
        value = next(v for v in values[known] if not isinstance(v, (Real, np.bool_)))
    else:
        value = values.flat[0]
    value = value.item() if isinstance(value, np.generic) else value
    raise TypeError(
        f"{name} holds {value!r} of {values.dtype}, which is not a number: convert it, with astype(float) for example"
    )


def names_of(X: np.ndarray | pd.DataFrame) -> list[Hashable] | None:
    """Names of the channels of a panel; None if it has no names, or one of them twice."""
    return list(X.columns) if isinstance(X, pd.DataFrame) and X.columns.is_unique else None


def in_order(X: np.ndarray | pd.DataFrame, names: list[Hashable] | None) -> np.ndarray | pd.DataFrame:
    """A panel with its channels in the order of ``names``; as it is if the panel or the estimator has no names.

    Raises:
        ValueError: If its channels have other names.
    """
    there = names_of(X)
    if names is None or there is None or there == names:
        return X
    if set(there) != set(names):
        raise ValueError(
            f"series of the channels {there}, fitted on {names}: give the same channels, or an array without names"
        )
    assert isinstance(X, pd.DataFrame)  # it has names
    return X[names]


def checked_labels(y: Any, X: Any) -> Any:
    """Labels of the series in ``X``, in the order of ``X`` if both name their series alike.

    Raises:
        TypeError: If y is not an array, Series or DataFrame, or holds labels of kinds that cannot be sorted together.
        ValueError: If some labels are missing.
    """
    if y is None or isinstance(y, (list, tuple, dict, set, str, pd.Index, pd.Categorical)):
        raise TypeError(
            f"y is of type {type(y).__name__}: give one label for each series, in a numpy array, Series or DataFrame"
        )
    if not isinstance(y, (np.ndarray, pd.Series, pd.DataFrame)) or not len(y):
        return y
    if isinstance(y, (pd.Series, pd.DataFrame)):
        y = _in_order_of(y, X)
    absent = np.asarray(pd.isna(y)).reshape(len(y), -1).any(axis=1)
    if absent.any():
        raise ValueError(
            f"{int(absent.sum())} of {len(y)} labels are missing, the first for series {int(absent.argmax())}, "
            "counted from 0: leave these series out, or give them a class of their own"
        )
    for column in np.asarray(y, dtype=object).reshape(len(y), -1).T if _holds_objects(y) else ():
        kinds = {_kind(label): label for label in column}
        if len(kinds) > 1:
            there = ", ".join(f"{label!r} ({type(label).__name__})" for label in kinds.values())
            raise TypeError(
                f"labels are of several kinds, such as {there}: give labels of one kind, with astype(str) for example"
            )
    return y


def _in_order_of(y: pd.Series | pd.DataFrame, X: Any) -> pd.Series | pd.DataFrame:
    """Rows of y in the order of the series of X, if both have the same names. The index becomes 0, 1, …: from here on
    rows are matched to series by position."""
    if isinstance(X, pd.DataFrame) and y.index.is_unique:
        names = X.index.get_level_values(0).unique() if isinstance(X.index, pd.MultiIndex) else X.index
        if len(names) == len(y) and names.isin(y.index).all():
            y = y.loc[names]
    return y.reset_index(drop=True)


def _holds_objects(y: np.ndarray | pd.Series | pd.DataFrame) -> bool:
    dtypes = y.dtypes if isinstance(y, pd.DataFrame) else [y.dtype]
    return any(pd.api.types.is_object_dtype(dtype) for dtype in dtypes)


def _kind(label: Any) -> type:
    """The kind of a label. Labels of one kind can be compared and sorted."""
    for kind in ((bool, np.bool_), (str,), (Real,)):
        if isinstance(label, kind):
            return kind[0]
    return type(label)
