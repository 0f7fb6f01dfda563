"""JumboForecaster with experts: zero-shot forecasts, shares, weights to look at, floors, saving."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sktime.datasets import load_airline, load_longley

from timeseries import JumboForecaster
from timeseries.experts import NAMES

SMALL = JumboForecaster.get_test_params()[0]
FH = [1, 2, 3, 4, 5, 6]


def zero_shot(**arguments):
    return JumboForecaster(**{**dict(max_epochs=0, random_state=0), **arguments})


def monthly(n=96, seed=0):
    t, rng = np.arange(n), np.random.default_rng(seed)
    values = 50 + 0.2 * t + 10 * np.sin(2 * np.pi * t / 12) + rng.normal(size=n)
    return pd.Series(values, pd.period_range("2015-01", periods=n, freq="M"), name="sales")


def panel(series=4, n=60):
    parts = {f"shop {i}": monthly(n, seed=i).to_frame() for i in range(series)}
    return pd.concat(parts, names=["shop", "month"])


def test_zero_shot_knows_seasons_and_trends_without_training():
    y = monthly()
    fitted = zero_shot().fit(y[:-12], fh=range(1, 13))
    assert fitted.history_ == []
    error = (fitted.predict() - y[-12:]).abs().mean()
    assert error < 2.0
    interval = fitted.predict_interval(coverage=0.8)["sales"][0.8]
    assert ((interval["lower"] < y[-12:]) & (y[-12:] < interval["upper"])).mean() > 0.5


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 13])
def test_series_may_be_as_short_as_they_like(n):
    y = monthly()[:n]
    fitted = zero_shot().fit(y, fh=FH)
    assert np.isfinite(fitted.predict()).all()
    quantiles = fitted.predict_quantiles(alpha=[0.05, 0.5, 0.95]).to_numpy()
    assert (np.diff(quantiles, axis=1) >= 0).all()


def test_any_horizon_may_be_asked_for():
    fitted = zero_shot().fit(monthly(), fh=[1])
    assert np.isfinite(fitted.predict(fh=[1, 100, 720])).all()


@pytest.mark.parametrize("how", [dict(), dict(max_epochs=1)])
def test_weights_are_a_table_whose_rows_add_up(how):
    fitted = zero_shot(**how).fit(panel(), fh=FH)
    table = fitted.weights_
    assert list(table.columns) == [*NAMES, "networks"]
    assert list(table.index) == [f"shop {i}" for i in range(4)]
    np.testing.assert_allclose(table.sum(axis=1), 1, atol=1e-5)
    assert (table["networks"] == fitted._blend.share.mean()).all()


def test_weights_name_the_variables_of_a_single_series():
    y = load_longley()[1][["GNP", "UNEMP"]]
    table = zero_shot().fit(y, fh=[1, 2]).weights_
    assert list(table.index) == ["GNP", "UNEMP"]


def test_weights_of_networks_alone():
    fitted = JumboForecaster(**SMALL | dict(pretrained=None)).fit(monthly(), fh=FH)
    assert fitted.weights_.to_dict("list") == {"networks": [1.0]}


def test_the_picture_says_who_spoke():
    pytest.importorskip("matplotlib").use("Agg")
    ax = zero_shot().fit(monthly(), fh=FH).plot()
    said = ax.get_xlabel()
    assert said.startswith("forecast by ")
    assert any(name in said for name in NAMES)


def test_held_out_windows_decide_between_experts_and_networks():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": rng.normal(size=300)})  # of which the experts know nothing
    y = pd.Series(5 * X["x"] + 0.1 * rng.normal(size=300))
    fitted = JumboForecaster(max_epochs=1, random_state=0).fit(y[:294], X=X[:294], fh=FH)
    assert (fitted._blend.share == 1).all()
    assert (fitted.predict(X=X[294:]) - y[294:]).abs().mean() < 1.0


def test_pretrained_networks_speak_where_nothing_speaks_against_them():
    forecaster = JumboForecaster(**SMALL | dict(horizon=3)).pretrain(panel())
    fitted = forecaster.fit(monthly()[:2], fh=[1, 2, 3])
    assert fitted._blend.share.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(("support", "lowest"), [("auto", 0.0), ("nonnegative", 0.0), ("real", -np.inf)])
def test_counts_do_not_fall_below_zero(support, lowest):
    y = pd.Series(np.random.default_rng(0).poisson(0.7, 60).astype(float))
    fitted = zero_shot(support=support).fit(y, fh=FH)
    low = fitted.predict_quantiles(alpha=[0.01]).to_numpy()
    assert low.min() >= lowest
    assert (low.min() < 0) == (support == "real")


def test_a_series_that_has_been_negative_may_be_so_again():
    y = pd.Series(np.random.default_rng(0).normal(size=60))
    assert zero_shot().fit(y, fh=FH).predict_quantiles(alpha=[0.05]).to_numpy().max() < 0


def test_a_floor_goes_once_negative_values_come():
    y = monthly()
    fitted = zero_shot().fit(y[:50], fh=FH)
    fitted.update(y[50:60] - 500, update_params=False)
    assert fitted.predict_quantiles(alpha=[0.01]).to_numpy().min() < 0


def test_negative_values_of_a_nonnegative_series_are_refused():
    with pytest.raises(ValueError, match="support='nonnegative', but the least value is -1.0: use support='real'"):
        zero_shot(support="nonnegative").fit(pd.Series([1.0, 2.0, -1.0, 4.0]), fh=[1])


def test_a_backtest_has_the_floor_of_its_own_series():
    fitted = zero_shot().fit(monthly(), fh=FH)
    center, quantiles = fitted.forecast_at(monthly(seed=1) - 100, [90])
    assert center.max() < 0
    assert quantiles.max() < 0


@pytest.mark.parametrize("support", ["auto", "nonnegative"])
def test_a_series_below_one_is_positive_though_its_logarithms_are_not(support):
    y = 0.5 + 0.1 * (monthly() / 100)
    fitted = zero_shot(log=True, support=support).fit(y - y.min() + 0.1, fh=FH)
    assert fitted.predict_quantiles(alpha=[0.05]).to_numpy().min() > 0


def test_pretraining_asks_no_expert(monkeypatch):
    monkeypatch.setattr("timeseries.estimators.forecaster.chosen_share", None)
    forecaster = JumboForecaster(**SMALL | dict(horizon=3)).pretrain(panel())
    assert not hasattr(forecaster, "_blend")


BAD = [
    (dict(support="positive"), ValueError, "support 'positive'"),
    (dict(pretrained=3), TypeError, "pretrained 3: give 'synthetic', None, the path"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), BAD)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        zero_shot(**arguments)


def test_wrong_weights_are_told_at_fit():
    with pytest.raises(FileNotFoundError, match="is no file: give 'synthetic'"):
        zero_shot(pretrained="nothing.safetensors").fit(monthly(), fh=[1])


@pytest.mark.parametrize("how", ["safetensors", "pickle"])
def test_saved_forecasters_bring_their_weights_along(tmp_path, how, monkeypatch):
    fitted = zero_shot().fit(panel(), fh=FH)
    expected = fitted.predict_quantiles(alpha=[0.1, 0.9])
    if how == "pickle":
        again = pickle.loads(pickle.dumps(fitted))
    else:
        fitted.save(tmp_path / "f.safetensors")
        monkeypatch.setattr("timeseries.weights.load_weigher", None)  # the package's own are not asked
        again = JumboForecaster.load(tmp_path / "f.safetensors")
    pd.testing.assert_frame_equal(again.predict_quantiles(alpha=[0.1, 0.9]), expected, rtol=1e-6)


def test_missing_values_and_an_outlier_do_little_harm():
    y = monthly(120)
    clean = (zero_shot().fit(y[:-6], fh=FH).predict() - y[-6:]).abs().mean()
    holes = y.copy()
    holes[np.random.default_rng(0).random(len(y)) < 0.1] = np.nan
    assert (zero_shot().fit(holes[:-6], fh=FH).predict() - y[-6:]).abs().mean() < 1.3 * clean + 0.3
    wild = y.copy()
    wild.iloc[-46] *= 100
    assert (zero_shot().fit(wild[:-6], fh=FH).predict() - y[-6:]).abs().mean() < 1.3 * clean + 0.3


def test_many_forecasts_at_once_are_those_of_fitting_there():
    y = monthly(90).to_timestamp()
    fitted = zero_shot().fit(y[:80], fh=range(1, 7))
    center, quantiles = fitted.forecast_at(y, [70, 80], alpha=(0.1, 0.9))
    np.testing.assert_allclose(center[1, :, 0], fitted.predict(fh=range(1, 7)), rtol=1e-5)
    assert (quantiles[..., 0] < quantiles[..., 1]).all()


def test_airline_is_forecast_better_than_by_exponential_smoothing():
    y = load_airline()
    fitted = zero_shot().fit(y[:-24], fh=range(1, 25))
    mase = (fitted.predict() - y[-24:]).abs().mean() / y[:-24].diff().abs().mean()
    assert mase < 2.18  # AutoETS, as measured


@pytest.mark.parametrize(("past_covariates", "steps"), [(None, slice(0, 6)), ("all", slice(0, 1))])
def test_what_follows_a_covariate_a_step_later_is_forecast(past_covariates, steps):
    rng = np.random.default_rng(0)
    x = rng.normal(size=308)
    y = pd.Series(3 * x[:-1] + 0.1 * rng.normal(size=307))
    X = pd.DataFrame({"x": x[1:]})
    forecaster = JumboForecaster(max_epochs=0, random_state=0, past_covariates=past_covariates)
    fitted = forecaster.fit(y[:300], X=X[:300], fh=FH)
    forecast = fitted.predict(X=None if past_covariates else X[300:306])
    assert (forecast - y[300:306])[steps].abs().mean() < 0.5  # 2.4 without the step before
