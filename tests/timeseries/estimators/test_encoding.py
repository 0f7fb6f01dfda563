"""Values as JSON and arrays: every kind comes back as it was, and nothing else is written or read."""

import datetime as dt
import enum
import json
import uuid
import zoneinfo
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
import torch
from dateutil import tz

from timeseries.estimators.encoding import pack, unpack

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
PLAIN = [None, True, 1, 2**70, 1.5, float("inf"), float("-inf"), "a", "", [], [1, ["b"]]]
PYTHON = [(1, ("b", None)), {1: 2, (1, 2): {"tuple": [1]}}, {1, 2}, frozenset("ab"), 1 + 2j, b"\xff", range(3)]
PYTHON += [Decimal("1.10"), uuid.UUID(int=7), torch.device("cpu")]
TIMES = [dt.date(2020, 1, 1), dt.time(10, 0, 5), dt.datetime(2020, 10, 25, 2, 30, tzinfo=BERLIN, fold=1)]
TIMES += [dt.timedelta(1, 2, 3), dt.UTC, dt.timezone(dt.timedelta(hours=2)), BERLIN]
TIMES += [tz.tzutc(), tz.tzlocal(), tz.tzoffset("A", 7200), tz.tzoffset(None, 60), tz.gettz("Europe/Berlin")]
TIMES += [pd.Timestamp("2020-10-25 00:30", tz="UTC").tz_convert(BERLIN), pd.Timestamp("2020", tz="+05:30")]
TIMES += [pd.Timestamp(1, unit="ns"), pd.Timestamp("2020").as_unit("s"), pd.Timedelta("1h"), pd.NaT, pd.NA]
TIMES += [pd.Period("2020", "M"), pd.Period("2020-01-01", "W-WED"), pd.Period("2020", "2h"), pd.Interval(0, 1, "left")]
TIMES += [pd.Interval(pd.Timestamp("2020"), pd.Timestamp("2021"))]
OFFSETS = ["D", "2h", "BME", "W-WED", "SME", "QS-FEB", "WOM-2MON", "YE-MAR", "15min"]
OFFSETS = [pd.tseries.frequencies.to_offset(freq) for freq in OFFSETS]
OFFSETS += [pd.offsets.CustomBusinessDay(weekmask="Sun Mon Tue", holidays=["2020-01-06"]), pd.offsets.Easter()]
OFFSETS += [pd.DateOffset(months=1, days=2), pd.offsets.BusinessHour(start="10:00"), pd.offsets.FY5253(weekday=1)]
SCALARS = [np.int64(3), np.float32(1.1), np.bool_(True), np.str_("ab"), np.bytes_(b"a"), np.complex64(1 + 2j)]
SCALARS += [np.datetime64("2020-01-01"), np.timedelta64(3, "h"), np.uint64(2**63 + 1)]
ARRAYS = [np.arange(4), np.array(3.0), np.array(["a", "bb"]), np.array(["a", 1, (1, 2), None], dtype=object)]
ARRAYS += [np.array(["2020", "NaT"], dtype="M8[s]"), np.array([[1, 2], [3, 4]], order="F"), np.zeros((0, 3))]
ARRAYS += [np.array([1j]), np.array([True]), np.array([1.0, np.nan], dtype=np.float16)]
INDICES = [pd.RangeIndex(1, 9, 2, name="r"), pd.Index([1.5, np.nan], name=("a", 1)), pd.Index([True, False])]
INDICES += [pd.Index(["a", None], name="q"), pd.Index(["a", 1, (1, 2), None], dtype=object), pd.Index([], dtype=object)]
INDICES += [pd.Index([1, None], dtype="Int64"), pd.Index([1, 2**63], dtype="uint64")]
INDICES += [pd.Index([(1, 2), (3, 4)], tupleize_cols=False), pd.MultiIndex.from_arrays([["a", None], [1, 2]])]
INDICES += [pd.MultiIndex.from_product([["a"], [pd.Timestamp("2020"), pd.NaT]], names=["x", None])]
INDICES += [pd.date_range("2020", periods=5, freq=offset, name="t") for offset in OFFSETS[:11]]
INDICES += [pd.date_range("2020-03-28", periods=60, freq="h", tz=BERLIN), pd.date_range("2020", periods=3, unit="s")]
INDICES += [pd.date_range("2020", periods=3, tz="+01:00"), pd.date_range("2020", periods=3, tz=tz.tzoffset("X", 60))]
INDICES += [pd.DatetimeIndex(["2020", None]), pd.period_range("2020", periods=4, freq="W-WED", name="p")]
INDICES += [pd.period_range("2020", periods=4, freq="3M"), pd.timedelta_range("1h", periods=3)]
INDICES += [pd.CategoricalIndex(["a", None, "a"], ordered=True, name="c"), pd.interval_range(0, 4)]


def through_json(value):
    content, arrays = pack(value, "x")
    return unpack(json.loads(json.dumps(content, allow_nan=False)), arrays)


@pytest.mark.parametrize("value", [*PLAIN, *PYTHON, *TIMES, *OFFSETS, *SCALARS], ids=lambda v: f"{type(v).__name__}")
def test_values_come_back(value):
    back = through_json(value)
    assert type(back) is type(value)
    assert back is value or back == value
    if isinstance(value, dt.datetime):
        assert back.tzinfo == value.tzinfo and back.fold == value.fold
        assert getattr(back, "unit", None) == getattr(value, "unit", None)


@pytest.mark.parametrize("value", [float("nan"), np.float64("nan"), np.datetime64("NaT")])
def test_what_is_missing_stays_missing(value):
    back = through_json(value)
    assert type(back) is type(value) and back != back


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}{a.shape}")
def test_arrays_come_back(array):
    back = through_json(array)
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("index", INDICES, ids=lambda i: type(i).__name__)
def test_indices_come_back(index):
    back = through_json(index)
    pd.testing.assert_index_equal(back, index, exact=True)
    assert list(back.names) == list(index.names) and getattr(back, "freq", None) == getattr(index, "freq", None)
    assert str(getattr(back, "tz", None)) == str(getattr(index, "tz", None))


def test_a_generator_goes_on_where_it_was():
    generator = np.random.RandomState(3)
    generator.normal()
    assert np.array_equal(through_json(generator).normal(size=5), generator.normal(size=5))


class Colour(enum.Enum):
    RED = 1


class Number(enum.IntEnum):
    ONE = 1


class Name(str):
    pass


class Pair(tuple):
    pass


class OwnDay(pd.offsets.Day):
    pass


@pytest.mark.parametrize(
    "value",
    [
        Colour.RED,
        Number.ONE,
        Name("a"),
        Pair((1, 2)),
        object(),
        len,
        int,
        np.longdouble(1),
        OwnDay(),
        [{"a": {Name()}}],
    ],
    ids=lambda v: type(v).__name__,
)
def test_what_only_code_can_make_is_refused(value):
    with pytest.raises(TypeError, match="cannot be saved|can be saved"):
        pack(value)


@pytest.mark.parametrize(
    "content",
    [
        {"eval": "1"},
        {},
        {"tuple": [1], "list": [2]},
        {"offset": ["__class__", 1, False, {"dict": []}]},
        {"offset": ["to_offset", 1, False, {"dict": []}]},
        {"dateutil zone": "/etc/passwd"},
        {"dateutil zone": "../../etc/passwd"},
        {"zone": "/etc/passwd"},
        {"ndarray": ["O8V", [1], [1]]},
    ],
    ids=str,
)
def test_what_no_one_wrote_is_not_read(content):
    with pytest.raises((ValueError, TypeError)):
        unpack(content, {})
