"""The end of every series of a panel, held out to score forecasts by."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..checks import check_count
from ..data.frames import instances_of, rows_of
from ..data.panel_timeline import timeline_for
from ..datasets import SeriesPanel


@dataclass(frozen=True)
class HeldOut:
    """A panel, cut into past and future.

    Attributes:
        names: Names of the series (n).
        past: The values that a forecaster may read: an array (T_i,) for each series, NaN where not observed.
        future: The values to forecast (n, S), NaN where not observed.
        steps: Distances of these values from the end of the past, in steps (S,).
        season: Steps in a season.
        frequency: Such as "monthly"; None if unknown.
        times: Times of the longest past. All series end with the last of them (see ``table``).
        too_short: Names of series that are left out, because nothing would remain of their past.
    """

    names: list[Hashable]
    past: list[np.ndarray]
    future: np.ndarray
    steps: np.ndarray
    season: int
    frequency: str | None
    times: pd.Index
    too_short: list[Hashable]

    def table(self) -> pd.DataFrame:
        """The past in sktime's "pd-multiindex" format.

        A forecaster of sktime has one cutoff for a whole panel: "one step ahead" is the same time in all its series. So
        series that end before others are shifted in time until all end together. Their times keep the frequency, but
        not the true position in the year.
        """
        lengths = [len(values) for values in self.past]
        names = np.repeat(np.array(self.names, dtype=object), lengths)
        places = np.concatenate([np.arange(len(self.times) - n, len(self.times)) for n in lengths])
        index = pd.MultiIndex.from_arrays([names, self.times.take(places)], names=["series", "time"])
        return pd.DataFrame({"value": np.concatenate(self.past)}, index=index)


def hold_out(panel: SeriesPanel, origin: int = 0, fh: int | Sequence[int] | None = None) -> HeldOut:
    """Hold out the end of every series.

    Args:
        panel: Its series may end at different times.
        origin: How many horizons lie between the held-out steps and the end: 0 for the last horizon, 1 for the one
            before it. Values after the held-out steps are not used.
        fh: The horizon, or the requested steps ahead, the largest of which is the horizon. Default: that of the panel.

    Raises:
        ValueError: If no horizon is known, or all series are too short. A series needs a value before the horizon.
    """
    check_count("origin", origin, least=0)
    fh = panel.horizon if fh is None else fh
    if fh is None:
        raise ValueError(f"the panel {panel.name!r} does not say its horizon: give fh, the steps to forecast")
    wanted = np.asarray(fh)
    steps = np.arange(1, wanted.item() + 1) if wanted.ndim == 0 else wanted
    if not len(steps) or steps.dtype.kind not in "iu" or steps.min() < 1 or (np.diff(steps) < 1).any():
        raise ValueError(f"fh {fh!r}: give a number of steps, or rising whole numbers from 1")
    horizon = int(steps[-1])
    timeline = timeline_for(panel.table, None)
    instances = instances_of(rows_of(panel.table, timeline, "the panel"))
    kept, too_short = [], []
    for i in instances:
        end = len(i.values) - (origin + 1) * horizon
        if end < 1 or np.isnan(i.values[:end]).all():
            too_short.append(i.key)
        else:
            kept.append((i.key, i.start + end, i.values[:end, 0], i.values[end + steps - 1, 0]))
    if not kept:
        raise ValueError(
            f"no series is longer than {(origin + 1) * horizon} steps, {origin + 1} times the horizon of {horizon}: "
            "give a smaller origin or fh"
        )
    names, ends, past, future = (list(part) for part in zip(*kept, strict=True))
    longest = max(len(values) for values in past)
    times = timeline.times(np.arange(max(ends) - longest, max(ends)))
    return HeldOut(names, past, np.stack(future), steps, panel.season, panel.frequency, times, too_short)
