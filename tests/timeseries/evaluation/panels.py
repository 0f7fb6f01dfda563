"""Panels for tests."""

import numpy as np
import pandas as pd

from timeseries.datasets import SeriesPanel


def waves(lengths=(40, 55, 47), season=4, horizon=5, seed=0) -> SeriesPanel:
    """Quarterly series of these lengths, which begin and end at different times; names are not sorted."""
    rng = np.random.default_rng(seed)
    series = {}
    for n, length in enumerate(lengths):
        start = pd.Period("1990Q1", "Q") + 3 * n
        index = pd.period_range(start, periods=length, freq="Q", name="time")
        values = 50 + 10 * np.sin(np.pi / 2 * np.arange(length)) + rng.normal(size=length) + n
        series[f"{'cabdef'[n]}"] = pd.Series(values, index)
    return SeriesPanel(pd.concat(series, names=["series"]).to_frame("value"), horizon, "quarterly", season, "waves")
