"""Smoothing against plain transcriptions, and against statsmodels where it is installed."""

import numpy as np
import pytest

from timeseries.experts import NAMES, opinions
from timeseries.experts.recursion import Rates, States, additive, multiplicative, next_season
from timeseries.experts.starts import best_starts


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


def states(level, slope, season):
    return States(np.full((1, 1, 1), level), np.full((1, 1, 1), slope), np.array(season)[:, None, None, None].copy())


def run(steps, errors):
    for _ in steps:
        pass
    return errors[:, 0, 0, 0]


def test_additive_recursion(series):
    y = series("season", 1, 40)[0]
    y = y - y[0]
    begun, season = states(2.0, 0.5, np.arange(12.0)), np.arange(12.0)
    found = run(additive(y[:, None], np.array([40]), rates(), begun, kept := np.empty((40, 1, 1, 1))), kept)
    errors, level, slope, season = transcription(y, rates(), 2.0, 0.5, season)
    np.testing.assert_allclose(found, errors, atol=1e-8)
    np.testing.assert_allclose([begun.level[0, 0, 0], begun.slope[0, 0, 0]], [level, slope], atol=1e-8)
    np.testing.assert_allclose(next_season(begun.season, np.array([40]))[:, 0, 0, 0], season, atol=1e-8)


def test_multiplicative_recursion(series):
    y = series("growing", 1, 40)[0]
    season = 1 + 0.2 * np.sin(2 * np.pi * np.arange(12) / 12)
    begun, kept, least = states(100.0, 0.5, season), np.empty((40, 1, 1, 1)), np.full(1, 1.0)
    found = run(multiplicative(y[:, None], np.array([40]), rates(), begun, least, kept), kept)
    errors, level, slope, season = transcription(y, rates(), 100.0, 0.5, season, product=True)
    np.testing.assert_allclose(found, errors)
    np.testing.assert_allclose([begun.level[0, 0, 0], begun.slope[0, 0, 0]], [level, slope])
    np.testing.assert_allclose(next_season(begun.season, np.array([40]))[:, 0, 0, 0], season)


@pytest.mark.parametrize("product", [False, True], ids=["terms", "factors"])
def test_a_series_that_ends_before_others_keeps_its_states(series, product):
    y = series("growing", 3, 40).T
    length = np.array([17, 30, 40])
    three = Rates(*(np.repeat(rate, 3, 1) for rate in rates()))

    def after(series_, length_, rates_):
        n = len(length_)
        begun = States(*np.array([100.0, 0.5])[:, None, None, None].repeat(n, 3), np.ones((12, 1, 1, n)))
        errors = np.zeros((len(series_), 1, 1, n))
        least = (np.ones(n),) if product else ()
        for _ in (multiplicative if product else additive)(series_, length_, rates_, begun, *least, errors):
            pass
        return [begun.level, begun.slope, next_season(begun.season, length_)], errors

    together, errors = after(y, length, three)
    for row, T in enumerate(length):
        alone, own = after(y[:T, row : row + 1], length[row : row + 1], rates())
        for a, b in zip(together, alone, strict=True):
            np.testing.assert_array_equal(a[..., row : row + 1], b)
        np.testing.assert_array_equal(errors[:T, ..., row : row + 1], own)
        assert not errors[T : length.max(), ..., row].any()


@pytest.mark.parametrize(("trend", "m"), [(False, 1), (True, 1), (False, 4), (True, 4)])
def test_the_loss_is_that_of_the_run_from_the_best_start_and_no_other_start_is_better(series, trend, m):
    y = series("trend", 3, 40).T - 20
    length = np.array([9, 25, 40])
    rows = np.array([0.1, 0.3, 0.7])[:, None], np.array([0.02, 0.1, 0.2])[:, None]
    shared = Rates(rows[0], rows[1] if trend else 0 * rows[1], np.full((3, 1), 0.9 if trend else 1.0), 0.2 * rows[0])
    own = Rates(*(np.repeat(rate, 3, 1) for rate in shared))
    loss, initial = best_starts(y, length, shared, trend, m)
    for a, b in zip(best_starts(y, length, own, trend, m), (loss, initial), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)

    def loss_from(start):
        begun = States(start[None, 0].copy(), start[None, 1].copy(), np.zeros((m, 1, 3, 3)))
        if m == 1:
            begun = begun._replace(season=None)
        errors = np.zeros((40, 1, 3, 3))
        for _ in additive(y, length, own, begun, errors):
            pass
        return (errors**2).sum((0, 1))

    np.testing.assert_allclose(loss_from(initial), loss, rtol=1e-6)
    moves = [[0.1, 0], [-0.1, 0]] + ([[0, 0.1], [0, -0.1]] if trend else [])
    for move in moves:
        assert (loss_from(initial + np.array(move)[:, None, None]) > loss).all()


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


def test_a_level_near_nothing_does_not_depend_on_padding():
    draw, t = np.random.default_rng(1), np.arange(48)
    y = (
        np.maximum(2.0 * t**1.5 - 20, 0.2)
        * (1 + 0.3 * np.sin(2 * np.pi * t / 12))
        * np.exp(0.05 * draw.normal(size=48))
    )
    both = np.stack([np.concatenate([np.full(48, np.nan), y]), 100 + draw.normal(size=96)])
    name = "holt_winters_multiplicative"
    np.testing.assert_allclose(point_of(name, both, (12, 1))[0], point_of(name, y, (12, 1))[0], rtol=1e-9)
