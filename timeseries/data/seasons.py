"""Seasonal periods that a frequency suggests: steps in a day, a week or a year."""

import numpy as np
import pandas as pd

from .timeline import Timeline

_MINUTE, _HOUR, _DAY, _WEEK, _YEAR = 60.0, 3600.0, 86400.0, 604800.0, 365.25 * 86400.0


def usual_periods(timeline: Timeline) -> tuple[int, int] | None:
    """Steps in the two main seasons of a frequency, 1 for none: 24 and 168 for hours, 12 and 1 for months.

    None for integers, which do not say how long a step is: then seasons can only be found in the values.
    """
    if isinstance(timeline.offset, (pd.offsets.BusinessDay, pd.offsets.CustomBusinessDay)):
        return max(1, round(5 / timeline.offset.n)), 1
    times = timeline.times(np.array([0, 48]))
    if pd.api.types.is_integer_dtype(times):
        return None
    times = times.to_timestamp() if isinstance(times, pd.PeriodIndex) else times
    step = (times[1] - times[0]).total_seconds() / 48
    if step > 0.6 * _YEAR:
        return 1, 1
    if step > 0.9 * _WEEK:
        return round(_YEAR / step), 1
    if step > 0.9 * _DAY:
        return max(1, round(_WEEK / step)), 1
    if step >= _MINUTE * 5:
        return round(_DAY / step), round(_WEEK / step)
    if step >= _MINUTE:
        return round(_HOUR / step), round(_DAY / step)
    return max(1, round(_MINUTE / step)), max(1, round(_HOUR / step))
