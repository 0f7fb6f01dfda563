"""JumboRegressor: numbers from whole series."""

import pickle

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sktime")
from sktime.utils import check_estimator

from timeseries import JumboRegressor


def ramps(n=40, T=40, seed=0):
    """Noisy waves; the number is their frequency."""
    rng = np.random.default_rng(seed)
    y = rng.uniform(2, 8, n)
    X = np.sin(2 * np.pi * y[:, None] * np.linspace(0, 1, T) + rng.uniform(0, 6, (n, 1)))
    return (X + 0.1 * rng.normal(size=(n, T)))[:, None], 1000 + 10 * y


@pytest.fixture(scope="module")
def fitted():
    return JumboRegressor(num_kernels=500, random_state=0).fit(*ramps())


def test_it_estimates_numbers(fitted):
    X, y = ramps(seed=1)
    error = np.abs(fitted.predict(X) - y).mean()
    assert error < 0.3 * np.abs(y - y.mean()).mean()
    assert fitted.network_.shares.sum() == pytest.approx(1, abs=1e-5)
    again = JumboRegressor(num_kernels=500, random_state=0).fit(*ramps())
    assert np.array_equal(again.predict(X), fitted.predict(X))
    assert np.array_equal(pickle.loads(pickle.dumps(fitted)).predict(X), fitted.predict(X))


def test_unequal_lengths_and_holes(fitted):
    X, y = ramps(20)
    X[:, :, 5] = np.nan
    frames = [pd.DataFrame(dict(a=x[0, : 30 + n % 10])) for n, x in enumerate(X)]
    regressor = JumboRegressor(num_kernels=84, random_state=0).fit(frames, y)
    assert np.isfinite(regressor.predict(frames)).all()


def test_one_number_for_all():
    X, y = ramps(6)
    assert np.allclose(JumboRegressor(num_kernels=84).fit(X, np.full(6, 3.0)).predict(X), 3.0)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (dict(num_kernels=-1), ValueError, "num_kernels must be at least 0, got -1"),
        (dict(pretrained=None), TypeError, "pretrained None: give 'synthetic', a path"),
        (dict(keep_rate=2), ValueError, "keep_rate 2: give a share above 0 and at most 1"),
    ],
)
def test_bad_parameters(arguments, error, message):
    with pytest.raises(error, match=message):
        JumboRegressor(**arguments)


def test_bad_data(fitted):
    X, y = ramps(6)
    with pytest.raises(ValueError, match="some of the numbers in y are missing or infinite"):
        JumboRegressor().fit(X, np.where(np.arange(6) == 2, np.nan, y))
    with pytest.raises(ValueError, match="series of 2 channels, fitted on series of 1"):
        fitted.predict(np.zeros((2, 2, 40)))
    X[2] = np.nan
    with pytest.raises(ValueError, match="1 series have no observed value, the first is series 2"):
        JumboRegressor().fit(X, y)
    with pytest.warns(UserWarning, match="their estimates are guesses"):
        fitted.predict(X)
    X[2] = np.inf
    with pytest.raises(ValueError, match="infinite values"):
        fitted.predict(X)


@pytest.mark.parametrize("name", ["test_constructor", "test_fit_returns_self", "test_regressor_output", "test_clone"])
def test_sktime_contract_in_part(name):
    assert check_estimator(JumboRegressor, tests_to_run=name, raise_exceptions=True, verbose=False)


@pytest.mark.slow
def test_sktime_contract():
    results = check_estimator(JumboRegressor, raise_exceptions=True, verbose=False)
    assert len(results) > 100 and set(results.values()) == {"PASSED"}
