"""Experts beside networks: what each says, and which share held-out windows give the networks."""

import numpy as np
import pytest
import torch

from timeseries.data.windows import Panel
from timeseries.experts import NAMES
from timeseries.fitting.blending import SHARES, Blend, Trial, chosen_share, zero_shot
from timeseries.fitting.cases import Cases, at_places
from timeseries.networks.weighing import LEVELS, ExpertWeigher

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def weigher():
    torch.manual_seed(0)
    sizes = dict(embed_dim=8, depth=1, num_heads=2, jumbo_multiplier=2)
    return ExpertWeigher(len(NAMES), context=64, patch_length=8, **sizes).eval()


def monthly(n=3, T=72, seed=0):
    rng = np.random.default_rng(seed)
    t = np.arange(T)
    return [50 + 0.2 * t + 10 * np.sin(2 * np.pi * (t + i) / 12) + rng.normal(size=T) for i in range(n)]


def test_zero_shot_forecasts_season_and_trend(weigher):
    series = monthly(T=84)
    said = zero_shot(weigher, [s[:-12] for s in series], 12, (0.1, 0.5, 0.9), (12, 1), CPU)
    error = np.abs(said.center - np.array([s[-12:] for s in series])).mean()
    assert error < 2.0  # the season alone is 10 high
    assert (np.diff(said.quantiles, axis=2) > 0).all()
    np.testing.assert_allclose(said.weights.sum(axis=2), 1, atol=1e-5)


def test_a_series_gets_the_same_answer_alone_and_among_others(weigher):
    series = [*monthly(), *monthly(T=31, seed=1), np.array([3.0])]
    together = zero_shot(weigher, series, 5, LEVELS, (12, 1), CPU)
    for n, one in enumerate(series):
        alone = zero_shot(weigher, [one], 5, LEVELS, (12, 1), CPU)
        np.testing.assert_allclose(together.center[n], alone.center[0], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(together.quantiles[n], alone.quantiles[0], rtol=1e-4, atol=1e-4)


def test_units_do_not_matter(weigher):
    series = monthly()
    plain = zero_shot(weigher, series, 6, LEVELS, (12, 1), CPU)
    scaled = zero_shot(weigher, [1e6 * s for s in series], 6, LEVELS, (12, 1), CPU)
    np.testing.assert_allclose(scaled.quantiles, 1e6 * plain.quantiles, rtol=1e-4)


ODD = {
    "one observation": np.array([5.0]),
    "two": np.array([5.0, 6.0]),
    "constant": np.full(30, 7.0),
    "zeros": np.zeros(40),
    "nothing known": np.full(10, np.nan),
    "one known": np.r_[np.nan, 4.0, np.nan],
    "gaps": np.where(np.arange(40) % 3, np.arange(40.0), np.nan),
    "huge": 1e12 + np.arange(20.0),
    "tiny": 1e-12 * np.arange(20.0),
    "negative": -np.exp(np.arange(20.0)),
    "counts": np.tile([0, 0, 0, 3.0], 12),
}


@pytest.mark.parametrize("horizon", [1, 3, 100])
@pytest.mark.parametrize("name", ODD)
def test_odd_series_get_finite_forecasts(weigher, name, horizon):
    for periods in ((12, 1), (24, 168), None):
        said = zero_shot(weigher, [ODD[name]], horizon, LEVELS, periods, CPU)
        assert np.isfinite(said.center).all()
        assert np.isfinite(said.quantiles).all()
        assert (np.diff(said.quantiles, axis=2) >= 0).all()


def test_the_record_is_what_experts_would_have_said_earlier():
    from timeseries.experts import opinions

    values, periods = np.array(monthly()), np.tile((12, 1), (3, 1))
    cases = Cases(values, periods, 6, 64)
    earlier = opinions(values[:, :-6], periods, 6).point
    error = np.abs(earlier - values[:, None, -6:]) / cases.unit[..., None]
    found = cases.case.briefs[..., -3].numpy()  # the first half of the steps
    np.testing.assert_allclose(found, np.log(error[..., :3].mean(axis=2).clip(1e-3, 1e3)), rtol=1e-4, atol=1e-4)


def test_places_cover_the_horizon():
    assert at_places(720)[[0, -1]].tolist() == [0, 719]
    assert at_places(1).tolist() == [0] * 16
    assert np.unique(at_places(5)).tolist() == [0, 1, 2, 3, 4]


def trial_of(panel, error, H=8, seed=0):
    """Windows that networks forecast with errors of some size."""
    rng = np.random.default_rng(seed)
    series = np.repeat(np.arange(len(panel.series)), 3)
    cuts = np.tile([48, 56, 64], len(panel.series))
    truth = np.stack([panel.series[s][c : c + H] for s, c in zip(series, cuts, strict=True)])  # (W, H, 1)
    center = truth + error * rng.normal(size=truth.shape)
    return Trial(series, cuts, center, center[..., None] + error * np.array([-1.28, 0.0, 1.28]))


@pytest.mark.parametrize(("error", "expected"), [(0.01, 1.0), (50.0, 0.0)])
def test_held_out_windows_give_the_networks_their_share(weigher, error, expected):
    panel = Panel([s[:, None] for s in monthly(n=8)])
    blend = Blend(weigher, (12, 1), np.zeros(8))
    chosen = chosen_share(blend, trial_of(panel, error), panel, (0.1, 0.5, 0.9), CPU)
    assert (chosen.share == expected).all()
    assert set(chosen.share) <= set(SHARES)


def test_a_gain_within_chance_gives_no_share(weigher):
    panel = Panel([s[:, None] for s in monthly(n=1)])
    blend = Blend(weigher, (12, 1), np.zeros(8))
    said = zero_shot(weigher, [panel.series[0][:64, 0]], 8, (0.1, 0.5, 0.9), (12, 1), CPU)
    truth = panel.series[0][64:72, 0]
    better = said.center + 0.02 * (truth - said.center)  # a little better, in a single window
    trial = Trial(np.array([0]), np.array([64]), better[..., None], said.quantiles[:, :, None])
    assert (chosen_share(blend, trial, panel, (0.1, 0.5, 0.9), CPU).share == 0).all()


def test_a_large_gain_in_a_single_window_gives_the_networks_their_share(weigher):
    """A short series has one held-out window; what drives it in X may still cut the error to a tenth."""
    panel = Panel([s[:, None] for s in monthly(n=1)])
    blend = Blend(weigher, (12, 1), np.zeros(8))
    truth = panel.series[0][64:72]
    quantiles = truth[None, :, :, None] + 0.01 * np.array([-1.28, 0.0, 1.28])
    trial = Trial(np.array([0]), np.array([64]), truth[None] + 0.01, quantiles)
    assert (chosen_share(blend, trial, panel, (0.1, 0.5, 0.9), CPU).share == 1).all()


def test_shares_go_on_beyond_the_horizon(weigher):
    blend = Blend(weigher, None, np.array([0.0, 0.5]))
    assert blend.shares(4).tolist() == [0.0, 0.5, 0.5, 0.5]
    assert Blend().shares(2).tolist() == [1.0, 1.0]
