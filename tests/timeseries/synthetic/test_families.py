"""Single families and transforms: what their parameters promise is what their series show."""

import numpy as np
import pytest

from timeseries.synthetic import FAMILIES, arima, calendar, ets, gaussian, growth, intermittent, seasons, volatility
from timeseries.synthetic.placement import place, units
from timeseries.synthetic.randomness import autoregress, draw_tails, noise
from timeseries.synthetic.transforms import SHARES, composed, limits, outliers, power, rounded


def rng(seed=0):
    return np.random.default_rng(seed)


def periods(n, main, second=1):
    return np.tile([main, second], (n, 1))


@pytest.mark.parametrize("name", FAMILIES)
def test_parameters_are_drawn_apart_from_the_noise(name):
    """One process gives several series: what a pair of related series will be made of."""
    family = FAMILIES[name]
    drawn = family.parameters(rng(), periods(20, 12), 60)
    first, again, other = (family.series(rng(seed), drawn, 60) for seed in (1, 1, 2))
    assert first.shape == (20, 60) and (first == again).all()
    assert (first != other).any(axis=1).mean() > 0.9


# ---- ARIMA


def test_autoregressions_are_stationary_and_moving_averages_invertible():
    p = arima.parameters(rng(), periods(4000, 12), 100)
    for coefficients in (p.ar, -p.ma):
        companion = np.zeros((len(coefficients), 3, 3))
        companion[:, 0] = coefficients
        companion[:, 1, 0] = companion[:, 2, 1] = 1
        assert np.abs(np.linalg.eigvals(companion)).max() < 1
    assert (p.seasonal_ar <= 1).all() and (p.seasonal_ar >= 0).all()


def test_stationary_draws_keep_their_variance():
    p = arima.parameters(rng(), periods(1500, 1), 2000)
    values = arima.series(rng(1), p, 2000)[(p.differences == 0) & np.isinf(p.tails)]
    early, late = values[:, :1000].std(axis=1), values[:, 1000:].std(axis=1)
    assert len(values) > 300 and np.abs(np.log(late / early)).max() < 1.5
    assert abs(np.log(late / early).mean()) < 0.02


def test_partial_autocorrelations_become_coefficients():
    """Of AR(2), Durbin and Levinson: phi_1 = r_1 (1 - r_2), phi_2 = r_2."""
    np.testing.assert_allclose(arima.from_partial(np.array([[0.6, -0.5, 0.0]])), [[0.9, -0.5, 0]])


def test_there_are_white_noise_walks_and_autoregressions_of_all_strengths():
    p = arima.parameters(rng(), periods(3000, 1), 100)
    plain = (p.ar == 0).all(axis=1) & (p.ma == 0).all(axis=1)
    first_order = (p.ar[:, 0] != 0) & (p.ar[:, 1:] == 0).all(axis=1) & (p.ma == 0).all(axis=1) & (p.differences == 0)
    assert (plain & (p.differences == 0)).mean() > 0.08 and (plain & (p.differences == 1)).mean() > 0.12
    assert np.histogram(p.ar[first_order, 0], bins=np.linspace(0, 1, 6))[0].min() > 20
    assert 0.005 < (p.differences == 2).mean() < 0.1


# ---- seasons


@pytest.mark.parametrize("period", [2, 4, 7, 12, 24, 96])
def test_profiles_have_mean_0_and_deviation_1(period):
    drawn = seasons.profiles(rng(), np.array([period] * 200 + [1, 3, 100]))[:200]
    assert np.allclose(drawn[:, period:], 0) and drawn.shape == (200, 100)
    np.testing.assert_allclose(drawn[:, :period].mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(drawn[:, :period].std(axis=1), 1, atol=1e-9)


def test_seasons_repeat_or_change():
    drawn = seasons.draw_seasons(rng(), np.full(300, 12), np.full(300, 2.0))
    values = seasons.seasonal(rng(1), drawn, 240)
    assert np.allclose(values[drawn.change == 0, :12], values[drawn.change == 0, -12:])
    changed = np.abs(values[:, :12] - values[:, -12:]).max(axis=1)
    assert (changed[drawn.change > 0.05] > 0.1).all()


def test_a_week_has_one_level_a_day():
    drawn = seasons.draw_week(rng(), periods(50, 24, 168), np.ones(50))
    values = seasons.seasonal(rng(1), drawn._replace(change=np.zeros(50)), 336)
    days = values.reshape(50, 14, 24)
    assert np.ptp(days, axis=2).max() < 1e-12 and np.allclose(days[:, :7], days[:, 7:])
    assert (np.ptp(days[:, :7, 0], axis=1) > 0.1).all()
    assert not seasons.seasonal(rng(), seasons.draw_week(rng(), periods(5, 12), np.ones(5)), 50).any()


# ---- other families


def test_smoothing_weights_lie_in_the_usual_region():
    p = ets.parameters(rng(), periods(3000, 12), 120)
    assert (p.alpha > 0).all() and (p.alpha < 1).all() and (p.beta <= p.alpha).all() and (p.beta >= 0).all()
    assert (p.gamma >= 0).all() and (p.gamma <= 1 - p.alpha).all() and (p.damping <= 1).all()


def test_relative_errors_keep_smoothing_positive():
    p = ets.parameters(rng(), periods(800, 12), 400)
    values = ets.series(rng(1), p, 400)
    assert (values[p.relative_error] > 0).all() and (values < 0).any()


def test_growth_is_positive_and_mostly_upwards():
    values = growth.series(rng(1), growth.parameters(rng(), periods(2000, 1), 40), 40)
    assert (values > 0).all() and 0.6 < (values[:, -1] > values[:, 0]).mean() < 0.95


def test_intermittent_demand_is_often_nothing():
    values = intermittent.series(rng(1), intermittent.parameters(rng(), periods(1000, 12), 200), 200)
    zero = (values == 0).mean(axis=1)
    assert 0.5 < zero.mean() < 0.9 and zero.min() < 0.2 and zero.max() > 0.97


def test_closed_days_are_zero_and_hours_repeat_by_the_day():
    p = calendar.parameters(rng(), periods(400, 7), 70)
    zeros = (calendar.series(rng(1), p, 70) == 0).reshape(400, 10, 7).all(axis=1)
    assert (zeros.sum(axis=1) == p.closed).all() and 0.05 < p.closed.mean() < 0.3
    values = calendar.series(rng(1), calendar.parameters(rng(), periods(300, 24, 168), 480), 480)
    days = np.log(values).reshape(300, 20, 24)
    days = days - days.mean(axis=2, keepdims=True)
    alike = (days[:, 1:] * days[:, :-1]).sum(axis=(1, 2)) / (days**2).sum(axis=(1, 2))
    assert np.median(alike) > 0.6


def test_variance_comes_in_clusters():
    p = volatility.parameters(rng(), periods(400, 1), 1000)
    values = volatility.series(rng(1), p, 1000)[(p.memory == 1) & (p.shock > 0.15)]
    squares = np.diff(values, axis=1) ** 2
    centred = squares - squares.mean(axis=1, keepdims=True)
    assert ((centred[:, 1:] * centred[:, :-1]).sum(axis=1) / (centred**2).sum(axis=1)).mean() > 0.08


def test_gaussian_processes_always_have_noise():
    p = gaussian.parameters(rng(), periods(200, 12), 100)
    assert (p.noise >= 0.03).all()
    smooth = p._replace(noise=np.zeros(200), frequency=p.frequency * 0 + 1 / 12)
    values = gaussian.series(rng(1), smooth._replace(slope=np.zeros(200), growth=np.zeros(200)), 48)
    np.testing.assert_allclose(values[:, :36], values[:, 12:], atol=1e-9)  # of one frequency: a wave of 12 steps


def test_noise_and_autoregression_have_the_deviation_that_they_say():
    assert noise(rng(), np.full(50, np.inf), 4000).std() == pytest.approx(1, abs=0.01)
    tails = draw_tails(rng(), 4000, heavy=0.5)
    assert 0.45 < np.isfinite(tails).mean() < 0.55 and tails.min() >= 3
    for coefficient in (-0.5, 0.0, 0.9):
        values = autoregress(rng(1).standard_normal((3000, 60)), np.full(3000, coefficient))
        np.testing.assert_allclose(values[:, [0, 1, 30, -1]].std(axis=0), 1, atol=0.06)
        assert np.corrcoef(values[:, 30], values[:, 31])[0, 1] == pytest.approx(coefficient, abs=0.05)


# ---- placement and transforms


def test_series_lie_around_zero_or_above():
    walks = np.cumsum(rng().standard_normal((3000, 60)), axis=1)
    placed = place(rng(1), walks)
    positive = placed.min(axis=1) > 0
    assert 0.8 < positive.mean() < 0.9
    steep = place(rng(1), walks**5)
    assert np.isfinite(steep).all() and steep.max() < 1e4
    drawn = units(rng(), 5000)
    assert drawn.min() >= 1e-3 and drawn.max() <= 1e6 and (drawn > 1).mean() > 0.8


def test_placement_tells_nothing_of_what_comes():
    """The mean of a walk's first half does not predict its second half beyond its last value."""
    walks = np.cumsum(rng().standard_normal((4000, 80)), axis=1)
    placed = place(rng(1), walks)
    scale = np.diff(placed[:, :40], axis=1).std(axis=1)
    ahead = (placed[:, -1] - placed[:, 39]) / scale
    before = (placed[:, 39] - placed[:, :40].mean(axis=1)) / scale
    assert abs(np.corrcoef(np.clip(ahead, -40, 40), before)[0, 1]) < 0.06


def test_transforms_change_their_share_and_leave_the_rest():
    values = 5 + rng().random((4000, 50))
    for change, share in (
        (power, SHARES["power"]),
        (limits, SHARES["zero"] + SHARES["ceiling"]),
        (outliers, 1 - (1 - SHARES["patch"]) * (1 - SHARES["change"]) * (1 - SHARES["single"] * 0.53)),
        (rounded, SHARES["rounded"]),
    ):
        touched = (change(rng(1), values) != values).any(axis=1).mean()
        assert touched == pytest.approx(share, abs=0.025), change.__name__


def test_outliers_never_make_what_is_positive_negative():
    assert outliers(rng(1), rng().random((4000, 50))).min() >= 0


def test_limits_and_roundings_show():
    values = rng().standard_normal((3000, 60))
    floored = limits(rng(1), values)
    low = (floored == floored.min(axis=1, keepdims=True)).sum(axis=1)
    assert (low[floored.min(axis=1) == 0] > 1).all() and (floored.min(axis=1) == 0).sum() > 40
    distinct = [len(np.unique(row)) for row in rounded(rng(1), values)]
    assert np.mean(np.array(distinct) < 10) > 0.02 and np.mean(np.array(distinct) == 60) > 0.5


def test_compositions_of_positive_series_stay_positive_where_they_are_products():
    values, others = 1 + rng().random((2, 500, 40))
    joined = composed(rng(1), values, others)
    assert (joined > 0).all() and (joined != values).any(axis=1).all()
