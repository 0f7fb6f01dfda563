"""Classification of panels with missing rows: as of the same series with NaN in their places."""

import warnings

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sktime")
from timeseries import JumboClassifier

N, T = 12, 30
TIMES = dict(
    integers=pd.RangeIndex(T),
    days=pd.date_range("2024-01-01", periods=T),
    months=pd.period_range("2020-01", periods=T, freq="M"),
    zone=pd.date_range("2024-03-30", periods=T, freq="h", tz="Europe/Berlin"),
)


def panel(index) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    y = np.arange(N) % 2
    values = np.sin(np.arange(T) / (1 + 2 * y[:, None])) + 0.1 * rng.normal(size=(N, T))
    # names whose order is not that of the rows would mix up series and labels
    keys = pd.MultiIndex.from_product([[f"s{n:02}" for n in range(N)], index], names=["series", "time"])
    return pd.DataFrame({"a": values.ravel()}, index=keys), y


@pytest.fixture(scope="module")
def fitted():
    X, y = panel(TIMES["days"])
    small = dict(embed_dim=8, depth=1, num_heads=2, jumbo_multiplier=2)
    return JumboClassifier(**small, num_kernels=84, max_epochs=2, pretrained=None, random_state=0).fit(X, y)


@pytest.mark.parametrize("kind", TIMES)
def test_rows_that_are_missing_are_missing_values(fitted, kind):
    X, _ = panel(TIMES[kind])
    missing = np.random.default_rng(1).random(len(X)) < 0.2
    missing[::T] = missing[T - 1 :: T] = False
    with_nan = X.mask(pd.Series(missing, index=X.index), np.nan)
    expected = fitted.predict_proba(with_nan)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(fitted.predict_proba(X[~missing]), expected, atol=1e-6)
    assert not np.allclose(fitted.predict_proba(X), expected)


def test_fitting_counts_them_too(fitted):
    X, y = panel(TIMES["integers"])
    missing = np.arange(len(X)) % T == 7
    classifiers = [
        JumboClassifier(num_kernels=84, random_state=0).fit(table, y)
        for table in (X[~missing], X.mask(pd.Series(missing, index=X.index), np.nan))
    ]
    assert np.array_equal(*(c.predict_proba(X) for c in classifiers))


def test_times_without_a_step_are_told(fitted):
    X, _ = panel(TIMES["days"])
    odd = X.reset_index()
    rng = np.random.default_rng(0)
    odd["time"] += pd.to_timedelta(rng.integers(1, 80_000, len(odd)), unit="s")
    with pytest.warns(UserWarning, match="the times of series 's00' are not evenly spaced"):
        fitted.predict(odd.set_index(["series", "time"]))
