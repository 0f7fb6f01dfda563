"""Forecasts on disk."""

import numpy as np
import pytest

pytest.importorskip("sktime")
from timeseries.benchmark.cache import Forecast, ForecastCache


def test_a_forecast_comes_back_as_it_was(tmp_path):
    cache, other = ForecastCache(tmp_path / "new" / "cache"), ForecastCache(tmp_path / "new" / "cache")
    values = np.random.default_rng(0).normal(size=(3, 4))
    cache.put("a", Forecast(values, 1.5, None))
    cache.put("b", Forecast(values[:1], 0.0, "too short"))
    assert other.get("c") is None
    for reader in (cache, other, ForecastCache(tmp_path / "new" / "cache")):
        found = reader.get("a")
        assert np.array_equal(found.values, values) and found[1:] == (1.5, None)
        assert reader.get("b").why == "too short"
    cache.close()


def test_the_key_is_the_content():
    settings = dict(method="AutoETS", version="2.1", horizon=3, alpha=[0.1, 0.5])
    series = np.array([1.0, 2.0, np.nan])
    key = ForecastCache.key(settings, series)
    assert key == ForecastCache.key(dict(reversed(settings.items())), series.copy())
    others = [dict(settings, **change) for change in (dict(version="2.2"), dict(horizon=4), dict(alpha=[0.1, 0.6]))]
    keys = [ForecastCache.key(other, series) for other in others]
    keys += [ForecastCache.key(settings, changed) for changed in (series[:2], np.array([1.0, 2.0, 3.0]))]
    assert len({key, *keys}) == 6


def test_what_is_no_cache(tmp_path):
    (tmp_path / "forecasts.sqlite").write_text("this is no database, but a text that is longer than its head" * 20)
    with pytest.raises(ValueError, match="forecasts.sqlite is no cache .*: remove it, or name another folder"):
        ForecastCache(tmp_path)
