"""The frequency of an index that does not say it: found where the times leave no doubt, refused where they do."""

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

_MONTHLY = (  # a flag of dates and the offset that goes from one such date to the next
    (lambda d: d.is_month_start, pd.offsets.MonthBegin),
    (lambda d: d.is_month_end, pd.offsets.MonthEnd),
    (lambda d: pd.offsets.BMonthBegin().rollback(d) == d, pd.offsets.BMonthBegin),
    (lambda d: pd.offsets.BMonthEnd().rollforward(d) == d, pd.offsets.BMonthEnd),
)
_MANY_WEEKENDS = 4  # without a date tell business days from days
_MANY_WEEKS = 6  # without, say, a Friday tell that Fridays are no business days


class Uneven(ValueError):
    """Times without a common frequency.

    Attributes:
        time: The first that tells so.
    """

    def __init__(self, message: str, time: object) -> None:
        super().__init__(message)
        self.time = time


def frequency_of(dates: pd.DatetimeIndex) -> pd.offsets.BaseOffset:
    """The frequency of rising, distinct dates, some of which may be missing.

    Calendar days, months and business days are counted on the clock of the dates' zone, anything shorter in UTC.

    Raises:
        Uneven: If there is none, or it is not the only one. The first trouble is named.
    """
    if len(dates) < 3:
        raise Uneven(
            f"{len(dates)} date{'s' * (len(dates) > 1)} ({', '.join(map(str, dates))}) without a frequency do not tell "
            "it: give freq, such as freq='D', or a PeriodIndex",
            dates[0],
        )
    if (found := pd.infer_freq(dates)) is not None:
        return to_offset(found)
    wall = dates.tz_localize(None)
    days = wall.normalize()
    if (wall - days).nunique() == 1:
        found = _monthly(days) or _business(days) or _daily(days)
        if found is not None:
            return found
    times = dates.asi8
    step = common_step(times)
    if step is None:
        raise uneven(dates, times)
    return to_offset(pd.Timedelta(step, unit=dates.unit))


def common_step(numbers: np.ndarray) -> int | None:
    """The step of which all differences of rising integers are multiples, if none is more common; else None.

    Where rows are missing at random, most neighbours are still one step apart. Where they are not, the greatest common
    divisor is an accident of the times.
    """
    if len(numbers) < 2:
        return None
    gaps, counts = np.unique(np.diff(numbers), return_counts=True)
    step = int(np.gcd.reduce(gaps))
    return step if step == gaps[0] and counts[0] == counts.max() else None


def uneven(times: pd.Index, numbers: np.ndarray) -> Uneven:
    """The error for times, whose integers are given, that have no common step: it names the first gap that is odd."""
    gaps = np.diff(numbers)
    found, counts = np.unique(gaps, return_counts=True)
    usual = found[counts.argmax()]
    odd = int(np.flatnonzero(gaps % usual)[0]) if (gaps % usual).any() else int(gaps.argmax())
    first = int(np.flatnonzero(gaps == usual)[0])
    return Uneven(
        f"the times from {times[0]} to {times[-1]} are not evenly spaced, so steps ahead have no time: most often the "
        f"next comes {times[first + 1] - times[first]} later, but after {times[odd]} comes {times[odd + 1]}. Give the "
        "freq they have, reindex with y.asfreq(...), which puts NaN where nothing was observed, or use a PeriodIndex",
        times[odd + 1],
    )


def _monthly(days: pd.DatetimeIndex) -> pd.offsets.BaseOffset | None:
    months = np.asarray(days.year * 12 + days.month)
    if (np.diff(months) < 1).any():
        return None
    for flags, offset in _MONTHLY:
        ends = flags(days) if offset in (pd.offsets.MonthBegin, pd.offsets.MonthEnd) else [flags(d) for d in days]
        if np.all(ends):
            step = common_step(months)
            return None if step is None else offset(step)
    return None


def _business(days: pd.DatetimeIndex) -> pd.offsets.BaseOffset | None:
    """Business days, if there is none on many weekends."""
    dates = days.to_numpy().astype("datetime64[D]")
    if (days.dayofweek >= 5).any() or common_step(np.busday_count(dates[0], dates)) != 1:
        return None
    weekends = np.busday_count(dates[0], dates[-1], weekmask="Sat")
    if not weekends:
        return None
    if weekends < _MANY_WEEKENDS:
        gap = int(np.diff(dates).argmax())
        raise Uneven(
            f"dates are missing, the first after {days[gap]}, and none falls on a weekend: they may be days or "
            "business days. Give freq='D' or freq='B'",
            days[gap + 1],
        )
    return pd.offsets.BusinessDay()


def _daily(days: pd.DatetimeIndex) -> pd.offsets.BaseOffset | None:
    """Days or every so many days, unless what is missing is the same days of each week."""
    dates = days.to_numpy().astype("datetime64[D]").astype(np.int64)
    step = common_step(dates)
    if step == 1 and dates[-1] - dates[0] >= 7 * _MANY_WEEKS:
        week = np.arange(dates[0], dates[-1] + 1)
        missing = np.setdiff1d(week, dates)
        never = np.setdiff1d(np.arange(7), dates % 7)
        always = np.isin(missing % 7, never)
        if len(never) and 2 * always.sum() >= len(missing):
            first = pd.Timestamp(int(missing[always][0]), unit="D")
            raise Uneven(
                f"there is never a {first.day_name()}, the first on {first.date()}: give freq='D' if they are missing, "
                "or freq=pd.offsets.CustomBusinessDay(weekmask=...) if they do not count",
                first,
            )
    return None if step is None else pd.offsets.Day(step)
