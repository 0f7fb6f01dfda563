"""Scores against plain transcriptions of their definitions."""

import dataclasses

import numpy as np
import pytest

pytest.importorskip("sktime")
from tests.timeseries.evaluation.panels import waves
from timeseries.evaluation import QUANTILES, hold_out, probabilities, score_panel
from timeseries.evaluation.scores import seasonal_naive


@pytest.fixture
def made():
    """A panel, point forecasts, quantiles and their probabilities."""
    held_out, rng = hold_out(waves()), np.random.default_rng(1)
    alpha = probabilities((0.8, 0.95))
    center = held_out.future + rng.normal(size=held_out.future.shape)
    spread = np.sort(rng.normal(scale=0.7, size=(*center.shape, len(alpha))), axis=-1)
    return held_out, center, center[..., None] + spread, alpha


def mase(past, truth, forecast, m):
    scale = sum(abs(past[t] - past[t - m]) for t in range(m, len(past))) / (len(past) - m)
    return sum(abs(y - f) for y, f in zip(truth, forecast, strict=True)) / len(truth) / scale


def smape(truth, forecast):
    return 200 / len(truth) * sum(abs(y - f) / (abs(y) + abs(f)) for y, f in zip(truth, forecast, strict=True))


def msis(past, truth, low, high, m, a=0.05):
    scale = sum(abs(past[t] - past[t - m]) for t in range(m, len(past))) / (len(past) - m)
    total = 0.0
    for y, lower, upper in zip(truth, low, high, strict=True):
        total += upper - lower
        if y < lower:
            total += 2 / a * (lower - y)
        if y > upper:
            total += 2 / a * (y - upper)
    return total / len(truth) / scale


def wql(truth, quantiles, alpha):
    """Chronos: for each quantile twice the pinball loss over all items, by the sum of absolute values."""
    losses = []
    for q in QUANTILES:
        total = 0.0
        for n in range(len(truth)):
            for y, f in zip(truth[n], quantiles[n, :, alpha.index(q)], strict=True):
                total += 2 * (q * (y - f) if y > f else (1 - q) * (f - y))
        losses.append(total / sum(abs(y) for row in truth for y in row))
    return sum(losses) / len(losses)


def test_scores(made):
    held_out, center, quantiles, alpha = made
    scores, pooled = score_panel(held_out, center, quantiles, alpha, (0.8, 0.95))
    for n, (past, truth) in enumerate(zip(held_out.past, held_out.future, strict=True)):
        low, high = quantiles[n, :, alpha.index(0.025)], quantiles[n, :, alpha.index(0.975)]
        assert scores["MASE"][n] == pytest.approx(mase(past, truth, center[n], 4))
        assert scores["sMAPE"][n] == pytest.approx(smape(truth, center[n]))
        assert scores["MSIS"][n] == pytest.approx(msis(past, truth, low, high, 4))
        assert scores["coverage 95"][n] == np.mean([a <= y <= b for a, y, b in zip(low, truth, high, strict=True)])
    inner = (quantiles[..., alpha.index(0.1)] <= held_out.future) & (
        held_out.future <= quantiles[..., alpha.index(0.9)]
    )
    assert np.array_equal(scores["coverage 80"], inner.mean(axis=1)) and 0 < inner.mean() < 1
    assert pooled == pytest.approx(wql(held_out.future, quantiles, alpha))


def test_probabilities_and_levels(made):
    held_out, center, _, _ = made
    assert probabilities((0.8, 0.95)) == [0.025, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.975]
    assert probabilities((0.9,))[:3] == [0.025, 0.05, 0.1]
    alpha = probabilities((0.9, 1 / 3))
    scores, _ = score_panel(held_out, center, np.repeat(center[..., None], len(alpha), -1), alpha, (0.9, 1 / 3))
    assert {name for name in scores if name.startswith("coverage")} == {"coverage 90", "coverage 33.3333"}
    for level in (0, 1, 95):
        with pytest.raises(ValueError, match=f"level {level}: give numbers between 0 and 1"):
            probabilities((level,))


def test_steps_that_were_not_observed_do_not_count(made):
    held_out, center, quantiles, alpha = made
    future = held_out.future.copy()
    future[:, 2] = np.nan
    with_gap, pooled = score_panel(dataclasses.replace(held_out, future=future), center, quantiles, alpha)
    kept = [0, 1, 3, 4]
    without = dataclasses.replace(held_out, future=held_out.future[:, kept], steps=held_out.steps[kept])
    expected, pooled_too = score_panel(without, center[:, kept], quantiles[:, kept], alpha)
    assert all(np.allclose(with_gap[name], expected[name]) for name in expected) and pooled == pytest.approx(pooled_too)
    future[0] = np.nan
    scores, _ = score_panel(dataclasses.replace(held_out, future=future), center, quantiles, alpha)
    assert all(np.isnan(scores[name]).tolist() == [True, False, False] for name in scores)


def test_series_without_a_scale(made):
    held_out, center, quantiles, alpha = made
    past = [np.ones(20), held_out.past[1][:4], held_out.past[2]]  # constant; no longer than a season
    scores, pooled = score_panel(dataclasses.replace(held_out, past=past), center, quantiles, alpha)
    for name in ("MASE", "MSIS"):
        assert np.isnan(scores[name]).tolist() == [True, True, False]
    for name in ("sMAPE", "coverage 80"):
        assert not np.isnan(scores[name]).any()
    assert pooled == pytest.approx(wql(held_out.future, quantiles, alpha))  # these series count


def test_a_forecast_of_nothing_but_zeros(made):
    held_out, center, quantiles, alpha = made
    nothing = dataclasses.replace(held_out, future=np.zeros_like(center))
    scores, pooled = score_panel(nothing, np.zeros_like(center), np.zeros_like(quantiles), alpha)
    assert scores["sMAPE"].tolist() == [0, 0, 0] and np.isnan(pooled)


def test_the_seasonal_naive_forecast():
    held_out = hold_out(waves(), fh=6)
    found = seasonal_naive(held_out)
    for n, past in enumerate(held_out.past):
        assert found[n].tolist() == [*past[-4:], *past[-4:-2]]
    gaps = [held_out.past[0].copy(), np.array([7.0, 8.0]), held_out.past[2]]
    gaps[0][-4] = np.nan
    found = seasonal_naive(dataclasses.replace(held_out, past=gaps))
    assert found[0, 0] == gaps[0][-8] and found[1].tolist() == [8, 8, 7, 8, 8, 8]
