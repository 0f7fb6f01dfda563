"""Seasonal periods of a frequency."""

import numpy as np
import pandas as pd
import pytest

from timeseries.data.seasons import usual_periods
from timeseries.data.timeline import timeline_of

FOUND = {
    "YS": (1, 1),
    "YE-MAR": (1, 1),
    "QS": (4, 1),
    "MS": (12, 1),
    "ME": (12, 1),
    "2MS": (6, 1),
    "W": (52, 1),
    "D": (7, 1),
    "B": (5, 1),
    "h": (24, 168),
    "30min": (48, 336),
    "15min": (96, 672),
    "10min": (144, 1008),
    "min": (60, 1440),
    "s": (60, 3600),
}


@pytest.mark.parametrize("freq", FOUND)
def test_dates(freq):
    assert usual_periods(timeline_of(pd.date_range("2020-01-01", periods=60, freq=freq))) == FOUND[freq]


@pytest.mark.parametrize(("freq", "expected"), [("M", (12, 1)), ("Q", (4, 1)), ("Y", (1, 1)), ("D", (7, 1))])
def test_periods(freq, expected):
    assert usual_periods(timeline_of(pd.period_range("2020-01", periods=60, freq=freq))) == expected


def test_durations_and_zones():
    assert usual_periods(timeline_of(pd.timedelta_range("0h", periods=9, freq="h"))) == (24, 168)
    assert usual_periods(timeline_of(pd.date_range("2020", periods=60, freq="D", tz="Europe/Paris"))) == (7, 1)


def test_integers_do_not_tell():
    assert usual_periods(timeline_of(pd.Index(np.arange(9)))) is None
