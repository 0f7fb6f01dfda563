"""What is filled, what is replaced, and what stays."""

import numpy as np
import pytest

from timeseries.experts import cleaned

ORDINARY = ("noise", "walk", "trend", "season", "growing", "autoregression", "intermittent", "heavy", "spikes", "shift")


def clean(y, m=12):
    return cleaned(y, np.full((len(y), 1), m))


@pytest.mark.parametrize("m", [1, 12])
@pytest.mark.parametrize("kind", ORDINARY)
def test_ordinary_series_stay_as_they_are(series, kind, m):
    y = series(kind, 200).astype(float)
    changed = (clean(y, m) != y).any(1)
    assert changed.sum() <= (1 if kind == "heavy" else 0), np.flatnonzero(changed)


@pytest.mark.parametrize("at", [5, 50, 95])
@pytest.mark.parametrize("kind", ["noise", "walk", "season", "growing"])
def test_a_value_times_a_hundred(series, kind, at):
    y = series(kind, 20)
    spoiled = y.copy()
    spoiled[:, at] *= 100
    found = clean(spoiled)
    others = np.arange(96) != at
    np.testing.assert_array_equal(found[:, others], y[:, others])
    assert (np.abs(found[:, at] - y[:, at]) < 0.2 * np.abs(y[:, at])).all()


def test_two_neighbours_are_no_outlier(series):
    y = series("noise", 5)
    y[:, 40:42] *= 100
    np.testing.assert_array_equal(clean(y), y)


def test_holes_are_filled_along_the_line():
    y = np.array([[np.nan, 1.0, np.nan, np.nan, 4.0, np.nan]])
    np.testing.assert_allclose(clean(y, 1), [[np.nan, 1, 2, 3, 4, 4]])


def test_holes_are_filled_with_the_season():
    t = np.arange(72)
    y = (100 + t + 20 * np.sin(2 * np.pi * t / 12))[None]
    holed = y.copy()
    holed[0, 30:35] = np.nan
    np.testing.assert_allclose(clean(holed), y, atol=3.0)
    assert np.abs(clean(holed, 1) - y).max() > 6


def test_the_caller_s_values_are_not_touched(series):
    y = series("noise", 2)
    y[0, 3] = np.nan
    before = y.copy()
    clean(y)
    np.testing.assert_array_equal(y, before)
