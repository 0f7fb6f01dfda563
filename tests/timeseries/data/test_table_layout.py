"""The layout of tables of series: found by names and contents, told in words, and wrong choices refused."""

import numpy as np
import pandas as pd
import pytest

from timeseries.data.layout import Layout, arrange, find_layout, times_of

DAYS = pd.date_range("2024-01-01", periods=40).strftime("%Y-%m-%d")


def long_table(**columns):
    parts = [pd.DataFrame(dict(date=DAYS, shop=shop, sales=np.arange(40.0) + n)) for n, shop in enumerate("ab")]
    return pd.concat(parts, ignore_index=True).assign(**columns)


def wide_table():
    return pd.DataFrame(dict(date=DAYS, a=np.arange(40.0), b=np.arange(40.0) + 1))


@pytest.mark.parametrize(
    ("table", "layout"),
    [
        (long_table(), Layout("date", ("sales",), "shop")),
        (long_table(price=2.0), Layout("date", ("sales",), "shop")),
        (long_table().rename(columns=dict(date="when", shop="place")), Layout("when", ("sales",), "place")),
        (long_table(shop=np.repeat([7, 9], 40)), Layout("date", ("sales",), "shop")),
        (wide_table(), Layout("date", ("a", "b"))),
        (wide_table()[["date", "a"]], Layout("date", ("a",))),
        (wide_table()[["a", "b"]], Layout(None, ("a", "b"))),
        (pd.DataFrame(dict(year=np.arange(1980, 2020), value=1.0)), Layout("year", ("value",))),
        (wide_table().assign(value=3.0), Layout("date", ("value",))),
    ],
    ids=["long", "with a price", "other names", "numbers as names", "wide", "one", "no times", "years", "named"],
)
def test_the_layout_that_a_table_seems_to_have(table, layout):
    assert find_layout(table) == layout


def test_a_table_without_numbers():
    with pytest.raises(ValueError, match="no column holds numbers to forecast: there are 'date', 'word'"):
        find_layout(pd.DataFrame(dict(date=DAYS, word="x")))


def test_long_and_wide_tables_become_the_same_panel():
    wide = arrange(wide_table(), Layout("date", ("a", "b"))).y
    long = arrange(long_table(), Layout("date", ("sales",), "shop")).y
    assert [*wide.index] == [*long.index] and wide.index.nlevels == 2
    np.testing.assert_array_equal(wide.to_numpy(), long.to_numpy())


def test_missing_days_are_counted_and_told():
    table = long_table().drop(index=[3, 4, 50])
    found = arrange(table, find_layout(table))
    assert found.missing == 3
    assert found.told == (
        "Read as a long table of 77 rows: the times in 'date', the names of 2 series in 'shop', the values in 'sales'. "
        "From 2024-01-01 to 2024-02-09, frequency D. 3 steps have no value and count as gaps."
    )


def test_covariates_may_go_on_beyond_the_last_value():
    table = long_table(price=2.0)
    table.loc[table["date"] > "2024-02-05", "sales"] = np.nan
    found = arrange(table, Layout("date", ("sales",), "shop", ("price",)))
    assert found.y.index.get_level_values(1).max() == pd.Timestamp("2024-02-05")
    assert found.X is not None and found.X.index.get_level_values(1).max() == pd.Timestamp("2024-02-09")
    assert list(found.X.columns) == ["price"] and "covariates 'price'" in found.told


def test_one_series_has_a_plain_index_and_rows_in_order_are_numbered():
    assert arrange(wide_table(), Layout("date", ("a",))).y.index.nlevels == 1
    numbered = arrange(long_table(), Layout(None, ("sales",), "shop")).y
    assert numbered.loc["b"].index.tolist() == list(range(40))


@pytest.mark.parametrize(
    ("values", "first", "kind"),
    [
        (["2024-01-31", "2024-02-01"], "2024-01-31", pd.DatetimeIndex),
        (["01/31/2024", "02/01/2024"], "2024-01-31", pd.DatetimeIndex),
        (["03.01.2024", "04.01.2024"], "2024-01-03", pd.DatetimeIndex),
        (["03/01/2024 05:00", "31/01/2024 06:00"], "2024-01-03 05:00", pd.DatetimeIndex),
        (["Jan 2024", "Feb 2024"], "2024-01-01", pd.DatetimeIndex),
        (["2024-01-01 05:00", "2024-01-01 06:00:30"], "2024-01-01 05:00", pd.DatetimeIndex),
        (["1949-01", "1949-02"], "1949-01-01", pd.DatetimeIndex),
        (["2020-Q1", "2020q2"], "2020Q1", pd.PeriodIndex),
        ([1990, 1991], 1990, pd.Index),
        ([1.0, 2.0], 1, pd.Index),
    ],
)
def test_kinds_of_times(values, first, kind):
    found = times_of(pd.Series(values), "t")
    assert isinstance(found, kind) and found[0] == (type(found[0])(first) if isinstance(first, str) else first)


@pytest.mark.parametrize(
    ("layout", "told"),
    [
        (Layout("when", ("sales",)), "there is no column 'when': choose among 'date', 'shop', 'sales'"),
        (Layout("date", ("sales",), "sales"), "column 'sales' is chosen for two things"),
        (Layout("date", ()), "no column to forecast is chosen"),
        (Layout("date", ("sales",)), "'date' holds 2024-01-01 00:00:00 more than once: choose the column that names"),
        (Layout("shop", ("sales",)), "column 'shop' holds 'a' where a time is expected: write dates such as"),
    ],
)
def test_wrong_choices_are_told(layout, told):
    with pytest.raises(ValueError, match=told):
        arrange(long_table(), layout)


def test_a_column_without_any_value_and_a_row_without_a_time():
    with pytest.raises(ValueError, match="column 'sales' holds no value at all"):
        arrange(long_table(sales=np.nan), Layout("date", ("sales",), "shop"))
    table = wide_table()
    table.loc[5, "date"] = None
    with pytest.raises(ValueError, match="row 6 has no time in column 'date'"):
        arrange(table, Layout("date", ("a",)))
