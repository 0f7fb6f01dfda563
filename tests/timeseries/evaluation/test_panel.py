"""Forecasters of sktime on a panel whose end is held out."""

import json

import numpy as np
import pytest

pytest.importorskip("sktime")
from sktime.forecasting.croston import Croston
from sktime.forecasting.naive import NaiveForecaster

from tests.timeseries.evaluation.panels import waves
from timeseries import JumboForecaster
from timeseries.evaluation import evaluate_panel, hold_out, probabilities, score_panel


def quick():
    return JumboForecaster(max_epochs=0, random_state=0)


@pytest.mark.parametrize("origin", [0, 1])
def test_the_seasonal_naive_forecaster_of_sktime(origin):
    found = evaluate_panel(NaiveForecaster(sp=4), waves(), origin=origin)
    assert found.mase == pytest.approx(found.naive_mase) and found.table.index.tolist() == ["a", "b", "c"]
    assert found.table["MASE"].mean() == pytest.approx(found.mase)
    assert 0 < found.wql < 1 and 0.5 < found.coverage[0.8] <= found.coverage[0.95] <= 1
    assert found.fit_seconds > 0 and found.predict_seconds > 0
    assert list(found.table) == ["MASE", "sMAPE", "MSIS", "coverage 80", "coverage 95"]


def test_ours_is_scored_by_what_it_forecasts():
    """Each series from its own end, though they end at different times."""
    panel, forecaster = waves(), quick()
    found = evaluate_panel(forecaster, panel)
    held_out, alpha = hold_out(panel), probabilities((0.8, 0.95))
    fitted = quick().fit(held_out.table(), fh=[1, 2, 3, 4, 5])
    center, quantiles = fitted.predict(), fitted.predict_quantiles(alpha=alpha)
    center = np.stack([center.loc[name, "value"] for name in held_out.names])
    quantiles = np.stack([quantiles.loc[name].to_numpy() for name in held_out.names])
    scores, pooled = score_panel(held_out, center, quantiles, alpha)
    assert found.wql == pytest.approx(pooled) and np.allclose(found.table, np.column_stack(list(scores.values())))
    assert found.mase < 1 and not forecaster.is_fitted


def test_a_forecaster_without_quantiles():
    found = evaluate_panel(Croston(), waves())
    assert found.mase > 0 and found.smape > 0
    assert np.isnan([found.wql, found.msis, *found.coverage.values()]).all()
    told = json.loads(json.dumps(found.summary(), allow_nan=False))
    assert told["wql"] is None and told["coverage_80"] is None and told["series"] == 3


def test_what_is_left_out_is_told(tmp_path):
    lines = ["@attribute series_name string", "@horizon 2", "@data", "flat:1,1,1,1,1", "short:1,2", "fine:1,3,2,5,4,6"]
    (tmp_path / "a.tsf").write_text("\n".join(lines))
    found = evaluate_panel(NaiveForecaster(), tmp_path / "a.tsf")
    assert found.no_scale == ["flat"] and found.too_short == ["short"]
    assert found.mase == found.table.loc["fine", "MASE"] == 0.5  # errors of 1, in mean steps of 2
    assert (found.summary()["no_scale"], found.summary()["too_short"], found.summary()["series"]) == (1, 1, 2)


def test_other_steps_and_levels():
    found = evaluate_panel(NaiveForecaster(sp=4), waves(), fh=[1, 4], levels=(0.5,))
    assert list(found.coverage) == [0.5] and "coverage 50" in found.table


@pytest.mark.parametrize(
    ("forecaster", "options", "kind", "told"),
    [
        (object(), {}, TypeError, "forecasters of sktime are evaluated, got object"),
        (NaiveForecaster(), dict(levels=(80,)), ValueError, "level 80: give numbers between 0 and 1"),
        (NaiveForecaster(), dict(data="absent.tsf"), FileNotFoundError, "no data at absent.tsf"),
        (NaiveForecaster(), dict(origin=-1), ValueError, "origin must be at least 0"),
    ],
)
def test_bad_input(forecaster, options, kind, told):
    with pytest.raises(kind, match=told):
        evaluate_panel(forecaster, **{"data": waves(), **options})


class _Loses(NaiveForecaster):
    """Forgets a series."""

    def predict(self, fh=None, X=None):
        found = super().predict(fh, X)
        return found.drop("b", level=0) if found.index.nlevels == 2 else found


def test_forecasts_that_are_not_all_there_are_refused():
    with pytest.raises(ValueError, match="returned a table of .*, 3 series of 5 steps and 1 columns were asked for"):
        evaluate_panel(_Loses(), waves())
