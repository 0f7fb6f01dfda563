"""Forecasts by hand."""

import numpy as np

from timeseries.experts import NAMES, opinions

Y = np.array([2.0, 4.0, 3.0, 7.0, 5.0, 6.0])


def said_by(name, y=Y, periods=(2, 3), horizon=5):
    said = opinions(np.array([y]), np.array([periods]), horizon)
    at = NAMES.index(name)
    return said.point[0, at], said.spread[0, at], said.error[0, at]


def test_last():
    point, spread, error = said_by("last")
    sigma = np.sqrt((4 + 1 + 16 + 4 + 1) / 5)
    np.testing.assert_allclose(point, 6.0)
    np.testing.assert_allclose(error, sigma)
    np.testing.assert_allclose(spread, sigma * np.sqrt([1, 2, 3, 4, 5]))


def test_mean():
    point, spread, error = said_by("mean")
    np.testing.assert_allclose(point, 4.5)
    np.testing.assert_allclose(error, Y.std(ddof=1))
    np.testing.assert_allclose(spread, Y.std(ddof=1) * np.sqrt(1 + 1 / 6))


def test_drift():
    point, spread, error = said_by("drift")
    h = np.arange(1, 6)
    np.testing.assert_allclose(point, 6.0 + 0.8 * h)
    np.testing.assert_allclose(error, np.diff(Y).std(ddof=1))
    np.testing.assert_allclose(spread, error * np.sqrt(h * (1 + h / 5)))


def test_seasonal_naive():
    point, spread, error = said_by("seasonal_naive")
    np.testing.assert_allclose(point, [5, 6, 5, 6, 5])
    np.testing.assert_allclose(error, np.sqrt((1 + 9 + 4 + 1) / 4))
    np.testing.assert_allclose(spread, error * np.sqrt([1, 1, 2, 2, 3]))


def test_the_longer_period():
    np.testing.assert_allclose(said_by("seasonal_naive_2")[0], [7, 5, 6, 7, 5])
    np.testing.assert_allclose(said_by("seasonal_naive_2", periods=(2, 6))[0], [5, 6, 5, 6, 5])
    np.testing.assert_allclose(said_by("seasonal_naive_2", periods=(2, 1))[0], [5, 6, 5, 6, 5])


def test_seasonal_drift():
    point, _, error = said_by("seasonal_drift")
    changes = np.array([1.0, 3.0, 2.0, -1.0])
    np.testing.assert_allclose(point, np.array([5, 6, 5, 6, 5]) + 1.25 * np.array([1, 1, 2, 2, 3]))
    np.testing.assert_allclose(error, changes.std(ddof=1))


def test_without_a_period():
    for name, plain in (("seasonal_naive", "last"), ("seasonal_naive_2", "last"), ("seasonal_drift", "drift")):
        np.testing.assert_allclose(said_by(name, periods=(1, 1))[0], said_by(plain)[0])
        np.testing.assert_allclose(said_by(name, periods=(6, 1))[0], said_by(plain)[0])
