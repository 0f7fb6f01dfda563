"""The theta model against a plain transcription, and against statsforecast where it is installed."""

import numpy as np
import pytest

from timeseries.experts import NAMES, opinions
from timeseries.experts.theta import _errors, _lines, _losses


def said_by_theta(y, m=1, horizon=8):
    said = opinions(np.atleast_2d(y), np.full((len(np.atleast_2d(y)), 1), m), horizon)
    return said.point[:, NAMES.index("theta")]


def test_lines_are_least_squares(series):
    y = series("trend", 2, 20).T
    mean, intercept, slope = _lines(y, np.tile(np.arange(1, 21)[:, None], 2))
    for t in (1, 5, 19):
        for row in range(2):
            expected = np.polyfit(np.arange(1, t + 2), y[: t + 1, row], 1)
            np.testing.assert_allclose([slope[t, row], intercept[t, row]], expected)
            np.testing.assert_allclose(mean[t, row], y[: t + 1, row].mean())


def test_the_initial_level_and_the_share_of_the_line_are_the_best(series):
    y = series("trend", 1, 30).T
    age = np.arange(1, 31)[:, None]
    _, intercept, slope = _lines(y, age)
    alpha = np.full((1, 1), 0.3)
    loss, level, share = _losses(y, age, intercept, slope, alpha)
    for move in ((0, 0), (0.1, 0), (-0.1, 0), (0, 0.01), (0, -0.01)):
        errors, *_ = _errors(y, age, intercept, slope, alpha[0], level[0] + move[0], share[0] + move[1])
        squares = (errors[2:] ** 2).sum()
        if move == (0, 0):
            np.testing.assert_allclose(squares, loss[0, 0], rtol=1e-6)
        else:
            assert squares > loss[0, 0]


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
