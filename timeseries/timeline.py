"""Steps ahead and the times they fall on: sktime's horizons, beside series that end at different times."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from sktime.forecasting.base import ForecastingHorizon

from .frames import Instance


class Timeline(NamedTuple):
    """Where "ahead" begins.

    Attributes:
        end: The last time of all series, in an index of one; None if there is none yet.
        freq: Of the dates, which the index of a panel does not carry; None if they need none.
    """

    end: pd.Index | None
    freq: str | None

    @classmethod
    def after(cls, end: pd.Index | None, freq: str | None) -> "Timeline":
        """From the last time, to which the frequency is given back."""
        return cls(end if end is None or freq is None else pd.DatetimeIndex(end, freq=freq), freq)

    def steps(self, fh: ForecastingHorizon) -> np.ndarray:
        """Of a horizon, how many after the end (n,): int64, 0 and less in the past."""
        return self._dated(fh).to_relative(self.end).to_numpy().astype(np.int64)

    def times(self, fh: ForecastingHorizon) -> pd.Index:
        """Of a horizon, on the index of the series."""
        return self._dated(fh).to_absolute_index(self.end)

    def behind(self, index: pd.Index) -> int:
        """Steps from the last one of a series to the last one of all."""
        if index[-1] == self.end[0]:
            return 0
        own_end = ForecastingHorizon(index[-1:], is_relative=False, freq=self.freq)
        return -int(own_end.to_relative(self.end).to_numpy()[0])

    def _dated(self, fh: ForecastingHorizon) -> ForecastingHorizon:
        if fh.freq is not None or self.freq is None:
            return fh
        return ForecastingHorizon(fh.to_pandas(), is_relative=fh.is_relative, freq=self.freq)


def frequency_of(instances: list[Instance]) -> str | None:
    """Of the dates in a panel; None if they are no dates, or say it themselves.

    Raises:
        ValueError: If it cannot be told.
    """
    index = max((i.index for i in instances), key=len)
    if not isinstance(index, pd.DatetimeIndex) or len(index) < 3:
        return None
    freq = index.freqstr or pd.infer_freq(index)
    if freq is None:
        raise ValueError(
            f"the dates from {index[0]} to {index[-1]} are not evenly spaced, so steps ahead have no date: reindex "
            "with y.asfreq(...), which puts NaN where nothing was observed, or use a PeriodIndex"
        )
    return freq
