"""The theta model against a plain transcription, and against statsforecast where it is installed."""

import numpy as np
import pytest

from timeseries.experts import NAMES, opinions
from timeseries.experts.theta import _errors, _lines, _losses, _losses_of_shared


def said_by_theta(y, m=1, horizon=8):
    said = opinions(np.atleast_2d(y), np.full((len(np.atleast_2d(y)), 1), m), horizon)
    return said.point[:, NAMES.index("theta")]


def test_lines_are_least_squares(series):
    y = series("trend", 2, 20).T
    mean, intercept, slope = _lines(y)
    for t in (1, 5, 19):
        for row in range(2):
            expected = np.polyfit(np.arange(1, t + 2), y[: t + 1, row], 1)
            np.testing.assert_allclose([slope[t, row], intercept[t, row]], expected)
            np.testing.assert_allclose(mean[t, row], y[: t + 1, row].mean())


def test_the_initial_level_and_the_share_of_the_line_are_the_best(series):
    y = series("trend", 1, 30).T
    length = np.array([30])
    _, intercept, slope = _lines(y)
    alpha = np.full((1, 1), 0.3)
    loss, level, share = _losses(y, length, intercept, slope, alpha)
    for move in ((0, 0), (0.1, 0), (-0.1, 0), (0, 0.01), (0, -0.01)):
        errors, *_ = _errors(y, length, intercept, slope, alpha[0], level[0] + move[0], share[0] + move[1])
        squares = (errors[2:] ** 2).sum()
        if move == (0, 0):
            np.testing.assert_allclose(squares, loss[0, 0], rtol=1e-6)
        else:
            assert squares > loss[0, 0]


@pytest.mark.parametrize("length", [[30, 30, 30], [5, 17, 30], [1, 2, 3]], ids=str)
def test_losses_of_rates_that_all_share(series, length):
    y, length = series("trend", 3, 30).T, np.array(length)
    _, intercept, slope = _lines(y)
    alpha = np.array([0.02, 0.3, 0.99])
    shared = _losses_of_shared(y, length, intercept, slope, alpha)
    own = _losses(y, length, intercept, slope, np.repeat(alpha[:, None], 3, 1))
    for a, b in zip(shared, own, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-6)


def test_half_the_slope_of_the_line():
    y = 3.0 + np.arange(40.0)
    point = said_by_theta(y)[0]
    assert (np.diff(point) > 0).all()
    assert point[0] > 41.0


@pytest.mark.parametrize("kind", ["walk", "trend", "season"])
def test_statsforecast(series, kind):
    models = pytest.importorskip("statsforecast.models")
    y = series(kind, 5, 72)
    m = 12 if kind == "season" else 1
    other = np.stack([models.DynamicOptimizedTheta(season_length=m).forecast(y=row, h=8)["mean"] for row in y])
    assert np.abs(said_by_theta(y, m) - other).mean() < 0.25 * np.abs(np.diff(y)).mean()
