"""Where the best forecast is known."""

import numpy as np
import pytest

from timeseries.experts import NAMES, opinions
from timeseries.experts.ridge import ridge


def said_by(name, y, periods=(1, 1), horizon=6):
    said = opinions(y, np.tile(periods, (len(y), 1)), horizon)
    return said.point[:, NAMES.index(name)], said.spread[:, NAMES.index(name)]


def test_near_the_best_forecast_of_an_autoregression(series):
    y = series("autoregression", 200, 206)
    best = y[:, 199:200] * 0.8 ** np.arange(1, 7)
    point, spread = said_by("autoregression", y[:, :200])
    least = np.sqrt(((y[:, 200:] - best) ** 2).mean())
    assert np.sqrt(((y[:, 200:] - point) ** 2).mean()) < 1.06 * least
    expected = np.sqrt(np.cumsum(0.64 ** np.arange(6)))
    np.testing.assert_allclose(np.median(spread, 0), expected, rtol=0.15)


def test_a_cycle_without_a_period_goes_on():
    t = np.arange(150)
    y = 5 + np.sin(2 * np.pi * t / 10.7)[None] + 0.05 * np.random.default_rng(0).normal(size=(10, 150))
    point, _ = said_by("autoregression", y[:, :130], horizon=20)
    assert np.abs(point - y[:, 130:]).mean() < 0.15


def test_twenty_observations_of_noise_stay_calm(series):
    y = series("noise", 50, 20)
    point, _ = said_by("autoregression", y, horizon=48)
    assert np.abs(point - 50).max() < 4


def test_rows_left_out_are_really_left_out():
    draw = np.random.default_rng(0)
    x, z = draw.normal(size=(1, 12, 3)), draw.normal(size=(1, 12))
    found = ridge(x, z, np.ones((1, 12), bool), constant=False)
    penalties = np.logspace(-4, 2, 13) * np.linalg.eigvalsh(x[0].T @ x[0]).mean()
    errors = np.empty((12, 13))
    for row in range(12):
        kept = np.arange(12) != row
        for p, penalty in enumerate(penalties):
            gram = x[0, kept].T @ x[0, kept] + penalty * np.eye(3)
            errors[row, p] = z[0, row] - x[0, row] @ np.linalg.solve(gram, x[0, kept].T @ z[0, kept])
    chance = -6 * np.log((errors**2).mean(0))
    share = np.exp(chance - chance.max())
    np.testing.assert_allclose(found.loss[0], ((errors @ share / share.sum()) ** 2).mean())


@pytest.mark.parametrize("product", [True, False])
def test_level_times_shape(product):
    t = np.arange(96)
    level = 10.0 + np.arange(8) % 2
    shape = 1 + 0.5 * np.sin(2 * np.pi * np.arange(12) / 12)
    y = np.outer(level, shape).ravel() if product else (level[:, None] - 20 + shape).ravel()
    point, _ = said_by("factorisation", y[None, : 12 * 8], (12, 1), 12)
    ahead = point[0].mean()
    expected = ahead * shape if product else ahead + shape - 1
    np.testing.assert_allclose(point[0], expected, rtol=1e-6)
    assert len(t) == len(y)


def test_intermittent_demand(series):
    y = series("intermittent", 200, 300)
    point, _ = said_by("intermittent", y.astype(float))
    np.testing.assert_allclose(point.mean(), 1.0, atol=0.1)  # a fifth of the steps, five each
    assert (point >= 0).all()


def test_demand_that_ends_is_forgotten(series):
    y = series("intermittent", 20, 200).astype(float)
    y[:, 100:] = 0
    assert (said_by("intermittent", y)[0] < 0.2 * y[:, :100].mean(1, keepdims=True)).all()
