"""Others' methods by a worker process: their forecasts, the cache, and what goes wrong."""

import dataclasses
import sys

import numpy as np
import pytest

pytest.importorskip("sktime")
from tests.timeseries.benchmark.fakes import write_fakes
from tests.timeseries.evaluation.panels import waves
from timeseries.benchmark.cache import ForecastCache
from timeseries.benchmark.peer_worker import METHODS, without_gaps
from timeseries.benchmark.peers import WorkerError, peer_forecasts, versions_of_peers
from timeseries.evaluation import PanelScores, hold_out, probabilities
from timeseries.evaluation.scores import seasonal_naive

ALPHA = probabilities((0.8, 0.95))


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """With fake packages: how often each method was called since one last asked, less the call that warms it up."""
    write_fakes(tmp_path / "fakes")
    log = tmp_path / "calls"
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "fakes"))
    monkeypatch.setenv("FAKE_CALLS", str(log))

    def count():
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return max(len(lines) - 1, 0)

    return count


@pytest.fixture
def cache(tmp_path):
    made = ForecastCache(tmp_path / "cache")
    yield made
    made.close()


def ask(method, held_out, cache, versions=None):
    return peer_forecasts(method, held_out, ALPHA, versions or versions_of_peers(), cache)


@pytest.mark.parametrize("method", METHODS)
def test_forecasts_and_their_cache(calls, cache, method):
    held_out = hold_out(waves())
    center, quantiles, seconds, failed = ask(method, held_out, cache)
    assert center.shape == (3, 5) and quantiles.shape == (3, 5, 11) and failed == 0 and calls() == 3
    last = np.array([values[-1] for values in held_out.past])
    if METHODS[method] == "statsforecast":  # the fake's intervals reach as far as their level
        expected = seasonal_naive(held_out) if method == "SeasonalNaive" else np.repeat(last[:, None], 5, axis=1)
        widths = [-95, -80, -60, -40, -20, 0, 20, 40, 60, 80, 95]
        assert np.allclose(center, expected) and np.allclose(quantiles, expected[..., None] + widths)
    else:
        assert np.allclose(center, last[:, None], atol=0.5) and (np.diff(quantiles, axis=2) > 0).all()
    again = ask(method, held_out, cache)
    assert calls() == 0 and np.array_equal(again[0], center) and np.array_equal(again[1], quantiles)
    assert again[2] == seconds > 0


def test_only_what_is_missing_is_made(calls, cache):
    panel = waves()
    ask("AutoETS", hold_out(panel.some(1)), cache)
    calls()
    ask("AutoETS", hold_out(panel), cache)
    assert calls() == 2
    ask("AutoETS", hold_out(panel, origin=1), cache)
    assert calls() == 3
    ask("AutoETS", hold_out(panel), cache, {"statsforecast": "9.9"})
    assert calls() == 3


def test_an_interrupted_run_goes_on(calls, cache):
    held_out = hold_out(waves())
    broken = dataclasses.replace(held_out, past=[*held_out.past[:2], np.append(held_out.past[2], 666.0)])
    with pytest.raises(WorkerError, match="the worker of AutoETS ended with code 9"):
        ask("AutoETS", broken, cache)
    calls()
    ask("AutoETS", held_out, cache)
    assert calls() == 1  # the first two were kept


def test_a_series_on_which_a_method_fails(calls, cache):
    held_out = hold_out(waves((40, 18)))
    center, quantiles, _, failed = ask("AutoETS", held_out, cache)
    n = [len(values) for values in held_out.past].index(13)
    assert failed == 1 and np.array_equal(center[n], seasonal_naive(held_out)[n])
    assert (quantiles[n] == center[n, :, None]).all() and (quantiles[1 - n] != center[1 - n, :, None]).any()
    assert ask("AutoETS", held_out, cache)[3] == 1


def test_some_steps_ahead(calls, cache):
    panel = waves()
    whole = ask("SeasonalNaive", hold_out(panel, fh=5), cache)
    some = ask("SeasonalNaive", hold_out(panel, fh=[2, 5]), cache)
    assert np.array_equal(some[0], whole[0][:, [1, 4]])


def test_missing_values_are_interpolated():
    assert without_gaps(np.array([np.nan, 1, np.nan, 3, np.nan])).tolist() == [1, 2, 3, 3]


def test_missing_packages(tmp_path):
    for python, told in [
        (sys.executable, "the peers need .*: pip install .*flaircast.*--peers-python"),
        (tmp_path / "absent", "absent cannot run the peers"),
        ("/bin/true", "true cannot run the peers"),
    ]:
        if python == sys.executable and _installed():
            continue
        with pytest.raises(ValueError, match=told):
            versions_of_peers(python)


def _installed():
    try:
        return bool(versions_of_peers())
    except ValueError:
        return False


@pytest.mark.parametrize("method", METHODS)
def test_the_packages_themselves(cache, method):
    pytest.importorskip("statsforecast"), pytest.importorskip("flaircast")
    held_out = hold_out(waves((60, 64)))
    center, quantiles, seconds, failed = ask(method, held_out, cache)
    scores = PanelScores.of(held_out, center, quantiles, ALPHA, (0.8, 0.95), (0, seconds))
    assert failed == 0 and scores.mase < 1.5 and scores.coverage[0.95] > 0.5
    assert (np.diff(quantiles, axis=2) >= 0).all() and (quantiles[..., -1] > quantiles[..., 0]).all()
    if method == "SeasonalNaive":
        assert scores.mase == pytest.approx(scores.naive_mase)
