"""What is no series says so in words."""

import decimal

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sktime")
from timeseries import JumboForecaster
from timeseries.estimators.tables import in_order

DAYS = pd.date_range("2020-01-01", periods=30)
WIDE = pd.DataFrame({f"shop{n}": np.arange(30.0) + n for n in range(30)}, index=DAYS.rename("day"))
ONE = WIDE[["shop0"]]
LONG = WIDE.melt(ignore_index=False, var_name="shop", value_name="sales").reset_index()


def fit(y):
    options = dict(embed_dim=4, num_heads=2, depth=1, jumbo_multiplier=2, max_epochs=1, random_state=0)
    return JumboForecaster(**options).fit(y, fh=[1])


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        (ONE[:0], ValueError, "y is empty: give at least one row and one column"),
        (ONE[[]], ValueError, "y is empty"),
        (pd.Series([], dtype=float), ValueError, "y is empty"),
        (np.array([]), ValueError, "y is empty"),
        ([], ValueError, "y is empty"),
        ([ONE, ONE[:0]], ValueError, r"y\[1\] is empty"),
        (np.array([1.0, "x", None], dtype=object), TypeError, "y is an array of object that holds str, such as 'x'"),
        (np.array([np.zeros(3), np.zeros(4)], dtype=object), TypeError, "holds ndarray.*unequal lengths as a list of"),
        (np.array(["1", "2"]), TypeError, "y is an array of <U1 that holds str"),
        (pd.Series([1, 2, "three"]), TypeError, "column 0 of y holds str, such as 'three'.*give numbers"),
        (LONG, TypeError, r"column 'day' of y holds Timestamp.*long table.*y.set_index\(\['shop', 'day'\]\)"),
        (LONG.assign(shop=1), TypeError, r"column 'day' of y holds Timestamp.*y.set_index\(\['day'\]\)"),
        (LONG.set_index("day"), TypeError, r"column 'shop'.*y.reset_index\(\).set_index\(\['shop', 'day'\]\)"),
        (
            LONG.set_index("day")[["sales"]],
            ValueError,
            "2020-01-01 00:00:00 occurs 30 times.*name them in a MultiIndex",
        ),
        (LONG.set_index(["day", "shop"]), TypeError, r"time is level 0 .*'day', 'shop'.*y.reorder_levels\(\[1, 0\]\)"),
        (WIDE.stack(), TypeError, r"y is a Series with the index levels.*y.swaplevel\(\).sort_index\(\).to_frame"),
        (WIDE.unstack(), TypeError, r"y is a Series with the index levels.*y.sort_index\(\).to_frame"),
        (ONE.set_axis(DAYS.astype(str)), TypeError, "an index of times holds str: make it dates with pd.to_datetime"),
        (ONE.set_axis(DAYS.date), TypeError, "an index of times holds date"),
        (ONE.set_axis(np.arange(30) / 2), TypeError, "an index of times holds float64"),
        (ONE.set_axis(DAYS.where(np.arange(30) != 5)), ValueError, "row 5 of y has no time: leave the row out"),
        (pd.concat({"a": ONE, 1: ONE}), TypeError, "names of the series in y are of several kinds, int, str"),
        (pd.concat({("a", 1): ONE, ("b", "x"): ONE}), TypeError, "several kinds, int, str"),
        (pd.concat({"a": ONE, np.nan: ONE}), ValueError, "row 30 of y has no name of a series, level 0 of its index"),
        (pd.concat({("a", "u"): ONE, ("b", "v"): ONE}).rename({"v": None}, level=1), ValueError, "row 30 .* level 1"),
    ],
)
def test_what_is_no_series_is_refused(y, error, message):
    with pytest.raises(error, match=message):
        fit(y)


def test_keys_that_an_update_brings():
    with pytest.raises(TypeError, match="the names of the series in y are of several kinds, int, str"):
        fit(pd.concat({"a": ONE, "b": ONE})).update(pd.concat({1: ONE}))


@pytest.mark.parametrize(
    "y",
    [
        np.array([1, 2.5, None, 4] * 6, dtype=object),
        pd.Series([1, 2, None, 4.5] * 6, dtype=object),
        pd.Series([decimal.Decimal(n) for n in range(24)]),
        pd.DataFrame({"a": pd.Series([1, 2, None, 4] * 6, dtype=object), "b": 1.0}),
        LONG.set_index(["shop", "day"]),
        WIDE.unstack().to_frame(),
    ],
)
def test_what_the_messages_advise_is_taken(y):
    assert np.isfinite(np.asarray(fit(y).predict(), dtype=float)).all()


def test_tables_are_left_as_they_are():
    for table in (ONE.iloc[::-1], pd.concat({"b": ONE, "a": ONE}), pd.DataFrame({"a": [1, None]}, dtype=object)):
        before = table.copy()
        in_order(table, "y")
        pd.testing.assert_frame_equal(table, before)
    assert in_order(ONE, "y").index.equals(DAYS) and in_order(ONE.iloc[::-1], "y").index.equals(DAYS)
