"""Covariates that never change within a series, but tell series apart: the kind of a shop, or its size."""

import numpy as np
import pandas as pd
import pytest
import torch

pytest.importorskip("sktime")
from timeseries import JumboForecaster
from timeseries.data.covariates import Covariates
from timeseries.data.windows import Panel
from timeseries.networks.network import ForecastNet
from timeseries.networks.patching import InstanceNorm

T, H = 30, 6


def shops(n=200, seed=0, names="s"):
    """Malls grow and kiosks shrink, by so little in each step that noise hides it; and what is known of each shop."""
    rng = np.random.default_rng(seed)
    mall = rng.integers(0, 2, n)
    values = 100 + np.cumsum((2 * mall - 1)[:, None] + 3 * rng.normal(size=(n, T + H)), axis=1)
    index = pd.MultiIndex.from_product([[f"{names}{i:03d}" for i in range(n)], range(T + H)], names=["shop", "day"])
    known = dict(kind=np.repeat(np.array(["kiosk", "mall"])[mall], T + H), area=np.repeat(1e6 + 500.0 * mall, T + H))
    X = pd.DataFrame(known | dict(moving=rng.normal(size=n * (T + H))), index=index)
    return pd.DataFrame({"sales": values.ravel()}, index=index), X


def fit(y, X, **options):
    past = y.index.get_level_values("day") < T
    forecaster = JumboForecaster(**dict(max_epochs=0, pretrained=None, random_state=0) | options)
    return forecaster.fit(y[past], X=None if X is None else X[past], fh=range(1, H + 1))


def error(forecaster, y, X):
    truth = y[y.index.get_level_values("day") >= T]
    return (forecaster.predict(X=X) - truth).abs().to_numpy().mean()


@pytest.mark.parametrize("normalisation", ["standard", "last", "difference"])
@pytest.mark.parametrize("columns", [["kind"], ["area"], ["moving", "kind"]])
def test_what_tells_series_apart_is_used(normalisation, columns):
    y, X = shops()
    without = error(fit(y, None, normalisation=normalisation), y, None)
    assert error(fit(y, X[columns], normalisation=normalisation), y, X[columns]) < 0.96 * without


def test_its_unit_does_not_matter():
    y, X = shops(40)
    a, b = (fit(y, x).predict(X=x) for x in (X[["area"]], 1000 * X[["area"]] - 7e8))
    pd.testing.assert_frame_equal(a, b, rtol=1e-4)


def test_new_and_loaded_series_are_told_apart_by_the_measures_of_fit(tmp_path):
    """Among malls alone, a mall is still a mall."""
    y, X = shops()
    X = X[["area"]]
    forecaster = fit(y, X)
    new, about = shops(40, seed=1, names="n")
    past = new.index.get_level_values("day") < T
    malls = (about["area"] > 1e6).to_numpy()
    expected = forecaster.apply(new[past], X=about.loc[past, ["area"]]).predict(X=about[["area"]])
    forecaster.save(tmp_path / "one.safetensors")
    for fitted in (forecaster, JumboForecaster.load(tmp_path / "one.safetensors")):
        some = fitted.apply(new[past & malls], X=about.loc[past & malls, ["area"]])
        out = some.predict(X=about.loc[malls, ["area"]])
        pd.testing.assert_frame_equal(out, expected.loc[out.index.unique(0)], rtol=1e-5)


def test_pretraining_fixes_what_is_static():
    y, X = shops(20)
    X = X[["kind", "area"]]
    forecaster = JumboForecaster(
        embed_dim=4, num_heads=2, depth=1, jumbo_multiplier=2, pretrain_epochs=1, max_epochs=0, random_state=0
    )
    forecaster.pretrain(y, X=X)
    assert forecaster.design_.static == (True, True, True)
    one = slice("s003", "s003")
    static = forecaster._covariates.static
    forecaster.fit(y.loc[one], X=X.loc[one], fh=[1, 2])  # in one series alone, nothing differs between series
    assert forecaster._covariates.static == static


def test_which_columns_are_static():
    _, X = shops(5)
    X["flag"] = 1.0  # says nothing
    X["gaps"] = X["area"].where(X.index.get_level_values("day") % 2 == 0)
    found = Covariates.of(X, None)
    assert found.channels == [True] * 6  # two of the kind
    assert found.still == [True, True, True, False, False, True]
    assert found.static[2] == pytest.approx((X["area"].mean(), X["area"].std(ddof=0)))
    assert Covariates.of(X.loc["s000"], None).still == []
    assert Covariates.of(X[["moving", "flag"]], None).static is None


def test_panels_and_networks_leave_static_channels_as_they_are():
    series = [np.column_stack([np.arange(9.0), np.full(9, 3.0)]), np.column_stack([np.arange(5.0), np.full(5, -1.0)])]
    panel = Panel(series, [1])
    assert panel.values[1].tolist() == [3.0] * 9 + [-1.0] * 5
    x = torch.from_numpy(series[0].T[None]).float()
    for kind in ("standard", "last", "difference"):
        normed, _, stats = InstanceNorm(kind, static=(False, True))(x)
        plain, *_ = InstanceNorm(kind)(x[:, :1])
        assert torch.equal(normed[:, 1:], x[:, 1:]) and torch.equal(normed[:, :1], plain)
    network = ForecastNet(
        6, 3, (0.1, 0.5, 0.9), 3, 3, (True, True), (False, True), 1, embed_dim=4, depth=1, num_heads=2
    )
    x = torch.randn(2, 3, 9)
    x[:, 2] = torch.tensor([[2.0], [5.0]])
    observed = torch.ones(2, 3, 9, dtype=torch.bool)
    observed[1, 2, 3:] = False
    lags, _, ahead, _ = network.linear_inputs(x, observed)
    assert lags.shape == (2, 7) and lags[:, -1].tolist() == [2.0, 5.0] and ahead.shape == (2, 3, 2)
