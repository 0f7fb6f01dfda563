"""Panels of many series are forecast in parts: memory stays, and the user is told how long it takes."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sktime")
from timeseries import JumboForecaster
from timeseries.fitting import blending

SMALL = dict(embed_dim=4, num_heads=2, depth=1, jumbo_multiplier=2, max_epochs=1, random_state=0)


def panel(series=7, columns=2):
    rng = np.random.default_rng(0)
    tables = {
        n: pd.DataFrame(10 + rng.normal(size=(30 + 5 * (n % 3), columns)).cumsum(axis=0)).add_prefix("v")
        for n in range(series)
    }
    return pd.concat(tables, names=["series", "time"])


def answers(forecaster):
    steps = [-3, 1, 4] if forecaster.insample else [1, 4]
    return [
        forecaster.predict(fh=steps),
        forecaster.predict_interval(fh=steps, coverage=[0.5, 0.9]),
        forecaster.weights_,
    ]


@pytest.mark.parametrize(
    "options", [dict(max_epochs=0), dict(SMALL, pretrained=None), dict(SMALL, insample=True)], ids=str
)
def test_parts_say_what_the_whole_says(options, monkeypatch):
    forecaster = JumboForecaster(**options).fit(panel(), fh=[1, 2, 3, 4])
    whole = answers(forecaster)
    monkeypatch.setattr("timeseries.estimators.forecasts._PART", 3)
    for part, at_once in zip(answers(forecaster), whole, strict=True):
        pd.testing.assert_frame_equal(part, at_once, rtol=1e-5, atol=1e-6)


def asked(monkeypatch):
    """Number of series and of quantiles that each call of the experts is asked for."""
    calls, plain = [], blending.zero_shot

    def watched(weigher, contexts, steps, levels, *more):
        calls.append((len(contexts), len(levels)))
        return plain(weigher, contexts, steps, levels, *more)

    for module in ("fitting.predicting", "estimators.forecasts"):
        monkeypatch.setattr(f"timeseries.{module}.zero_shot", watched)
    return calls


def test_nothing_is_computed_that_no_one_asks_for(monkeypatch):
    forecaster = JumboForecaster(max_epochs=0).fit(panel(columns=1), fh=[1, 2])
    calls = asked(monkeypatch)
    forecaster.predict()
    assert {levels for _, levels in calls} == {0} and sum(n for n, _ in calls) == 7
    calls.clear()
    forecaster.predict_interval()
    assert {levels for _, levels in calls} == {9}
    calls.clear()
    pytest.importorskip("matplotlib").use("Agg")
    forecaster.plot(instance=3)
    assert {n for n, _ in calls} == {1}  # not all of them for one picture


def test_a_long_forecast_says_so_once(monkeypatch, caplog, capsys):
    monkeypatch.setattr("timeseries.estimators.forecasts._PART", 2)
    forecaster = JumboForecaster(max_epochs=0).fit(panel(), fh=[1, 2])
    forecaster.predict()
    assert not caplog.records and capsys.readouterr() == ("", "")
    monkeypatch.setattr("timeseries.fitting.notice._LONG", 0.0)
    monkeypatch.setattr("timeseries.fitting.notice._LISTEN", 0.0)
    forecaster.predict_interval()
    (said,) = caplog.messages
    assert said.startswith("JumboForecaster: forecasting 7 series takes about ")
    assert said.endswith("; verbose=1 shows progress")
    caplog.clear()
    forecaster.verbose = 2  # 1 removes the bar at the end
    forecaster.predict()
    assert not caplog.records and "forecasting 7 series: 100%" in capsys.readouterr().err
    forecaster.weights_  # noqa: B018 (a property)
    assert "weighing experts of 7 series: 100%" in capsys.readouterr().err
