"""Values of Python, numpy and pandas encoded as JSON plus arrays, and decoded again.

Null, booleans, integers, finite floats, strings and lists are written as JSON has them. Everything else is an object of
one member: its name is the kind of the value, and its content the parts, such as ``{"timestamp": [0, "ns", null]}``.
Only the kinds listed here are written or read, and types are compared exactly, so a file cannot decide which code runs.
"""

import dataclasses
import datetime as dt
import math
import uuid
import zoneinfo
from collections.abc import Callable
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import torch
from dateutil import tz
from pandas.api.types import pandas_dtype

_AS_THEY_ARE = (type(None), bool, int, str)
_Names = type(pd.Index([]).names)  # pandas' own list
_NUMBERS = "biuf"  # kinds of numpy's dtypes that are stored as arrays, outside the JSON


@dataclasses.dataclass(frozen=True)
class _Kind:
    """How a value of one type is taken apart into simpler values, and put together again."""

    name: str
    type: type
    apart: Callable[[Any], Any]
    together: Callable[[Any], Any]
    derived: bool = False  # whether it covers subclasses of the type, too

    def covers(self, value: Any) -> bool:
        return isinstance(value, self.type) if self.derived else type(value) is self.type


def pack(value: Any, name: str = "") -> tuple[Any, dict[str, np.ndarray]]:
    """A value as JSON, and its arrays, by names that begin with ``name``.

    Raises:
        TypeError: If the value, or a value inside it, is of an unknown kind.
    """
    arrays: dict[str, np.ndarray] = {}
    return _pack(value, name, arrays), arrays


def unpack(content: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Undo ``pack``.

    Raises:
        ValueError: If the content holds an unknown kind.
    """
    if isinstance(content, list):
        return [unpack(item, arrays) for item in content]
    if not isinstance(content, dict):
        return content
    if len(content) != 1:
        raise ValueError(f"{content!r} is not an object of one member")
    ((kind, inner),) = content.items()
    if kind == "array":
        return arrays[inner]
    if kind == "dict":
        return {unpack(key, arrays): unpack(item, arrays) for key, item in inner}
    if kind not in _BY_NAME:
        raise ValueError(f"unknown kind {kind!r}")
    return _BY_NAME[kind].together(unpack(inner, arrays))


def _pack(value: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    if type(value) in _AS_THEY_ARE or (type(value) is float and math.isfinite(value)):
        return value
    if type(value) is list:
        return [_pack(item, f"{name}/{n}", arrays) for n, item in enumerate(value)]
    if type(value) is np.ndarray and value.dtype.kind in _NUMBERS and value.dtype.itemsize <= 8:
        while name in arrays:
            name += "'"
        arrays[name] = np.asarray(value, dtype=value.dtype.newbyteorder("="), order="C")
        return {"array": name}
    if type(value) is dict:
        return {"dict": [[_pack(k, name, arrays), _pack(v, f"{name}/{k}", arrays)] for k, v in value.items()]}
    for kind in _KINDS:
        if kind.covers(value):
            return {kind.name: _pack(kind.apart(value), name, arrays)}
    raise TypeError(f"{value!r} of type {type(value).__name__} cannot be saved")


# ---- numpy and torch


def _array_apart(array: np.ndarray) -> list[Any]:
    """Parts of an array that does not hold plain numbers: times and durations as integers, other items one by one."""
    if array.dtype.kind in "mM":
        return [str(array.dtype), list(array.shape), array.astype(array.dtype.newbyteorder("=")).view(np.int64)]
    if array.dtype.kind not in "OUSc":
        raise TypeError(f"an array of {array.dtype} cannot be saved")
    return [str(array.dtype), list(array.shape), array.ravel().tolist()]


def _array_together(parts: list[Any]) -> np.ndarray:
    name, shape, items = parts
    dtype = np.dtype(name)
    if dtype.kind in "mM":
        return items.view(dtype).reshape(shape)
    array = np.empty(len(items), dtype=dtype)
    for n, item in enumerate(items):  # one by one, since an item may be a tuple
        array[n] = item
    return array.reshape(shape)


def _scalar_apart(scalar: np.generic) -> list[Any]:
    dtype = scalar.dtype
    if dtype.kind in "mM":
        return [str(dtype), int(scalar.view(np.int64))]
    if dtype.kind not in "biufUSc" or type(scalar.item()) not in (bool, int, float, complex, str, bytes):
        raise TypeError(f"{scalar!r} of type {type(scalar).__name__} cannot be saved")
    return [str(dtype), scalar.item()]


def _scalar_together(parts: list[Any]) -> np.generic:
    dtype, value = np.dtype(parts[0]), parts[1]
    scalar: Any = np.int64(value).view(dtype) if dtype.kind in "mM" else np.array(value, dtype=dtype)[()]
    return scalar


def _random_together(state: tuple) -> np.random.RandomState:
    generator = np.random.RandomState()
    generator.set_state(state)
    return generator


# ---- time


def _zone_name(zone: Any) -> str:
    """The name of a time zone in the time zone database. Its files lie elsewhere on other machines."""
    name = zone.key if isinstance(zone, zoneinfo.ZoneInfo) else str(zone._filename).rpartition("zoneinfo/")[2]
    if not name or PurePosixPath(name).is_absolute():
        raise TypeError(f"the time zone {zone!r} has no name to save")
    return name


def _named_zone(name: str) -> dt.tzinfo:
    if PurePosixPath(name).is_absolute() or ".." in name or (zone := tz.gettz(name)) is None:
        raise ValueError(f"unknown time zone {name!r}")
    return zone


def _timestamp_together(parts: list[Any]) -> pd.Timestamp:
    value, unit, zone = parts
    time = pd.Timestamp(np.datetime64(value, unit)).as_unit(unit)
    return time if zone is None else time.tz_localize("UTC").tz_convert(zone)


def _offset_apart(offset: pd.offsets.BaseOffset) -> list[Any]:
    name = type(offset).__name__
    if getattr(pd.offsets, name, None) is not type(offset):
        raise TypeError(f"{offset!r} is not one of pandas' own offsets and cannot be saved")
    # weekmask and holidays are saved, and the calendar follows from them
    return [name, offset.n, offset.normalize, {k: v for k, v in offset.kwds.items() if k != "calendar"}]


def _offset_together(parts: list[Any]) -> pd.offsets.BaseOffset:
    name, n, normalize, options = parts
    known = getattr(pd.offsets, name, None) if name in pd.offsets.__all__ else None
    if known is None:
        raise ValueError(f"unknown offset {name!r}")
    return known(n, normalize, **options)


# ---- indices


def _datetimes_together(parts: list[Any]) -> pd.DatetimeIndex:
    values, unit, zone, freq, name = parts
    index = pd.DatetimeIndex(values.view(f"M8[{unit}]"))
    index = index if zone is None else index.tz_localize("UTC").tz_convert(zone)
    return pd.DatetimeIndex(index, freq=freq, name=name)


def _index_apart(index: pd.Index) -> list[Any]:
    if isinstance(index.dtype, np.dtype):
        return [index.to_numpy(), index.name]
    return [str(index.dtype), index.tolist(), index.name]


def _index_together(parts: list[Any]) -> pd.Index:
    if len(parts) == 2:
        return pd.Index(parts[0], dtype=parts[0].dtype, name=parts[1], tupleize_cols=False)
    dtype, values, name = parts
    return pd.Index(pd.array(values, dtype=pandas_dtype(dtype)), name=name)


_KINDS = (
    _Kind("tuple", tuple, list, tuple),
    _Kind("set", set, list, set),
    _Kind("frozenset", frozenset, list, frozenset),
    _Kind("float", float, str, float),  # nan and the infinities
    _Kind("complex", complex, lambda c: [c.real, c.imag], lambda parts: complex(*parts)),
    _Kind("bytes", bytes, bytes.hex, bytes.fromhex),
    _Kind("decimal", Decimal, str, Decimal),
    _Kind("uuid", uuid.UUID, str, uuid.UUID),
    _Kind("device", torch.device, str, torch.device),
    _Kind("range", range, lambda r: [r.start, r.stop, r.step], lambda parts: range(*parts)),
    # time
    _Kind("date", dt.date, dt.date.isoformat, dt.date.fromisoformat),
    _Kind(
        "time",
        dt.time,
        lambda t: [t.replace(tzinfo=None).isoformat(), t.tzinfo, t.fold],
        lambda p: dt.time.fromisoformat(p[0]).replace(tzinfo=p[1], fold=p[2]),
    ),
    _Kind(
        "datetime",
        dt.datetime,
        lambda t: [t.replace(tzinfo=None).isoformat(), t.tzinfo, t.fold],
        lambda p: dt.datetime.fromisoformat(p[0]).replace(tzinfo=p[1], fold=p[2]),
    ),
    _Kind("duration", dt.timedelta, lambda d: [d.days, d.seconds, d.microseconds], lambda parts: dt.timedelta(*parts)),
    _Kind("fixed zone", dt.timezone, lambda z: list(z.__getinitargs__()), lambda parts: dt.timezone(*parts)),
    _Kind("zone", zoneinfo.ZoneInfo, _zone_name, zoneinfo.ZoneInfo),
    _Kind("dateutil zone", tz.tzfile, _zone_name, _named_zone, derived=True),
    _Kind("dateutil utc", tz.tzutc, lambda z: None, lambda _: tz.tzutc()),
    _Kind("dateutil local", tz.tzlocal, lambda z: None, lambda _: tz.tzlocal()),
    _Kind(
        "dateutil offset",
        tz.tzoffset,
        lambda z: [z.tzname(None), z.utcoffset(None)],
        lambda parts: tz.tzoffset(*parts),
    ),
    _Kind("missing", type(pd.NaT), lambda _: "NaT", lambda name: {"NaT": pd.NaT, "NA": pd.NA}[name]),
    _Kind("missing", type(pd.NA), lambda _: "NA", lambda name: {"NaT": pd.NaT, "NA": pd.NA}[name]),
    _Kind("timestamp", pd.Timestamp, lambda t: [int(t.asm8.view(np.int64)), t.unit, t.tzinfo], _timestamp_together),
    _Kind(
        "timedelta",
        pd.Timedelta,
        lambda d: [int(d.asm8.view(np.int64)), d.unit],
        lambda parts: pd.Timedelta(np.timedelta64(*parts)).as_unit(parts[1]),
    ),
    _Kind(
        "period",
        pd.Period,
        lambda p: [p.ordinal, p.freq],
        lambda parts: pd.Period(ordinal=parts[0], freq=parts[1]),
    ),
    _Kind("interval", pd.Interval, lambda i: [i.left, i.right, i.closed], lambda parts: pd.Interval(*parts)),
    _Kind("offset", pd.offsets.BaseOffset, _offset_apart, _offset_together, derived=True),
    # indices
    _Kind("names", _Names, list, _Names),
    _Kind(
        "range index",
        pd.RangeIndex,
        lambda i: [i.start, i.stop, i.step, i.name],
        lambda p: pd.RangeIndex(*p[:3], name=p[3]),
    ),
    _Kind(
        "multi-index",
        pd.MultiIndex,
        lambda i: [list(i.levels), [np.asarray(codes) for codes in i.codes], list(i.names)],
        lambda parts: pd.MultiIndex(parts[0], parts[1], names=parts[2]),
    ),
    _Kind(
        "datetimes",
        pd.DatetimeIndex,
        lambda i: [i.asi8, i.unit, i.tz, i.freq, i.name],
        _datetimes_together,
    ),
    _Kind(
        "timedeltas",
        pd.TimedeltaIndex,
        lambda i: [i.asi8, i.unit, i.freq, i.name],
        lambda p: pd.TimedeltaIndex(p[0].view(f"m8[{p[1]}]"), freq=p[2], name=p[3]),
    ),
    _Kind(
        "periods",
        pd.PeriodIndex,
        lambda i: [i.asi8, i.freq, i.name],
        lambda p: pd.PeriodIndex.from_ordinals(p[0], freq=p[1], name=p[2]),
    ),
    _Kind(
        "categories",
        pd.CategoricalIndex,
        lambda i: [i.categories, np.asarray(i.codes), i.ordered, i.name],
        lambda p: pd.CategoricalIndex(pd.Categorical.from_codes(p[1], categories=p[0], ordered=p[2]), name=p[3]),
    ),
    _Kind(
        "intervals",
        pd.IntervalIndex,
        lambda i: [i.left, i.right, i.closed, i.name],
        lambda p: pd.IntervalIndex.from_arrays(p[0], p[1], closed=p[2], name=p[3]),
    ),
    _Kind("index", pd.Index, _index_apart, _index_together),
    # numpy
    _Kind("ndarray", np.ndarray, _array_apart, _array_together),
    _Kind("scalar", np.generic, _scalar_apart, _scalar_together, derived=True),
    _Kind("random state", np.random.RandomState, lambda r: tuple(r.get_state()), _random_together),
)
_BY_NAME = {kind.name: kind for kind in _KINDS}
