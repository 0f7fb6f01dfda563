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
_MANY = 6  # weeks without, say, a Friday tell that Fridays do not count, as do days without a row at some hour


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
            f"{' and '.join(map(str, dates))} are too few dates to tell their frequency: give freq, such as "
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
            f"there is never a row at {first.time()}, the first on {first.date()}: give "
            f"freq={to_offset(length).freqstr!r} if they are missing, or the freq of hours that count, such as 'bh'",
            first,
        )
    return to_offset(length)


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
        gap = int((np.diff(dates).astype(np.int64) > 1).argmax())
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
    if step == 1 and (never := _never(dates, 1, 7)) is not None:
        first = days[0] + pd.Timedelta(days=never)
        raise Uneven(
            f"there is never a {first.day_name()}, the first on {first.date()}: give freq='D' if they are missing, or "
            "freq=pd.offsets.CustomBusinessDay(weekmask=...) if they do not count",
            first,
        )
    return None if step is None else pd.offsets.Day(step)


def _never(numbers: np.ndarray, step: int, cycle: int) -> int | None:
    """Of rising integers, the first place in a cycle of so many steps, counted from the first, where there is never
    one, if that is why most of those that are missing are missing; else None."""
    places = (numbers - numbers[0]) // step
    cycles = (places[-1] + 1) // cycle
    if cycles < _MANY:
        return None
    seen = np.bincount(places % cycle, minlength=cycle)
    never = np.flatnonzero(seen == 0)
    missing = places[-1] + 1 - len(places)
    return int(never[0]) if len(never) and 2 * len(never) * cycles >= missing else None
