"""Smoothing against plain transcriptions, and against statsmodels where it is installed."""

import numpy as np
import pytest

from timeseries.experts import NAMES, opinions
from timeseries.experts.recursion import Rates, additive, multiplicative


def rates(alpha=0.3, beta=0.1, phi=0.9, gamma=0.2):
    return Rates(*(np.full((1, 1), x) for x in (alpha, beta, phi, gamma)))


def transcription(y, r, level, slope, season, product=False):
    """Errors of the textbook recursion, one series, one step after the other."""
    alpha, beta, phi, gamma = (float(x[0, 0]) for x in r)
    season, errors = list(season), []
    for value in y:
        base, s = level + phi * slope, season.pop(0)
        e = value - (base * s if product else base + s)
        level, slope = base + alpha * e / (s if product else 1), phi * slope + beta * e / (s if product else 1)
        season.append(s + gamma * e / (base if product else 1))
        errors.append(e)
    return np.array(errors), level, slope, np.array(season)


def test_additive_recursion(series):
    y = series("season", 1, 40)[0]
    r = rates()
    y = y - y[0]
    found = additive(y[:, None], np.zeros(1, int), r, trend=True, m=12, keep=True)
    errors, level, slope, season = transcription(y, r, *found.initial[:, 0, 0], np.zeros(12))
    np.testing.assert_allclose(found.errors[:, 0, 0], errors, atol=1e-8)
    np.testing.assert_allclose(found.loss[0, 0], (errors**2).sum())
    np.testing.assert_allclose([found.level[0, 0], found.slope[0, 0]], [level, slope], atol=1e-8)
    np.testing.assert_allclose(found.season[:, 0, 0], season, atol=1e-8)


def test_no_other_initial_state_is_better(series):
    y = series("trend", 1, 40)[0]
    r = rates()
    found = additive(y[:, None], np.zeros(1, int), r, trend=True)
    least = found.loss[0, 0]
    for move in ([0.1, 0], [-0.1, 0], [0, 0.1], [0, -0.1]):
        errors, *_ = transcription(y, r._replace(gamma=np.zeros((1, 1))), *(found.initial[:, 0, 0] + move), np.zeros(1))
        assert (errors**2).sum() > least


def test_multiplicative_recursion(series):
    y = series("growing", 1, 40)[0]
    r, season = rates(), 1 + 0.2 * np.sin(2 * np.pi * np.arange(12) / 12)
    initial = np.array([100.0, 0.5])[:, None, None]
    found = multiplicative(y[:, None], np.zeros(1, int), r, initial, season[:, None], np.full(1, 1.0), keep=True)
    errors, level, slope, season = transcription(y, r, 100.0, 0.5, season, product=True)
    np.testing.assert_allclose(found.errors[:, 0, 0], errors)
    np.testing.assert_allclose(found.loss[0, 0], (errors**2).sum())
    np.testing.assert_allclose([found.level[0, 0], found.slope[0, 0]], [level, slope])
    np.testing.assert_allclose(found.season[:, 0, 0], season)


def point_of(name, y, periods=(1, 1), horizon=8):
    return opinions(np.atleast_2d(y), np.tile(periods, (len(np.atleast_2d(y)), 1)), horizon).point[:, NAMES.index(name)]


def test_a_line_goes_on():
    y = 3.0 + 0.5 * np.arange(30)
    np.testing.assert_allclose(point_of("holt", y)[0], 3.0 + 0.5 * np.arange(30, 38), rtol=1e-4)


@pytest.mark.parametrize("name", ["holt_winters_additive", "holt_winters_multiplicative", "ets"])
def test_a_season_goes_on(name):
    t = np.arange(68)
    y = 50 * (1 + 0.3 * np.sin(2 * np.pi * t / 12))
    np.testing.assert_allclose(point_of(name, y[:60], (12, 1))[0], y[60:], rtol=2e-3)


def test_a_factor_grows_with_the_level():
    t = np.arange(132)
    y = (50 + t) * (1 + 0.3 * np.sin(2 * np.pi * t / 12))
    error = {
        name: np.abs(point_of(name, y[:120], (12, 1), 12)[0] - y[120:]).mean()
        for name in ("holt_winters_additive", "holt_winters_multiplicative")
    }
    assert error["holt_winters_multiplicative"] < 0.5 * error["holt_winters_additive"]


def test_noise_around_a_level_is_smoothed_away(series):
    y = series("noise", 40, 100)
    assert np.abs(point_of("simple", y) - 50).mean() < 0.25
    np.testing.assert_allclose(point_of("ets", y), 50, atol=2.0)


@pytest.mark.parametrize(
    ("name", "trend", "damped"), [("simple", None, False), ("holt", "add", False), ("damped", "add", True)]
)
def test_statsmodels_finds_nothing_better(series, name, trend, damped):
    smoothing = pytest.importorskip("statsmodels.tsa.holtwinters").ExponentialSmoothing
    for kind in ("walk", "trend"):
        for y in series(kind, 3, 60):
            bounds = {"damping_trend": (0.8, 0.98)} if damped else None
            other = smoothing(y, trend=trend, damped_trend=damped, bounds=bounds).fit()
            at = NAMES.index(name)
            said = opinions(y[None], np.ones((1, 1), int), 8)
            free = {"simple": 2, "holt": 4, "damped": 5}[name]
            ours = said.error[0, at] ** 2 * (60 - free)
            assert ours < 1.02 * other.sse
            if ours > 0.98 * other.sse:
                np.testing.assert_allclose(said.point[0, at], other.forecast(8), atol=1.5 * said.error[0, at])
