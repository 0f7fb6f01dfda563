"""A fitted forecaster forecasts some of its series, and others, without fitting again."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sktime")
from timeseries import JumboForecaster

SMALL = dict(embed_dim=4, num_heads=2, depth=1, jumbo_multiplier=2, max_epochs=1, random_state=0)
ZERO_SHOT = dict(max_epochs=0)
NETWORKS = dict(SMALL, pretrained=None)


def series(T=90, seed=0, level=20.0, start="2020-01-01"):
    noise = np.random.default_rng(seed).normal(size=T)
    values = level + 5 * np.sin(2 * np.pi * np.arange(T) / 7) + noise
    return pd.DataFrame({"sales": values}, index=pd.date_range(start, periods=T, freq="D", name="day"))


def panel(names="abc", **options):
    return pd.concat({name: series(seed=n, level=20 + 10 * n, **options) for n, name in enumerate(names)}, names=["s"])


def promotions(y, ahead=5):
    """A covariate of the series of a panel, and of some days after their end."""

    def one(days):
        days = pd.date_range(days[0], periods=len(days) + ahead, freq="D", name="day")
        return pd.DataFrame({"promo": (np.arange(len(days)) % 3 == 0) + 0.0}, index=days)

    return pd.concat({name: one(part.index.get_level_values("day")) for name, part in y.groupby(level=0)}, names=["s"])


@pytest.fixture(scope="module", params=[ZERO_SHOT, SMALL, NETWORKS], ids=["zero-shot", "fitted", "networks"])
def fitted(request):
    return JumboForecaster(**request.param).fit(panel(), fh=range(1, 4))


# ---- some of its series


def test_some_series_are_forecast_as_among_all(fitted):
    some = fitted.select(["c", "a"])
    rows = ["a", "c"]
    for ask in ("predict", "predict_interval", "predict_var"):
        pd.testing.assert_frame_equal(getattr(some, ask)(), getattr(fitted, ask)().loc[rows], rtol=1e-5)
    pd.testing.assert_frame_equal(some.weights_, fitted.weights_.loc[rows], rtol=1e-5)
    assert list(fitted.select("b").predict().index.unique(0)) == ["b"]


def test_a_series_that_ended_early_is_forecast_at_the_times_of_the_panel():
    y = pd.concat([panel("ab"), pd.concat({"c": series(60)}, names=["s"])])
    forecaster = JumboForecaster(**ZERO_SHOT).fit(y, fh=[1, 2])
    pd.testing.assert_frame_equal(forecaster.select("c").predict(), forecaster.predict().loc[["c"]])


def test_series_of_a_hierarchy_are_selected_by_tuples():
    y = pd.concat({("north", "a"): series(), ("north", "b"): series(seed=1), ("south", "a"): series(seed=2)})
    forecaster = JumboForecaster(**ZERO_SHOT).fit(y.rename_axis(["region", "shop", "day"]), fh=[1, 2])
    some = forecaster.select([("south", "a"), ("north", "b")]).predict()
    pd.testing.assert_frame_equal(some, forecaster.predict().iloc[2:])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a", "nroth"], "no series 'nroth': there are 'a', 'north'; the nearest is 'north'"),
        ("x", "no series 'x': there are 'a', 'north'"),
        ([["a"]], r"no series \['a'\]: there are 'a', 'north'"),
        ([], "no name is given: give the names of the series to select"),
    ],
)
def test_names_that_the_panel_lacks(names, message):
    forecaster = JumboForecaster(**ZERO_SHOT).fit(panel(["a", "north"]), fh=[1])
    with pytest.raises(ValueError, match=message):
        forecaster.select(names)


def test_of_a_single_series_nothing_is_selected():
    with pytest.raises(ValueError, match="fitted to a single series, there is nothing to select: call predict"):
        JumboForecaster(**ZERO_SHOT).fit(series(), fh=[1]).select("sales")


# ---- other series


def test_other_series_are_forecast_as_if_they_had_been_among_those_of_fit(fitted):
    """Applied to its own series, it says the same; to others, what it would say of them after an update."""
    same = fitted.apply(panel())
    pd.testing.assert_frame_equal(same.predict(), fitted.predict(), rtol=1e-5)
    pd.testing.assert_frame_equal(same.predict_interval(), fitted.predict_interval(), rtol=1e-5)
    new = panel("de") + 7
    updated = fitted.apply(panel()).update(new, update_params=False)
    pd.testing.assert_frame_equal(fitted.apply(new).predict(), updated.predict().loc[["d", "e"]], rtol=1e-5)


def test_the_fitted_one_does_not_change(fitted, tmp_path):
    fitted.save(tmp_path / "before.safetensors")
    other = fitted.apply(panel("xy") * 3)
    other.predict(fh=[1, 9])
    other.set_budget(keep_rate=0.5)
    other.update(panel("xy", T=40, start="2020-03-31"))
    some = fitted.select("a")
    some.update(panel("a", T=40, start="2020-03-31"))
    some.set_config(warnings="off")
    assert fitted.get_config()["warnings"] == "on"
    fitted.save(tmp_path / "after.safetensors")
    assert (tmp_path / "before.safetensors").read_bytes() == (tmp_path / "after.safetensors").read_bytes()
    assert fitted.cutoff[0] == pd.Timestamp("2020-03-30") and other.cutoff[0] == pd.Timestamp("2020-05-09")


def test_containers_and_names_are_those_of_the_new_series(fitted):
    one = fitted.apply(series(30).squeeze().rename("turnover")).predict()
    assert isinstance(one, pd.Series) and one.name == "turnover"
    assert one.index[0] == pd.Timestamp("2020-01-31")
    many = fitted.apply(panel("xyz", T=20)).predict()
    assert many.index.names == ["s", "day"] and len(many) == 9
    from_one = JumboForecaster(**ZERO_SHOT).fit(np.arange(30.0), fh=[1])
    assert from_one.apply(np.arange(5.0)).predict().shape == (1, 1)
    assert from_one.apply(np.zeros((4, 1, 9))).predict().shape == (4, 1, 1)


@pytest.mark.parametrize("T", [1, 2, 5])
def test_short_series_and_holes(fitted, T):
    y = panel("xy", T=T)
    y.iloc[0] = np.nan if T > 1 else 1.0
    assert np.isfinite(fitted.apply(y).predict_interval().to_numpy()).all()


def test_the_floor_is_that_of_the_new_values(fitted):
    falling = pd.DataFrame({"sales": np.linspace(20.0, 0.5, 40)}, index=series(40).index)
    positive, negative = fitted.apply(falling), fitted.apply(falling - 10)
    assert positive.predict_quantiles(fh=range(1, 30), alpha=[0.01]).min().item() == 0
    assert negative.predict_quantiles(fh=range(1, 30), alpha=[0.01]).min().item() < -10


@pytest.mark.parametrize("options", [SMALL, dict(SMALL, past_covariates="all")])
def test_covariates_of_the_new_series(options):
    y = panel()
    X = promotions(y)
    forecaster = JumboForecaster(**options).fit(y, X=X.loc[y.index], fh=range(1, 4))
    new = panel("uv", T=50, start="2021-02-01")
    ahead = promotions(new)
    other = forecaster.apply(new, X=ahead.loc[new.index])
    known = None if options.get("past_covariates") else ahead
    assert np.isfinite(other.predict(X=known)["sales"]).all()
    same = forecaster.apply(y, X=X.loc[y.index])
    known = None if options.get("past_covariates") else X
    pd.testing.assert_frame_equal(same.predict(X=known), forecaster.predict(X=known), rtol=1e-5)
    with pytest.raises(ValueError, match=r"fitted with the columns \['promo'\] of X: give the same columns to apply"):
        forecaster.apply(new)
    if known is not None:  # X may tell of more series than are forecast
        pd.testing.assert_frame_equal(
            forecaster.select("b").predict(X=X), forecaster.predict(X=X).loc[["b"]], rtol=1e-5
        )


def test_a_series_that_X_lacks_is_told_with_the_nearest():
    y = panel(["north", "south"])
    X = promotions(y)
    forecaster = JumboForecaster(**SMALL).fit(y, X=X.loc[y.index], fh=[1])
    with pytest.raises(ValueError, match="no row in X of the series 'north': .*nearest is 'nroth'.*with select"):
        forecaster.predict(X=X.rename({"north": "nroth"}))
    with pytest.raises(ValueError, match="X does not cover the horizon: there is no row at 2020-03-31 .* of north"):
        forecaster.predict(X=X[(X.index.get_level_values(0) == "south") | (X.index.get_level_values(1) < "2020-03-31")])


def test_what_was_applied_is_saved_and_applied_again(fitted, tmp_path):
    other = fitted.apply(panel("xy", T=40))
    other.save(tmp_path / "other.safetensors")
    loaded = JumboForecaster.load(tmp_path / "other.safetensors")
    pd.testing.assert_frame_equal(loaded.predict(), other.predict())
    pd.testing.assert_frame_equal(loaded.apply(panel()).predict(), fitted.predict(), rtol=1e-5)


def test_what_pretraining_learned_goes_along():
    forecaster = JumboForecaster(horizon=3, **SMALL).pretrain(panel()).fit(panel(), fh=[1, 2])
    other = forecaster.apply(panel("x"))
    assert other.pretrained_ is forecaster.pretrained_
    assert other.fit(panel("y"), fh=[1]).design_ == forecaster.design_


def two_columns():
    return pd.concat([series(), series().add_prefix("un")], axis=1)


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        (two_columns(), ValueError, "fitted on series of 1 columns, apply got 2: give the same columns"),
        (series().to_period(), TypeError, "y has periods of frequency D, the series have dates without a time zone"),
        (series().set_axis(range(90)), TypeError, "y has integers, the series have dates without a time zone"),
        (
            series().set_axis(pd.date_range("2020", periods=90, freq="h")),
            ValueError,
            "2020-01-01 01:00:00 in y is none of the times of the frequency D",
        ),
        (
            series().set_axis(pd.date_range("2020-01-06", periods=90, freq="7D")),
            ValueError,
            "fitted on times of the frequency D, but y goes on as 2020-01-06 00:00:00, 2020-01-13.*freq='D'",
        ),
        (
            pd.concat({"u": series(20), "v": series(20) * np.nan}, names=["s"]),
            ValueError,
            "y has no observation of series 'v': give at least one value, or leave the series out",
        ),
        (series() * np.nan, ValueError, "y has no observation: give at least one value"),
        (series()[:0], ValueError, "y is empty"),
        (series().where(series() < 24, np.inf), ValueError, "infinite values"),
    ],
)
def test_series_that_cannot_be_taken(y, error, message):
    forecaster = JumboForecaster(**ZERO_SHOT).fit(panel(), fh=[1])
    with pytest.raises(error, match=message):
        forecaster.apply(y).predict()
    assert forecaster.predict().shape == (3, 1)


def test_columns_are_matched_by_name():
    y = two_columns()
    forecaster = JumboForecaster(**ZERO_SHOT).fit(y, fh=[1])
    pd.testing.assert_frame_equal(forecaster.apply(y[y.columns[::-1]]).predict(), forecaster.predict())
    with pytest.raises(ValueError, match=r"fitted on the columns \['sales', 'unsales'\], got the columns"):
        forecaster.apply(y.rename(columns={"sales": "price"}))


def test_rows_may_be_missing_where_freq_says_so():
    weekly = series(140)[::7]
    forecaster = JumboForecaster(freq="D", **ZERO_SHOT).fit(series(), fh=[1])
    assert forecaster.apply(weekly).predict().index[0] == weekly.index[-1] + pd.Timedelta(days=1)
