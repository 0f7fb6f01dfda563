"""Tables to series and back, and what series of a panel share."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sktime")
from timeseries.data.frames import ends_of, instances_of, known_span, merged, rows_of, values_of
from timeseries.data.panel_timeline import timeline_for
from timeseries.data.windows import Panel, mean_and_spread


def panel():
    days = pd.date_range("2024", periods=6, freq="D")
    parts = [("a", days), ("b", days), ("c", days[1:]), ("d", days[[0, 1, 4]])]
    index = pd.MultiIndex.from_tuples([(n, t) for n, times in parts for t in times], names=["series", "time"])
    return pd.DataFrame({"x": np.arange(len(index), dtype=float)}, index=index)


def instances(table):
    return instances_of(rows_of(table, timeline_for(table, None), "y"))


def test_rows_in_any_order_are_series_without_gaps():
    table = panel()
    for given in (table, table.sample(frac=1, random_state=0), table.iloc[::-1]):
        series = {i.key: i for i in instances(given)}
        assert [i.start for i in series.values()] == [0, 0, 1, 0]
        for key, i in series.items():
            expected = table.loc[key, "x"].asfreq("D").to_numpy()
            np.testing.assert_array_equal(i.values[:, 0], expected)
    np.testing.assert_array_equal(series["d"].values[:, 0], [17, 18, np.nan, np.nan, 19])


def test_series_of_a_table_stand_alone():
    table = panel()
    mixed = table.sort_index(level="time", kind="stable", sort_remaining=False)
    for key, values in zip("abdc", values_of(mixed), strict=True):  # in the order in which they first occur
        np.testing.assert_array_equal(values, table.loc[key].to_numpy())


def test_ends_are_copies_that_reach_back_to_what_is_known():
    series = instances(panel())
    ends = ends_of(series, 2, 1)
    assert [(i.start, len(i.values)) for i in ends] == [(4, 2), (4, 2), (4, 2), (3, 2)]
    assert all(
        (e.values == i.values[-2:])[~np.isnan(e.values)].all() and e.values.base is None
        for e, i in zip(ends, series, strict=True)
    )
    (last,) = (i for i in series if i.key == "a")
    last.values[3:] = np.nan
    assert [(i.start, len(i.values)) for i in ends_of([last], 2, 1)] == [(1, 5)]
    assert known_span(last.values) == slice(0, 3)


def test_new_rows_hold_and_old_ones_stay():
    table = panel()
    timeline = timeline_for(table, None)
    old = {i.key: i for i in instances_of(rows_of(table, timeline, "y"))}
    new = pd.DataFrame({"x": [100.0, 101, 102]}, index=table.index[[17, 15, 5]])
    later = new.rename(index={pd.Timestamp("2024-01-02"): pd.Timestamp("2024-01-09")}, level=1)
    series = merged(old, rows_of(later.sort_index(), timeline, "y"), None)
    assert [i.key for i in series] == list("abcd")
    np.testing.assert_array_equal(series[0].values[:, 0], [0, 1, 2, 3, 4, 102])
    np.testing.assert_array_equal(series[3].values[:, 0], [100, 18, np.nan, np.nan, 19])


@pytest.mark.parametrize("gaps", [False, True])
def test_many_series_at_once_are_standardised_as_one_by_one(gaps):
    rng = np.random.default_rng(0)
    series = [rng.normal(size=(T, 2)) * 10 + 5 for T in [7, *[5] * 300, 9, 5]]
    if gaps:
        for s in series[::3]:
            s[1:3, 1] = np.nan
    together = Panel(series)
    for n in (0, 1, 200, 300, 301, 302):
        mean, spread = mean_and_spread(series[n])
        np.testing.assert_allclose(together.location[n], mean)
        np.testing.assert_allclose(together.scale[n], spread)
        alone = Panel([series[n]])
        a, b = together.starts[n], together.ends[n]
        np.testing.assert_allclose(together.values[:, a:b], alone.values, rtol=1e-6)
        if gaps:
            seen = np.ones_like(series[n].T, dtype=bool) if alone.observed is None else alone.observed.numpy()
            assert (together.observed[:, a:b].numpy() == seen).all()
