"""JumboEmbedder: a table of features of series."""

import pickle

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sktime")
from sktime.utils import check_estimator

from timeseries import JumboEmbedder


def kinds(n=30, T=60, seed=0):
    """Waves, steps and noise, in turn."""
    rng = np.random.default_rng(seed)
    time = np.linspace(0, 1, T)
    forms = [np.sin(2 * np.pi * 5 * time), 2.0 * (time > 0.5), np.zeros(T)]
    return np.array([forms[i % 3] + rng.normal(0, 0.2, T) for i in range(n)])[:, None], np.arange(n) % 3


@pytest.fixture(scope="module")
def fitted():
    return JumboEmbedder().fit(kinds()[0])


def test_like_series_are_near_each_other(fitted):
    X, y = kinds(seed=1)
    known, told = fitted.transform(kinds()[0]).to_numpy(), fitted.transform(X)
    nearest = np.square(told.to_numpy()[:, None] - known).sum(2).argmin(1)
    assert (y[nearest] == y).mean() > 0.9
    assert told.shape[0] == 30 and list(told.columns[:2]) == ["f0", "f1"] and told.dtypes.nunique() == 1
    assert np.allclose(known.mean(0), 0, atol=1e-4) and (known.std(0) < 1.001).all()
    assert np.array_equal(pickle.loads(pickle.dumps(fitted)).transform(X), told)


def test_rows_are_named_as_the_series_are(fitted):
    X, _ = kinds(3)
    keys = pd.MultiIndex.from_product([["c", "a", "b"], range(60)], names=["series", "time"])
    table = fitted.transform(pd.DataFrame(dict(v=X.ravel()), index=keys))
    assert table.index.tolist() == ["c", "a", "b"]
    assert np.allclose(table, fitted.transform(X), atol=1e-4)


def test_unequal_lengths_and_holes(fitted):
    frames = [pd.DataFrame(dict(a=x[0, : 30 + n])) for n, x in enumerate(kinds(6)[0])]
    frames[2].iloc[4] = np.nan
    assert np.isfinite(fitted.transform(frames).to_numpy()).all()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (dict(pretrained=None), TypeError, "pretrained None: give 'synthetic', a path"),
        (dict(keep_rate=0), ValueError, "keep_rate 0: give a share above 0 and at most 1"),
    ],
)
def test_bad_parameters(arguments, error, message):
    with pytest.raises(error, match=message):
        JumboEmbedder(**arguments)


def test_bad_data(fitted):
    with pytest.raises(ValueError, match="series of 2 channels, fitted on series of 1"):
        fitted.transform(np.zeros((2, 2, 40)))
    X, _ = kinds(3)
    X[1] = np.nan
    with pytest.raises(ValueError, match="1 series have no observed value, the first is series 1"):
        JumboEmbedder().fit(X)
    X[1] = np.inf
    with pytest.raises(ValueError, match="infinite values"):
        fitted.transform(X)


@pytest.mark.parametrize("name", ["test_constructor", "test_fit_returns_self", "test_clone"])
def test_sktime_contract_in_part(name):
    assert check_estimator(JumboEmbedder, tests_to_run=name, raise_exceptions=True, verbose=False)


@pytest.mark.slow
def test_sktime_contract():
    results = check_estimator(JumboEmbedder, raise_exceptions=True, verbose=False)
    assert len(results) > 200 and set(results.values()) == {"PASSED"}
