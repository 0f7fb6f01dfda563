"""JumboForecaster: any horizon, any index, panels by one network, covariates, intervals, saving."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch

pytest.importorskip("sktime")
from sktime.datasets import load_airline, load_longley
from sktime.forecasting.base import ForecastingHorizon
from sktime.utils import check_estimator
from sktime.utils._testing.hierarchical import _make_hierarchical

from timeseries import JumboForecaster

SMALL = JumboForecaster.get_test_params()[0]


def small(**arguments):
    return JumboForecaster(**{**SMALL, **dict(pretrained=None), **arguments})


def wave(T=120, period=12, seed=0, columns=("a",), index=None):
    rng = np.random.default_rng(seed)
    t = np.arange(T)[:, None]
    values = 10 + np.sin(2 * np.pi * (t + np.arange(len(columns))) / period) + 0.05 * rng.normal(size=(T, len(columns)))
    return pd.DataFrame(values, columns=list(columns), index=index)


def panel(lengths, start="2020-01-01"):
    tables = {f"s{i}": wave(T, seed=i, index=pd.date_range(start, periods=T)) for i, T in enumerate(lengths)}
    return pd.concat(tables, names=["series", "time"])


@pytest.fixture(scope="module")
def fitted():
    """On a wave, long enough to have learned it."""
    return JumboForecaster(horizon=12, random_state=0, pretrained=None, max_epochs=12).fit(wave(300))


# ---- it forecasts


def test_it_learns_a_wave(fitted):
    future = wave(330)[300:]
    error = (fitted.predict(fh=range(1, 13)) - future[:12]).abs().mean().item()
    rolled = (fitted.predict(fh=range(13, 31)) - future[12:]).abs().mean().item()
    assert error < 0.12 and rolled < 0.2  # noise of 0.05, swing of 1


def test_intervals_cover_and_never_cross(fitted):
    alpha = [0.01, 0.025, 0.3, 0.5, 0.77, 0.975, 0.99]
    quantiles = fitted.predict_quantiles(fh=range(1, 31), alpha=alpha)
    assert (quantiles["a"].diff(axis=1).iloc[:, 1:] > 0).all(axis=None)
    truth = wave(330)[300:]["a"]
    inside = (truth > quantiles["a"][0.025]) & (truth < quantiles["a"][0.975])
    assert inside.mean() >= 0.7
    width = quantiles["a"][0.975] - quantiles["a"][0.025]
    assert width[12:].mean() > width[:12].mean()  # rolled on, it is less sure


def test_any_horizon_in_any_order(fitted):
    whole = fitted.predict(fh=range(1, 31))
    assert np.isclose(fitted.predict(fh=[30, 2]).loc[301, "a"], whole.loc[301, "a"])
    absolute = fitted.predict(fh=ForecastingHorizon([305, 312], is_relative=False))
    assert absolute.index.tolist() == [305, 312] and np.allclose(absolute, whole.loc[[305, 312]])


def test_steps_of_the_past_are_forecast_from_what_came_before():
    y = wave(200)
    forecaster = JumboForecaster(horizon=6, insample=True, random_state=0, pretrained=None).fit(y)
    past = forecaster.predict(fh=np.arange(-99, 1))
    assert past.index.tolist() == list(range(100, 200))
    assert (past - y[100:]).abs().mean().item() < 0.15
    shorter = JumboForecaster(horizon=6, insample=True, random_state=0, pretrained=None)
    shorter = forecaster.clone().fit(y)
    changed = y.copy()
    changed.iloc[150:] += 100
    shorter._tails[None] = shorter._tails[None]._replace(values=changed.to_numpy())
    seen = shorter.predict(fh=np.arange(-99, -49))
    assert np.allclose(seen, past[:50], atol=1e-4)  # what came later was not read
    with pytest.raises(ValueError, match="step -200 lies before the first observation"):
        forecaster.predict(fh=[-200])


@pytest.mark.parametrize("freq", ["D", "h", "MS", "QS", "W"])
def test_dates(freq):
    y = wave(60, index=pd.date_range("2020-01-01", periods=60, freq=freq))
    future = pd.date_range(y.index[-1], periods=4, freq=freq)[1:]
    assert small().fit(y).predict(fh=[1, 2, 3]).index.equals(future)
    bare = pd.DataFrame(y.to_numpy(), columns=["a"], index=pd.DatetimeIndex(y.index.to_numpy()))
    assert small().fit(bare).predict(fh=[1, 2, 3]).index.equals(future)
    periods = small().fit(y.to_period()).predict(fh=[2])
    assert periods.index[0] == y.index.to_period()[-1] + 2


# ---- panels


def test_a_panel_is_learned_by_one_network():
    y = panel([80, 60, 80])
    forecaster = small(max_epochs=2).fit(y, fh=[1, 2, 3])
    assert len(forecaster.networks_) == 1
    out = forecaster.predict()
    assert out.index.names == ["series", "time"] and len(out) == 9
    # all at the same dates, the shorter one from its own end
    assert set(out.index.get_level_values("time")) == set(pd.date_range("2020-03-21", periods=3))
    alone = out.loc["s1"]
    again = forecaster.forecast_at(y.loc["s1"].reset_index(drop=True), [60], steps=23)[0]
    assert np.allclose(alone, again[0, 20:23], atol=1e-5)


def test_order_of_instances_does_not_matter():
    y = _make_hierarchical(hierarchy_levels=(2, 2), min_timepoints=20, max_timepoints=30, random_state=1)
    shuffled = y.swaplevel(0, 1).sort_index().swaplevel(0, 1)
    a, b = (small().fit(t, fh=[1, 2]).predict() for t in (y, shuffled.sort_index()))
    pd.testing.assert_frame_equal(a, b)


# ---- covariates and what is missing


def test_a_covariate_known_ahead_is_used():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": rng.normal(size=260), "junk": rng.normal(size=260)})
    y = pd.DataFrame({"a": 2 * X["x"] + 0.1 * rng.normal(size=260)})
    fh = range(1, 7)
    forecaster = JumboForecaster(random_state=0, pretrained=None, max_epochs=20).fit(y[:240], X=X[:240], fh=fh)
    error = (forecaster.predict(X=X[240:]) - y[240:246]).abs().mean().item()
    blind = (
        (JumboForecaster(random_state=0, pretrained=None).fit(y[:240], fh=fh).predict() - y[240:246])
        .abs()
        .mean()
        .item()
    )
    assert error < 0.5 * blind
    past = JumboForecaster(random_state=0, pretrained=None, past_covariates=["x"], max_epochs=1).fit(
        y[:240], X=X[:240], fh=fh
    )
    changed = X.copy()
    changed.loc[240:, "x"] = 100.0
    assert past.predict(X=X[240:]).equals(past.predict(X=changed[240:]))


def test_missing_values():
    y = wave(200, columns=("a", "b"))
    holes = y.mask(np.random.default_rng(0).random(y.shape) < 0.2)
    out = JumboForecaster(horizon=6, random_state=0).fit(holes).predict(fh=range(1, 7))
    assert out.notna().all(axis=None) and (out - wave(206, columns=("a", "b"))[200:]).abs().mean().mean() < 0.3
    nothing = pd.DataFrame({"a": np.full(50, np.nan)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert small().fit(nothing).predict(fh=[1, 2]).notna().all(axis=None)
    constant = small().fit(pd.Series(np.full(50, 7.0))).predict(fh=[1, 2])
    assert np.allclose(constant, 7, atol=0.1)


def test_the_logarithm_keeps_forecasts_positive():
    y = pd.Series(np.exp(np.linspace(0, 9, 100)))
    out = small(log=True).fit(y).predict_quantiles(fh=range(1, 40), alpha=[0.01, 0.99])
    assert (out > 0).all(axis=None)
    with pytest.raises(ValueError, match="log=True needs positive values, the smallest here is -1.0: add a constant"):
        small(log=True).fit(pd.Series([3.0, -1.0, 2.0] * 10))


# ---- life cycle


def test_random_state_decides_everything_and_global_generators_stay():
    y = load_airline()
    torch.manual_seed(1)
    state = torch.get_rng_state()
    a, b, c = (small(random_state=s).fit(y, fh=[1, 2]) for s in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), state)
    assert a.predict().equals(b.predict())

    def weights(forecaster):
        return torch.cat([p.flatten() for p in forecaster.networks_[0].encoder.parameters()])

    assert torch.equal(weights(a), weights(b)) and not torch.equal(weights(a), weights(c))
    free = [weights(small(random_state=None).fit(y, fh=[1, 2])) for _ in range(2)]
    assert not torch.equal(*free)


def test_members_are_averaged():
    together = small(n_members=2, support="real").fit(load_airline(), fh=[1, 5])
    for network in together.networks_:  # where training gained nothing, members are alike
        torch.nn.init.normal_(network.head.weight)
        torch.nn.init.normal_(network.spread.weight)
    alpha, steps = [0.1, 0.3, 0.5, 0.9], [1, 5, 8]  # a quantile between those learned, and a step beyond the horizon
    points, quantiles = [], []
    for network in together.networks_:
        one = pickle.loads(pickle.dumps(together))
        one.networks_ = [network]
        points.append(one.predict(fh=steps))
        quantiles.append(one.predict_quantiles(fh=steps, alpha=alpha))
    assert np.allclose(together.predict(fh=steps), sum(points) / 2) and not np.allclose(*points)
    averaged = together.predict_quantiles(fh=steps, alpha=alpha)
    assert np.allclose(averaged, sum(quantiles) / 2) and not np.allclose(*quantiles)
    assert (np.diff(averaged, axis=1) > 0).all()


def test_pretrained_on_a_panel_it_forecasts_a_series_too_short_to_learn_from():
    forecaster = JumboForecaster(horizon=12, context_length=24, max_epochs=10, random_state=0, pretrained=None)
    forecaster.pretrain(panel([200] * 4))
    y = wave(212, seed=9)
    short = forecaster.clone().fit(y[170:200], fh=range(1, 13))
    assert (short.predict() - y[200:]).abs().mean().item() < 0.2
    assert short.design_ == forecaster.pretrained_[0]


@pytest.mark.parametrize("container", ["series", "dates", "array", "frame", "hierarchy", "panel of lists"])
def test_saved_and_loaded_it_forecasts_the_same(container, tmp_path):
    y = load_airline()
    y = dict(
        series=y,
        dates=y.to_timestamp(),
        array=y.to_numpy(),
        frame=y.to_frame(),
        hierarchy=_make_hierarchy(),
    ).get(container)
    if y is None:
        y = [wave(30), wave(40)]
    forecaster = small(quantiles=(0.1, 0.5, 0.9)).fit(y, fh=[1, 3])
    forecaster.save(tmp_path / "model.safetensors")
    loaded = JumboForecaster.load(tmp_path / "model.safetensors")
    for a, b in ((forecaster.predict(), loaded.predict()), (forecaster.predict_interval(), loaded.predict_interval())):
        same = {pd.DataFrame: pd.testing.assert_frame_equal, pd.Series: pd.testing.assert_series_equal}
        same.get(type(a), np.testing.assert_array_equal)(a, b)
    assert loaded.get_params() == forecaster.get_params()
    loaded.update(y)


def _make_hierarchy():
    return _make_hierarchical(min_timepoints=20, max_timepoints=30, random_state=0)


def test_a_saved_model_is_small_and_whole_or_absent(tmp_path):
    path = tmp_path / "model.safetensors"
    small().fit(wave(5000), fh=[1]).save(path)
    assert path.stat().st_size < 60_000  # of 5000 steps, only the end
    with pytest.raises(ValueError, match="holds JumboForecaster, not a JumboClassifier"):
        from timeseries import JumboClassifier

        JumboClassifier.load(path)
    with pytest.raises(FileNotFoundError, match="no saved estimator at"):
        JumboForecaster.load(tmp_path / "absent.safetensors")
    broken = small(past_covariates=[object()])
    broken.past_covariates = None
    fitted = broken.fit(wave(60), fh=[1])
    fitted.past_covariates = [object()]
    with pytest.raises(TypeError, match="past_covariates=.*cannot be written as JSON: save by pickle instead"):
        fitted.save(tmp_path / "other.safetensors")
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]


def test_plot(fitted):
    pytest.importorskip("matplotlib").use("Agg")
    ax = fitted.plot(fh=range(1, 25), coverage=(0.5, 0.9))
    assert len(ax.collections) == 2 and len(ax.lines) == 2
    assert ax.get_title() == "a"
    with pytest.raises(ValueError, match="no column 'z': there are 'a'"):
        fitted.plot(fh=[1], column="z")


def test_backtests(fitted):
    y = wave(400)
    center, quantiles = fitted.forecast_at(y, [300, 350], alpha=[0.1, 0.9])
    assert center.shape == (2, 12, 1) and quantiles.shape == (2, 12, 1, 2)
    assert np.allclose(center[0, :, 0], fitted.predict(fh=range(1, 13))["a"], atol=1e-4)
    with pytest.raises(ValueError, match="cuts from 0 to 5 lie outside the series: give 1 to 400"):
        fitted.forecast_at(y, [0, 5])
    with pytest.raises(ValueError, match="one series of the 1 columns fitted"):
        fitted.forecast_at(wave(50, columns=("a", "b")), [5])


# ---- short series, and bad input


@pytest.mark.parametrize("length", [1, 2, 3, 5, 9])
def test_tiny_series(length):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        out = small().fit(wave(length), fh=[1, 2, 3]).predict()
    assert out.notna().all(axis=None)
    assert any("too few to learn from" in str(w.message) for w in told) == (length == 1)


def test_a_context_longer_than_the_series_is_cut_with_a_warning():
    with pytest.warns(
        UserWarning, match="context_length 200 is too long for series of at most 60 steps.*using 28 steps"
    ):
        forecaster = small(context_length=200).fit(wave(60), fh=range(1, 5))
    assert forecaster.design_.context == 28
    with pytest.warns(UserWarning, match="patch_length 40 is longer than the context of 28 steps: using 28"):
        small(patch_length=40).fit(wave(60), fh=range(1, 5))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (dict(context_length=0), ValueError, "context_length must be at least 1 steps, got 0"),
        (dict(depth=1.5), TypeError, "depth must be an integer, got 1.5"),
        (dict(loss="rmse"), ValueError, "unknown loss 'rmse': choose one of quantile, mse, mae, huber"),
        (dict(keep_rate=1.2), ValueError, "keep_rate 1.2: give a share above 0 and at most 1"),
        (dict(normalisation="minmax"), ValueError, "unknown normalisation 'minmax': choose one of standard, last"),
        (dict(quantiles=(0.1, 0.9)), ValueError, r"quantiles \(0.1, 0.9\): give rising numbers.*including 0.5"),
        (dict(quantiles=(0.9, 0.5)), ValueError, "give rising numbers between 0 and 1"),
        (dict(dropout=1.0), ValueError, "dropout 1.0: give a fraction from 0 to below 1"),
        (dict(validation=1.5), ValueError, "validation 1.5: give a fraction from 0 to below 1, or a number of steps"),
        (dict(n_members=0), ValueError, "n_members must be at least 1, got 0"),
    ],
)
def test_bad_parameters(arguments, error, message):
    with pytest.raises(error, match=message):
        small(**arguments)


def test_bad_data():
    y, X = wave(60), pd.DataFrame({"x": np.arange(70.0)})
    with pytest.raises(ValueError, match="infinite values"):
        small().fit(y.where(y < 10.5, np.inf))
    with pytest.raises(ValueError, match="not evenly spaced.*asfreq"):
        small().fit(y.set_index(pd.date_range("2020", periods=60) + pd.to_timedelta(np.arange(60) ** 2, "h")))
    with pytest.raises(ValueError, match=r"past_covariates \['z'\] are not among the columns of X, \['x'\]"):
        small(past_covariates=["z"]).fit(y, X=X[:60])
    forecaster = small().fit(y, X=X[:60], fh=[1, 2, 3])
    with pytest.raises(ValueError, match=r"fitted with the columns \['x'\] of X, predict got None"):
        forecaster.predict()
    with pytest.raises(ValueError, match="X does not cover the horizon: there is no row at 62"):
        forecaster.predict(X=X[60:62])
    with pytest.raises(ValueError, match=r"fitted with the columns \['x'\] of X: give the same columns to update"):
        forecaster.update(wave(70)[60:])
    with pytest.raises(
        ValueError, match="step 9 after the last observed one is beyond the trained horizon of 3 steps.*roll_on=True"
    ):
        small(roll_on=False).fit(y, fh=[1, 2, 3]).predict(fh=[9])
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="device 'cuda' was asked for and is not there"):
            small(device="cuda").fit(y)
    two = small(horizon=2).fit(wave(60, columns=("a", "b")))
    with pytest.raises(ValueError, match="fitted on series of 2 columns, update got 1: give the same columns"):
        two.update(wave(70)[60:])


# ---- sktime's contract

QUICK = "test_constructor test_clone test_fit_returns_self test_fit_does_not_overwrite_hyper_params test_set_params"
QUICK += " test_non_state_changing_method_contract"
QUICK += " test_pretrain_clone_preserves_state test_save_estimators_to_file"


@pytest.mark.parametrize("name", QUICK.split())
def test_sktime_contract_in_part(name):
    assert check_estimator(
        JumboForecaster, tests_to_run=name, raise_exceptions=True, verbose=False
    )  # there is such a test


@pytest.mark.slow
def test_sktime_contract():
    results = check_estimator(JumboForecaster, raise_exceptions=True, verbose=False)
    assert len(results) > 600 and set(results.values()) == {"PASSED"}


def test_what_is_not_known_ahead_is_not_learned_from():
    """A past covariate that is the series itself: read ahead in training, it would seem to tell everything."""
    noise = np.random.default_rng(0).normal(size=400)
    y, X = pd.Series(noise), pd.DataFrame({"x": noise})
    options = dict(context_length=24, max_epochs=2, past_covariates="all")
    fitted = small(**options).fit(y, X=X, fh=range(1, 7))
    assert not fitted.networks_[0].from_covariates.weight[0, 0].any()  # of the step itself; the others have been seen
    low, high = fitted.predict_interval(coverage=0.8).to_numpy().T
    assert (high - low).mean() > 1.5  # of the noise itself 2.56
    assert min(e.score for e in fitted.history_[0].epochs) > 0.8


def test_after_pretraining_the_same_columns_are_known_ahead():
    index = pd.MultiIndex.from_product([["a", "b"], range(60)], names=["series", "time"])
    y, X = (pd.DataFrame({name: f(np.arange(120.0))}, index=index) for name, f in (("y", np.sin), ("x", np.cos)))
    pretrained = small(horizon=3).pretrain(y, X=X)
    pretrained.past_covariates = ["x"]  # set_params would forget what was pretrained
    with pytest.raises(ValueError, match="past_covariates differ from those of pretraining"):
        pretrained.fit(y, X=X, fh=[1, 2, 3])


def test_longley_end_to_end():
    y, X = load_longley()
    out = small().fit(y[:-3], X=X[:-3], fh=[1, 2, 3]).predict(X=X[-3:])
    assert out.index.equals(y.index[-3:])


def test_series_may_be_named_by_tuples(tmp_path):
    """One level of the index that holds tuples is not two levels."""
    y = panel([60, 60])
    names = pd.Index([("north", 1), ("south", 2)], tupleize_cols=False)
    y.index = pd.MultiIndex([names, y.index.levels[1]], y.index.codes, names=y.index.names)
    fitted = small().fit(y, fh=[1, 2])
    forecast = fitted.predict()
    assert forecast.index.levels[0].tolist() == names.tolist() and forecast.index.names == y.index.names
    fitted.save(tmp_path / "tuples.safetensors")
    pd.testing.assert_frame_equal(JumboForecaster.load(tmp_path / "tuples.safetensors").predict(), forecast)
