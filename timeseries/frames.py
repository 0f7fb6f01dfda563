"""Between sktime's tables and arrays: one row of values a step, and for panels and hierarchies an instance each."""

from collections.abc import Hashable, Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd


class Instance(NamedTuple):
    """One series: its name in the panel (None for a single series), its time index and its values (T, C)."""

    key: Hashable | None
    index: pd.Index
    values: np.ndarray


def instances_of(table: pd.DataFrame) -> list[Instance]:
    """The series of a table in sktime's "pd.DataFrame", "pd-multiindex" or "pd_multiindex_hier" format."""
    values = table.to_numpy(dtype=np.float64)
    if not isinstance(table.index, pd.MultiIndex):
        return [Instance(None, table.index, values)]
    times = table.index.get_level_values(-1)
    codes, keys = pd.factorize(table.index.droplevel(-1))
    order = np.argsort(codes, kind="stable")  # an instance's rows need not stand together
    bounds = np.flatnonzero(np.diff(codes[order])) + 1
    rows = np.split(order, bounds)
    codes = table.index.codes[-1]
    shared: dict[bytes, pd.Index] = {}  # most series have the times of others, and taking them is what costs most
    instances = []
    for i, r in enumerate(rows):
        same = codes[r].tobytes()
        if same not in shared:
            shared[same] = times[r]
        instances.append(Instance(keys[i], shared[same], values[r]))
    return instances


def ends_of(instances: list[Instance], keep: int) -> list[Instance]:
    """The last ``keep`` steps of each series, whose values are copied; those that shared their times still do."""
    ends = {id(index): index[-keep:] for index in distinct_indices(instances)}
    return [i._replace(index=ends[id(i.index)], values=i.values[-keep:].copy()) for i in instances]


def distinct_indices(instances: Iterable[Instance]) -> list[pd.Index]:
    """The time indices of some series, each object once."""
    return list({id(i.index): i.index for i in instances}.values())


def extended(
    old: dict[Hashable | None, Instance], new: dict[Hashable | None, Instance]
) -> tuple[list[Instance], list[int]]:
    """Series with what is new of them at their ends, in place of rows of the same times; and the number of new rows of
    each."""
    merged, fresh = [], []
    for key in {**old, **new}:
        before, added = old.get(key), new.get(key)
        if before is None or added is None:
            merged.append(added if before is None else before)
        else:
            kept = ~before.index.isin(added.index)
            index = before.index[kept].append(added.index)
            merged.append(Instance(key, index, np.concatenate([before.values[kept], added.values])))
        fresh.append(0 if added is None else len(added.index))
    return merged, fresh


def table_of(keys: list[Hashable | None], indices: list[pd.Index], values: np.ndarray, names, columns) -> pd.DataFrame:
    """The table of some series' values (n, T, C), whose index has these names."""
    flat = values.reshape(-1, values.shape[-1])
    if keys[0] is None:
        index = indices[0].rename(names[-1])
    else:
        times = indices[0].append(indices[1:])
        repeat = np.repeat(np.arange(len(keys)), values.shape[1])
        levels = pd.MultiIndex.from_tuples(keys) if isinstance(keys[0], tuple) else pd.Index(keys)
        levels = levels.take(repeat)
        parts = [levels.get_level_values(i) for i in range(levels.nlevels)]
        index = pd.MultiIndex.from_arrays([*parts, times], names=names)
    return pd.DataFrame(flat, index=index, columns=columns)
