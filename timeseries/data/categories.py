"""Categories in X: a column of texts or categories becomes a column of 0 and 1 for each of its levels."""

import warnings
from collections.abc import Hashable

import numpy as np
import pandas as pd

Levels = list[Hashable] | None  # the levels of a column of categories; None for a column of numbers

_MOST = 64  # levels of a column: each becomes a channel of the networks


def levels_of(X: pd.DataFrame) -> list[Levels]:
    """The levels of each column, sorted: the values that occur. None for columns of numbers.

    Raises:
        ValueError: If a column of categories has too many levels, or no value at all.
        TypeError: If its values are of several kinds.
    """
    return [
        None if pd.api.types.is_numeric_dtype(values.dtype) else _levels(name, values) for name, values in X.items()
    ]


def in_channels(X: pd.DataFrame, levels: list[Levels]) -> pd.DataFrame:
    """A table of numbers: columns of numbers as they are, and for each level of a column of categories whether it has
    this level, 0 or 1. A missing value has none. Nor has a level that is not in ``levels``, with a warning.

    Raises:
        ValueError: If a column of numbers holds other values.
    """
    _check_numbers(X, levels)
    if not any(levels):
        return X
    parts, unseen = [], []
    for (name, values), known in zip(X.items(), levels, strict=True):
        if known is None:
            parts.append(values.to_frame().to_numpy(dtype=np.float64))
            continue
        codes, found = pd.factorize(values)
        at = pd.Index(known, dtype=object).get_indexer(pd.Index(found, dtype=object))
        if (at < 0).any():
            unseen.append(f"{[found[n] for n in np.flatnonzero(at < 0)[:5]]} in {name!r}")
        at = np.append(at, -1)[codes]  # a missing value has the code -1
        parts.append((at[:, None] == np.arange(len(known))) + 0.0)
    if unseen:
        warnings.warn(
            f"X has levels that were not there in fit: {', '.join(unseen)}. They count as missing; to learn them, fit "
            "with rows that have them",
            UserWarning,
            stacklevel=2,
        )
    return pd.DataFrame(np.concatenate(parts, axis=1), index=X.index)


def _levels(name: Hashable, values: pd.Series) -> list[Hashable]:
    try:
        found = sorted(values.dropna().unique())
    except TypeError:
        kinds = sorted({type(value).__name__ for value in values.dropna()})
        raise TypeError(
            f"column {name!r} of X holds values of several kinds, {', '.join(kinds)}: make it texts by "
            f"X[{name!r}].astype(str)"
        ) from None
    if not found:
        raise ValueError(f"column {name!r} of X has no value: leave it out")
    if len(found) > _MOST:
        raise ValueError(
            f"column {name!r} of X has {len(found)} levels, at most {_MOST} are read: group the rare ones, leave the "
            "column out, or give numbers that tell the same"
        )
    return found


def _check_numbers(X: pd.DataFrame, levels: list[Levels]) -> None:
    for (name, dtype), known in zip(X.dtypes.items(), levels, strict=True):
        if known is None and not pd.api.types.is_numeric_dtype(dtype):
            raise ValueError(
                f"column {name!r} of X holds categories, in fit it held numbers: give numbers, or fit with categories"
            )
