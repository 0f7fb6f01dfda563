"""Columns of X that hold categories: a channel for each level that fit has seen."""

import warnings

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sktime")
from timeseries import JumboForecaster
from timeseries.data.categories import in_channels, levels_of

DAYS = pd.date_range("2024-01-01", periods=163)
OFFERS = np.array(["none", "flyer", "coupon"])
LIFT = dict(none=0.0, flyer=6.0, coupon=-4.0)


def small(**arguments):
    options = dict(embed_dim=4, num_heads=2, depth=1, jumbo_multiplier=2, max_epochs=0, random_state=0, pretrained=None)
    return JumboForecaster(**options | arguments)


def sales(seed=0):
    """Sales that follow what is on offer, and the offers of three days more."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"offer": OFFERS[rng.integers(0, 3, len(DAYS))], "price": rng.normal(size=len(DAYS))}, index=DAYS)
    y = pd.DataFrame({"sales": 50 + X["offer"].map(LIFT).to_numpy() + 0.3 * rng.normal(size=len(DAYS))}, index=DAYS)
    return y, X


def by_hand(X):
    """The same as numbers."""
    levels = {f"offer={level}": (X["offer"] == level) + 0.0 for level in sorted(OFFERS)}
    return pd.DataFrame(levels | {"price": X["price"]})


@pytest.fixture(scope="module")
def fitted():
    y, X = sales()
    return small().fit(y[:160], X=X[:160], fh=[1, 2, 3])


# ---- what they say


def test_offers_are_worth_what_they_bring(fitted):
    y, X = sales()
    assert (fitted.predict(X=X) - y[160:]).abs().to_numpy().max() < 1.5
    as_numbers = small().fit(y[:160], X=by_hand(X)[:160], fh=[1, 2, 3])
    pd.testing.assert_frame_equal(fitted.predict(X=X), as_numbers.predict(X=by_hand(X)))


@pytest.mark.parametrize("dtype", ["str", "string", "object", "category", pd.CategoricalDtype([*OFFERS, "never"])])
def test_texts_of_every_dtype_are_the_same(fitted, dtype):
    y, X = sales()
    other = X.astype({"offer": dtype})
    assert other["offer"].dtype == dtype
    before = other.copy()
    again = small().fit(y[:160], X=other[:160], fh=[1, 2, 3])
    pd.testing.assert_frame_equal(again.predict(X=X), fitted.predict(X=X))
    pd.testing.assert_frame_equal(fitted.predict(X=other), fitted.predict(X=X))
    pd.testing.assert_frame_equal(other, before)


@pytest.mark.parametrize("dtype", [bool, "boolean", object])
def test_booleans_are_0_and_1(dtype):
    y, X = sales()
    flags = pd.DataFrame({"flyer": X["offer"] == "flyer"})
    as_numbers = small().fit(y[:160], X=flags[:160].astype(float), fh=[1, 2, 3]).predict(X=flags.astype(float))
    given = flags.astype(dtype)
    pd.testing.assert_frame_equal(small().fit(y[:160], X=given[:160], fh=[1, 2, 3]).predict(X=given), as_numbers)


def test_in_a_panel_an_update_and_a_list_of_tables():
    parts = [sales(seed) for seed in range(3)]
    names = dict(keys=["a", "b", "c"], names=["shop", "day"])
    y, X = (pd.concat([part[n] for part in parts], **names) for n in (0, 1))
    early, ahead = (X.index.get_level_values(1) < DAYS[150]), X.index.get_level_values(1) >= DAYS[160]
    forecaster = small().fit(y[early], X=X[early], fh=[1, 2, 3])
    forecaster.update(y[~early & ~ahead], X=X[~early & ~ahead])
    assert (forecaster.predict(X=X) - y[ahead]).abs().to_numpy().max() < 2
    listed = small().fit([p[0][:150] for p in parts], X=[p[1][:150] for p in parts], fh=[1, 2, 3])
    out = listed.predict(X=[p[1][150:153] for p in parts])
    assert np.abs(np.stack(out) - np.stack([p[0][150:153] for p in parts])).max() < 2


def test_past_covariates_go_by_the_names_of_the_columns():
    y, X = sales()
    forecaster = small(past_covariates=["offer"]).fit(y[:160], X=X[:160], fh=[1, 2, 3])
    assert list(forecaster.design_.covariates) == [False] * 3 + [True]
    changed = X.assign(offer=X["offer"].where(X.index < DAYS[160], "coupon"))
    pd.testing.assert_frame_equal(forecaster.predict(X=X), forecaster.predict(X=changed))
    pd.testing.assert_frame_equal(forecaster.predict(X=X), forecaster.predict(X=X[["price"]]))
    y_past = small(past_covariates="all").fit(y[:160], X=X[:160], fh=[1, 2])
    assert list(y_past.design_.covariates) == [False] * 4 and len(y_past.predict()) == 2


def test_levels_are_saved_and_applied(fitted, tmp_path):
    y, X = sales()
    fitted.save(tmp_path / "one.safetensors")
    loaded = JumboForecaster.load(tmp_path / "one.safetensors")
    assert loaded._covariates == fitted._covariates
    only = X.assign(offer="flyer")  # the levels are those of fit, not those at hand
    pd.testing.assert_frame_equal(loaded.predict(X=only), fitted.predict(X=only))
    other = fitted.apply(y[:100], X=X[:100])
    assert (other.predict(X=X) - y[100:103]).abs().to_numpy().max() < 1.5


def test_levels_of_pretraining_hold_in_fit():
    y, X = (pd.concat({"a": part, "b": part}) for part in sales())
    forecaster = small(horizon=3, pretrain_epochs=1).pretrain(y, X=X)
    y, X = sales(1)
    fewer = X.assign(offer=X["offer"].replace("coupon", "none"))[["price", "offer"]]  # in another order, too
    forecaster.fit(y[:160], X=fewer[:160], fh=[1, 2, 3])
    assert forecaster._covariates.columns == ["offer", "price"]
    swapped = forecaster.predict(X=fewer)
    pd.testing.assert_frame_equal(swapped, forecaster.predict(X=fewer[["offer", "price"]]))
    again = forecaster.clone().fit(y[:160], X=fewer[["offer", "price"]][:160], fh=[1, 2, 3])
    pd.testing.assert_frame_equal(again.predict(X=fewer), swapped)


# ---- what is missing, unseen, or no category


def test_an_unseen_level_counts_as_missing_with_one_warning(fitted):
    _, X = sales()
    missing, unseen = (X[160:].assign(offer=["none", value, value]) for value in (np.nan, "2 for 1"))
    with pytest.warns(UserWarning, match=r"levels that were not there in fit: \['2 for 1'\] in 'offer'") as told:
        out = fitted.predict(X=unseen)
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pd.testing.assert_frame_equal(fitted.predict(X=missing), out)
        fitted.predict(X=X.assign(offer=np.nan))


def test_each_level_has_a_channel():
    X = pd.DataFrame({"n": [1, 2, 3, 4], "c": ["b", None, "a", "b"], "f": [True, False, True, True]})
    levels = levels_of(X)
    assert levels == [None, ["a", "b"], None]
    out = in_channels(X, levels).to_numpy()
    assert out.tolist() == [[1, 0, 1, 1], [2, 0, 0, 0], [3, 1, 0, 1], [4, 0, 1, 1]]
    bins = pd.DataFrame({"bin": pd.cut(pd.Series([1.0, 5.0, 9.0]), 2), "id": pd.Series([7, 3, 7]).astype("category")})
    assert in_channels(bins, levels_of(bins)).to_numpy().tolist() == [[1, 0, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1]]


@pytest.mark.parametrize(
    ("column", "error", "message"),
    [
        ([f"v{n}" for n in range(163)], ValueError, "column 'c' of X has 160 levels, at most 64 are read: group"),
        (["a", 1] * 81 + ["b"], TypeError, "column 'c' of X holds values of several kinds, int, str: make it texts"),
        ([["a"], ["b"]] * 81 + [["c"]], TypeError, "column 'c' of X holds values of several kinds, list"),
        (pd.Categorical([None] * 163, ["a"]), ValueError, "column 'c' of X has no value: leave it out"),
        (DAYS, TypeError, "column 'c' of X holds Timestamp"),
    ],
)
def test_what_is_no_category(column, error, message):
    y, X = sales()
    X["c"] = column
    with pytest.raises(error, match=message):
        small().fit(y[:160], X=X[:160], fh=[1, 2])


def test_a_column_of_numbers_stays_one(fitted):
    _, X = sales()
    with pytest.raises(ValueError, match="column 'price' of X holds categories, in fit it held numbers"):
        fitted.predict(X=X.assign(price="high"))
    with pytest.raises(TypeError, match="'three'.*give numbers"):
        small().fit(pd.Series([1, 2, "three"]))
