"""The end of every series held out."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sktime")
from tests.timeseries.evaluation.panels import waves
from timeseries.datasets import SeriesPanel
from timeseries.evaluation import hold_out


@pytest.mark.parametrize("origin", [0, 1, 2])
def test_origins(origin):
    panel = waves()
    held_out = hold_out(panel, origin)
    assert held_out.names == ["a", "b", "c"] and held_out.steps.tolist() == [1, 2, 3, 4, 5]
    for name, past, future in zip(held_out.names, held_out.past, held_out.future, strict=True):
        values = panel.table.loc[name, "value"].to_numpy()
        end = len(values) - 5 * (origin + 1)
        assert np.array_equal(past, values[:end]) and np.array_equal(future, values[end : end + 5])


def test_the_table_holds_the_past_alone_and_ends_at_one_time():
    panel = waves()
    held_out = hold_out(panel, origin=1)
    table = held_out.table()
    ends = [table.loc[name].index[-1] for name in held_out.names]
    latest = max(panel.table.loc[name].index[-1] for name in held_out.names)
    assert set(ends) == {latest - 10} and isinstance(table.index.levels[1], pd.PeriodIndex)
    for name, past in zip(held_out.names, held_out.past, strict=True):
        assert np.array_equal(table.loc[name, "value"], past)
    after = panel.table.copy()
    for name in held_out.names:
        rows = np.flatnonzero(after.index.get_level_values(0) == name)[-5:]
        after.iloc[rows] = 1e9
    other = hold_out(SeriesPanel(after, panel.horizon, panel.frequency, panel.season), origin=1)
    assert other.table().equals(table) and np.array_equal(other.future, held_out.future)


def test_steps_ahead():
    panel = waves()
    whole, some = hold_out(panel, fh=5), hold_out(panel, fh=[2, 5])
    assert np.array_equal(some.future, whole.future[:, [1, 4]])
    assert all(np.array_equal(a, b) for a, b in zip(some.past, whole.past, strict=True))


def test_series_too_short_are_left_out_and_named():
    held_out = hold_out(waves((40, 10, 11, 4)), origin=1)
    assert held_out.names == ["b", "c"] and held_out.too_short == ["a", "d"]
    assert [len(values) for values in held_out.past] == [1, 30]


def test_a_series_without_any_value_in_its_past_is_left_out():
    panel = waves()
    panel.table.loc["b", "value"] = np.nan
    assert hold_out(panel).too_short == ["b"]


def test_rows_that_are_missing_are_missing_values():
    panel = waves()
    rows = np.ones(len(panel.table), dtype=bool)
    rows[[3, 38]] = False  # of series "c": one of its past, one of its future
    held_out = hold_out(SeriesPanel(panel.table[rows], 5, "quarterly", 4))
    n = held_out.names.index("c")
    assert np.flatnonzero(np.isnan(held_out.past[n])).tolist() == [3]
    assert np.flatnonzero(np.isnan(held_out.future[n])).tolist() == [3]


@pytest.mark.parametrize(
    ("options", "kind", "told"),
    [
        (dict(origin=-1), ValueError, "origin must be at least 0"),
        (dict(origin=0.5), TypeError, "origin must be an integer"),
        (dict(origin=10), ValueError, "no series is longer than 55 steps, 11 times the horizon of 5: give a smaller"),
        (dict(fh=0), ValueError, "fh 0: give a number of steps, or rising whole numbers from 1"),
        (dict(fh=[]), ValueError, "rising whole numbers"),
        (dict(fh=[2, 1]), ValueError, "rising whole numbers"),
        (dict(fh=[0.5]), ValueError, "rising whole numbers"),
    ],
)
def test_bad_origins_and_steps(options, kind, told):
    with pytest.raises(kind, match=told):
        hold_out(waves(), **options)


def test_no_horizon():
    panel = SeriesPanel(waves().table, name="sales")
    with pytest.raises(ValueError, match="the panel 'sales' does not say its horizon: give fh"):
        hold_out(panel)
