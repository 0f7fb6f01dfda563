"""Periods that are there, and none where there are none."""

import numpy as np
import pytest

from timeseries.experts import find_periods

T = 240
t = np.arange(T)


def noise(n, size):
    return size * np.random.default_rng(1).normal(size=(n, T))


@pytest.mark.parametrize("kind", ["noise", "walk", "trend", "autoregression"])
def test_none(series, kind):
    found = find_periods(series(kind, 300, T))
    assert (found > 1).any(1).mean() < 0.08


@pytest.mark.parametrize("m", [4, 7, 12, 24])
@pytest.mark.parametrize("slope", [0.0, 0.1])
def test_a_wave(m, slope):
    found = find_periods(slope * t + np.sin(2 * np.pi * t / m) + noise(50, 0.5))
    assert (found == m).any(1).mean() > 0.85
    assert (find_periods(slope * t + np.sin(2 * np.pi * t / m) + noise(50, 0.5), [m - 1, m, 2 * m]) == m).any(
        1
    ).mean() > 0.9


def test_one_day_of_seven():
    found = find_periods(3.0 * (t % 7 == 2) + noise(50, 0.5))
    assert (found == 7).any(1).mean() > 0.9


def test_two():
    found = find_periods(np.sin(2 * np.pi * t / 7) + np.sin(2 * np.pi * t / 30) + noise(50, 0.3))
    assert (found[:, 0] == 7).mean() > 0.9
    assert (np.abs(found[:, 1] - 30) <= 1).mean() > 0.85


def test_short_constant_and_empty():
    y = np.full((3, 40), np.nan)
    y[0, -3:] = [1.0, 2.0, 1.0]
    y[1] = 5.0
    np.testing.assert_array_equal(find_periods(y), 1)
    assert find_periods(np.ones((2, 3)), most=3).shape == (2, 3)


def test_a_batch_gives_each_what_it_gets_alone(series):
    y = np.concatenate([series(kind, 4, 90) for kind in ("noise", "walk", "season", "growing", "intermittent")])
    for row in range(len(y)):
        y[row, : 3 * (row % 5)] = np.nan
    for candidates in (None, [4, 12]):
        together = find_periods(y, candidates)
        assert (together > 1).any()
        alone = [find_periods(row[None, ~np.isnan(row)], candidates)[0] for row in y]
        np.testing.assert_array_equal(together, alone)
