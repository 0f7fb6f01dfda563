"""The frequency of an index without ``freq``: found in the times, or refused where they leave a doubt."""

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

_MONTHLY = (  # a flag of dates and the offset that goes from one such date to the next
    (lambda d: d.is_month_start, pd.offsets.MonthBegin),
    (lambda d: d.is_month_end, pd.offsets.MonthEnd),
    (lambda d: pd.offsets.BMonthBegin().rollback(d) == d, pd.offsets.BMonthBegin),
    (lambda d: pd.offsets.BMonthEnd().rollforward(d) == d, pd.offsets.BMonthEnd),
)
_MANY_WEEKENDS = 4  # with this many weekends without a date, dates count as business days
_MANY = 6  # after this many weeks without a Friday, say, Fridays seem to be left out on purpose; so for hours of a day


class Uneven(ValueError):
    """Times without a common frequency.

    Attributes:
        time: The first time that does not fit.
    """

    def __init__(self, message: str, time: object) -> None:
        super().__init__(message)
        self.time = time


def frequency_of(dates: pd.DatetimeIndex) -> pd.offsets.BaseOffset:
    """The frequency of rising, distinct dates, some of which may be missing.

    Days, months and business days are counted in the dates' time zone, anything shorter in UTC.

    Raises:
        Uneven: If there is no frequency, or more than one fits. The message names the first time that does not fit.
    """
    if len(dates) < 3:
        raise Uneven(
            f"{' and '.join(map(str, dates))} are too few dates to find their frequency: give freq, such as "
            "freq='D', or use a PeriodIndex",
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
    length = pd.Timedelta(step, unit=dates.unit)
    day = pd.Timedelta(days=1)
    if day % length == pd.Timedelta(0) and (never := _never(times, step, day // length)) is not None:
        first = dates[0] + never * length
        raise Uneven(
            f"there is never a row at {first.time()}, first missing on {first.date()}: give "
            f"freq={to_offset(length).freqstr!r} if these rows are missing values, or a freq without them, such as "
            "'bh'",
            first,
        )
    return to_offset(length)


def common_step(numbers: np.ndarray) -> int | None:
    """The greatest common divisor of the differences of rising integers, if it is also their most common value; else
    None.

    If rows are missing at random, most neighbours are still one step apart. If the divisor is not the most common
    difference, it is an accident of the times.
    """
    if len(numbers) < 2:
        return None
    gaps, counts = np.unique(np.diff(numbers), return_counts=True)
    step = int(np.gcd.reduce(gaps))
    return step if step == gaps[0] and counts[0] == counts.max() else None


def uneven(times: pd.Index, numbers: np.ndarray) -> Uneven:
    """The error for times without a common step, which names the first gap that does not fit; ``numbers`` are the times
    as integers."""
    gaps = np.diff(numbers)
    found, counts = np.unique(gaps, return_counts=True)
    usual = found[counts.argmax()]
    odd = int(np.flatnonzero(gaps % usual)[0]) if (gaps % usual).any() else int(gaps.argmax())
    first = int(np.flatnonzero(gaps == usual)[0])
    return Uneven(
        f"the times from {times[0]} to {times[-1]} are not evenly spaced, so future steps have no time: most often the "
        f"next time comes {times[first + 1] - times[first]} later, but after {times[odd]} comes {times[odd + 1]}. Give "
        "their freq, reindex with y.asfreq(...), which puts NaN where nothing was observed, or use a PeriodIndex",
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
    """Business days, if there are many weekends and none has a date."""
    dates = days.to_numpy().astype("datetime64[D]")
    if (days.dayofweek >= 5).any() or common_step(np.busday_count(dates[0], dates)) != 1:
        return None
    weekends = np.busday_count(dates[0], dates[-1], weekmask="Sat")
    if not weekends:
        return None
    if weekends < _MANY_WEEKENDS:
        gap = int((np.diff(dates).astype(np.int64) > 1).argmax())
        raise Uneven(
            f"dates are missing, the first after {days[gap]}, and none falls on a weekend: they may be days or "
            "business days. Give freq='D' or freq='B'",
            days[gap + 1],
        )
    return pd.offsets.BusinessDay()


def _daily(days: pd.DatetimeIndex) -> pd.offsets.BaseOffset | None:
    """A step of one or more days, unless the missing days are always the same days of the week."""
    dates = days.to_numpy().astype("datetime64[D]").astype(np.int64)
    step = common_step(dates)
    if step == 1 and (never := _never(dates, 1, 7)) is not None:
        first = days[0] + pd.Timedelta(days=never)
        raise Uneven(
            f"there is never a {first.day_name()}, first missing on {first.date()}: give freq='D' if these days are "
            "missing values, or freq=pd.offsets.CustomBusinessDay(weekmask=...) if they do not count",
            first,
        )
    return None if step is None else pd.offsets.Day(step)


def _never(numbers: np.ndarray, step: int, cycle: int) -> int | None:
    """The first position in a cycle of ``cycle`` steps that rising integers never take, if such positions explain most
    of the missing integers; else None."""
    places = (numbers - numbers[0]) // step
    cycles = (places[-1] + 1) // cycle
    if cycles < _MANY:
        return None
    seen = np.bincount(places % cycle, minlength=cycle)
    never = np.flatnonzero(seen == 0)
    missing = places[-1] + 1 - len(places)
    return int(never[0]) if len(never) and 2 * len(never) * cycles >= missing else None
