"""The dial of the series models: resampled time, budgets of training, and the budget at hand when predicting."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch

pytest.importorskip("sktime")
from sktime.exceptions import NotFittedError

from jumbo_backbone import ComputeBudget, ElasticBudgets, KeepRateWarmup, TokenDropping
from tests.conftest import images
from timeseries import JumboClassifier, JumboForecaster
from timeseries.fitting.budgets import training_loss, training_plan
from timeseries.fitting.forecasting import distance
from timeseries.networks.network import Forecast
from timeseries.networks.patching import SeriesEmbed, resample_time
from timeseries.networks.series_encoder import SeriesEncoder

SMALL = dict(embed_dim=16, num_heads=2, depth=2, jumbo_multiplier=2, random_state=0)


def waves(n=32, T=40, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    phase = rng.uniform(0, 6.3, (n, 1))
    X = np.sin(2 * np.pi * np.arange(T) / np.where(y, 20, 7)[:, None] + phase) + 0.2 * rng.normal(size=(n, T))
    return X[:, None], y


def classifier(**changes):
    return JumboClassifier(**{**SMALL, **dict(max_epochs=4, num_kernels=0, pretrained=None), **changes})


def forecaster(**changes):
    return JumboForecaster(
        **{**SMALL, **dict(context_length=32, patch_length=4, max_epochs=2, patience=9, pretrained=None), **changes}
    )


def series(T=200):
    noise = np.random.default_rng(0).normal(size=T)
    return pd.Series(np.sin(np.arange(T) / 4) + 0.3 * noise)


# ---- resampled time


def test_resampling_is_linear_and_spares_what_was_not_observed():
    line = torch.arange(32.0).view(1, 1, 32)
    half, observed = resample_time(line, None, 16)
    assert observed is None
    torch.testing.assert_close(half[0, 0, 1:-1], 2 * torch.arange(1.0, 15) + 0.5)  # the middle of each pair

    seen = torch.ones(1, 1, 32, dtype=torch.bool)
    seen[..., 10:20] = False
    values, observed = resample_time(torch.where(seen, 3.0, 0.0), seen, 16)
    assert observed[0, 0, :5].all() and not observed[0, 0, 6:9].any() and observed[0, 0, 11:].all()
    torch.testing.assert_close(values[observed], torch.full_like(values[observed], 3.0))
    assert (values[~observed] == 0).all()


@pytest.mark.parametrize("align", ["start", "end"])
def test_positions_keep_their_place_in_time(align):
    embed = SeriesEmbed(8, 4, 4, num_patches=12, align=align)
    whole, half = embed.positions(12), embed.positions(6, stretch=2.0)
    torch.testing.assert_close(half, whole[:, ::2] if align == "start" else whole[:, 1::2])
    between = embed.positions(8, stretch=1.5)
    first = between[:, 0] if align == "start" else between[:, -1]
    torch.testing.assert_close(first, whole[:, 0] if align == "start" else whole[:, -1])
    second = (between[:, 1], whole[:, 1:3]) if align == "start" else (between[:, -2], whole[:, -3:-1])
    torch.testing.assert_close(second[0], second[1].mean(dim=1))
    assert torch.equal(embed.positions(12), embed.positions(12, stretch=1.0))


def test_encoder_reads_a_resolution():
    torch.manual_seed(0)
    encoder = SeriesEncoder(1, 64, 8, 4, embed_dim=16, depth=2, num_heads=2, jumbo_multiplier=2).eval()
    t = torch.linspace(0, 12, 64)
    x = torch.stack([t.sin(), (2 * t).cos()])[:, None]
    with torch.no_grad():
        full, small = encoder(x), encoder(x, budget=ComputeBudget(resolution=0.5))
        steps = encoder(x, budget=ComputeBudget(resolution=32))
        again = encoder(x, budget=ComputeBudget(resolution=1.0))
    assert full.patches.shape[1] == 16 and small.patches.shape[1] == 8
    assert torch.equal(small.jumbo, steps.jumbo) and torch.equal(full.jumbo, again.jumbo)
    assert small.normed.shape == full.normed.shape  # the linear part beside it reads every step
    assert 0 < (small.jumbo - full.jumbo).norm() < 0.5 * (full.jumbo[0] - full.jumbo[1]).norm() + full.jumbo.norm()


# ---- training


def test_plans():
    assert training_plan(1.0, None, None) is None
    assert training_plan(0.5, False, None) == KeepRateWarmup()
    assert training_plan(0.5, True, None) == ElasticBudgets()
    assert training_plan(1.0, dict(keep_rates=[0.3]), None) == ElasticBudgets(keep_rates=(0.3,))
    assert training_plan(1.0, None, (0.8, 0.2)) == TokenDropping(0.8, 0.2)


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (None, [(0.5, None)]),
        (KeepRateWarmup(0, 1), [(0.75, None)]),
        (ElasticBudgets((0.3,), (0.5,), (0, 0.5)), [(1.0, None), (0.3, None), (1.0, 0.5), (0.3, 0.5)]),
        (ElasticBudgets((0.3,), (0.5,), (0.5, 0.6)), [(1.0, None), (1.0, 0.5)]),
    ],
)
def test_a_step_runs_the_budgets_of_its_plan(plan, expected):
    asked = []

    def predict(budget):
        asked.append((budget.keep_rate, budget.resolution))
        return images(2, 3, seed=len(asked))

    loss = training_loss(predict, lambda scores: scores.sum(), plan, ComputeBudget(0.5), 5, 10)
    assert asked == [pytest.approx(pair) for pair in expected] and loss.isfinite()


def test_distance_of_forecasts():
    target = Forecast(torch.zeros(2, 3, requires_grad=True), torch.zeros(2, 3, 5))
    forecast = Forecast(torch.ones(2, 3, requires_grad=True), torch.full((2, 3, 5), -2.0))
    loss = distance(forecast, target)
    assert loss == 3 and distance(target, target) == 0
    loss.backward()
    assert target.center.grad is None and forecast.center.grad is not None


@pytest.mark.parametrize("training", [dict(elastic=dict(keep_rates=(0.3,), resolutions=(0.5,))), dict(keep_rate=0.4)])
def test_estimators_learn_at_such_budgets(training, device):
    X, y = waves()
    fitted = classifier(max_epochs=8, patience=99, device=str(device), **training).fit(X, y)
    if "elastic" in training:
        fitted.set_budget(keep_rate=0.3, resolution=0.5)
    test_X, test_y = waves(seed=1)
    assert fitted.score(test_X, test_y) > 0.8
    assert forecaster(device=str(device), **training).fit(series(), fh=[1, 2, 3]).predict().notna().all()


def test_token_dropping_is_of_training_alone():
    X, y = waves()
    fitted = classifier(token_dropping=(0.9, 0.1)).fit(X, y)
    assert fitted.networks_[0].encoder.default_budget == ComputeBudget()
    assert not np.allclose(fitted.predict_proba(X), classifier().fit(X, y).predict_proba(X))
    again = classifier(token_dropping=(0.9, 0.1)).fit(X, y)
    assert np.array_equal(fitted.predict_proba(X), again.predict_proba(X))  # seeded


# ---- predicting


def test_budget_at_hand_changes_predictions_is_saved_and_can_be_undone(tmp_path):
    X, y = waves()
    fitted = classifier(n_members=2).fit(X, y)
    full = fitted.predict_proba(X)
    assert fitted.set_budget(keep_rate=0.3, resolution=0.5) is fitted
    reduced = fitted.predict_proba(X)
    assert not np.allclose(full, reduced)
    fitted.save(tmp_path / "c.safetensors")
    loaded = JumboClassifier.load(tmp_path / "c.safetensors")
    assert np.array_equal(loaded.predict_proba(X), reduced)
    assert np.array_equal(loaded.set_budget().predict_proba(X), full)
    assert np.array_equal(fitted.fit(X, y).predict_proba(X), full)


def test_budget_of_a_forecaster(tmp_path):
    fitted = forecaster().fit(series(), fh=[1, 2, 3])
    with torch.no_grad():  # whether or not so short a training was kept
        torch.nn.init.normal_(fitted.networks_[0].head.weight, std=0.3)
    full = fitted.predict()
    reduced = fitted.set_budget(keep_rate=0.3).predict()
    assert not np.allclose(full, reduced)
    fitted.save(tmp_path / "f.safetensors")
    loaded = JumboForecaster.load(tmp_path / "f.safetensors")
    assert np.array_equal(loaded.predict(), reduced) and np.array_equal(loaded.set_budget().predict(), full)


# ---- bad input


@pytest.mark.parametrize("estimator", [classifier, forecaster])
@pytest.mark.parametrize(
    ("parameters", "error", "told"),
    [
        (dict(elastic=dict(keep_rates=())), ValueError, "keep_rates is empty"),
        (dict(elastic=dict(resolutions=())), ValueError, "resolutions is empty"),
        (dict(elastic=dict(rates=(0.5,))), TypeError, "rates"),
        (dict(token_dropping=0.9), ValueError, "the first and the last fraction"),
        (dict(token_dropping=(0.9,)), ValueError, "the first and the last fraction"),
        (dict(token_dropping=(1.0, 0.1)), ValueError, "first 1.0"),
        (dict(elastic=True, token_dropping=(0.9, 0.1)), ValueError, "one of them"),
        (dict(keep_rate=1.5), ValueError, "at most 1"),
    ],
)
def test_bad_parameters(estimator, parameters, error, told):
    with pytest.raises(error, match=told):
        estimator(**parameters)


def test_bad_budgets_at_hand():
    with pytest.raises(NotFittedError):
        classifier().set_budget(keep_rate=0.5)
    X, y = waves(n=12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = classifier(max_epochs=1).fit(X, y)
    for budget, error, told in (
        (dict(keep_rate=0), ValueError, "above 0"),
        (dict(resolution=(8, 8)), TypeError, "a series has one side"),
        (dict(resolution=-0.5), ValueError, "resolution -0.5"),
    ):
        with pytest.raises(error, match=told):
            fitted.set_budget(**budget)
    with pytest.raises(ValueError, match="smaller than one patch"):
        fitted.set_budget(resolution=0.01).predict(X)
