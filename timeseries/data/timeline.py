"""The evenly spaced times that all series share, and the conversion between times and steps."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset
from sktime.forecasting.base import ForecastingHorizon

from .frequency import Uneven, common_step, frequency_of, uneven

Frequency: TypeAlias = str | int | pd.offsets.BaseOffset | None


@dataclass(frozen=True, eq=False)
class Timeline(ABC):
    """Times one step apart, without beginning or end.

    Attributes:
        like: An empty index of the same kind as these times.
        offset: The frequency as a pandas offset; None for integers and durations.
    """

    like: pd.Index
    offset: pd.offsets.BaseOffset | None

    @abstractmethod
    def parts(self) -> dict[str, Any]:
        """The arguments from which ``timeline_from`` builds the same timeline, for saving."""

    @abstractmethod
    def locate(self, index: pd.Index) -> tuple[np.ndarray, np.ndarray]:
        """Steps (n,) int64 of times of the same kind, and which of them lie on the timeline (n,) bool."""

    @abstractmethod
    def times(self, steps: np.ndarray) -> pd.Index:
        """The times of steps (n,)."""

    @property
    @abstractmethod
    def frequency(self) -> str:
        """The frequency in words, for messages."""

    def steps(self, index: pd.Index, what: str) -> np.ndarray:
        """Steps (n,) int64 of times.

        Raises:
            TypeError: If they are of another kind than those of the timeline.
            ValueError: If one of them lies between two steps. The message names it; ``what`` is the name of the index.
        """
        self.check_kind(index, what)
        steps, among = self.locate(index)
        if not among.all():
            first = index[np.flatnonzero(~among)[0]]
            raise ValueError(
                f"{first} in {what} is none of the series' times: give times of the frequency {self.frequency} through "
                f"{self.times(np.zeros(1, dtype=np.int64))[0]}"
            )
        return steps

    def check_kind(self, index: pd.Index, what: str) -> None:
        """Raises TypeError for times of another kind: integers, periods, dates with or without a zone, durations."""
        if kind_of(index) != kind_of(self.like):
            raise TypeError(
                f"{what} has {in_words(index)}, the series have {in_words(self.like)}: give times of the same kind"
            )

    def steps_ahead(self, fh: ForecastingHorizon, end: int) -> np.ndarray:
        """Distance of the steps of a horizon from the step ``end`` (n,), int64: 0 or less for past steps."""
        values = fh.to_pandas()
        if not fh.is_relative:
            return self.steps(values, "fh") - end
        if pd.api.types.is_integer_dtype(values):
            return values.to_numpy(dtype=np.int64)
        last = self.times(np.array([end]))[0]
        return self.steps(pd.Index([last + duration for duration in values]), "fh") - end

    def dated(self, times: pd.Index, steps: np.ndarray) -> pd.Index:
        """The times with their frequency set, which pandas allows only if no step is left out."""
        if isinstance(times, pd.DatetimeIndex) and (np.diff(steps) == 1).all():
            try:
                return pd.DatetimeIndex(times, freq=self.offset)
            except ValueError:  # the clock skipped the hour of a step, when summer time began
                pass
        return times


@dataclass(frozen=True, eq=False)
class EvenTimeline(Timeline):
    """Integers, periods, durations, and dates a fixed time apart; dates with a time zone are counted in UTC.

    Attributes:
        origin: The time of step 0, as an integer in units of the index.
        step: Units from one time to the next.
    """

    origin: int
    step: int

    def parts(self) -> dict[str, Any]:
        return dict(like=self.like, offset=self.offset, origin=self.origin, step=self.step)

    def locate(self, index: pd.Index) -> tuple[np.ndarray, np.ndarray]:
        numbers, exact = integers_of(index, getattr(self.like, "unit", None))
        steps, rest = np.divmod(numbers - self.origin, self.step)
        return steps, exact & (rest == 0)

    def times(self, steps: np.ndarray) -> pd.Index:
        numbers = self.origin + self.step * np.asarray(steps, dtype=np.int64)
        like = self.like
        if isinstance(like, pd.PeriodIndex):
            return pd.PeriodIndex.from_ordinals(numbers, freq=like.freq)
        if isinstance(like, pd.TimedeltaIndex):
            return pd.TimedeltaIndex(numbers.view(f"timedelta64[{like.unit}]"))
        if isinstance(like, pd.DatetimeIndex):
            times = pd.DatetimeIndex(numbers.view(f"datetime64[{like.unit}]"))
            return self.dated(times if like.tz is None else times.tz_localize("UTC").tz_convert(like.tz), steps)
        return pd.Index(numbers, dtype=like.dtype)

    @property
    def frequency(self) -> str:
        return str(self.step) if self.offset is None else _name(self.offset)


@dataclass(frozen=True, eq=False)
class CalendarTimeline(Timeline):
    """Dates whose distance varies with the calendar: months, business days, and days in a zone with summer time.

    Attributes:
        origin: The date of step 0, in local time.
    """

    origin: pd.Timestamp

    def parts(self) -> dict[str, Any]:
        return dict(like=self.like, offset=self.offset, origin=self.origin)

    def locate(self, index: pd.Index) -> tuple[np.ndarray, np.ndarray]:
        numbers, exact = integers_of(index, "us")
        seen = index[~index.isna()].tz_localize(None) if len(index) else index
        lowest, highest = 0, 0
        if len(seen):
            while self._calendar(lowest, highest)[-1].tz_localize(None) < seen.max():
                highest = 2 * highest + 63
            while self._calendar(lowest, highest)[0].tz_localize(None) > seen.min():
                lowest = 2 * lowest - 63
        calendar = self._calendar(lowest, highest).asi8
        steps = np.searchsorted(calendar, numbers)
        among = calendar[np.minimum(steps, len(calendar) - 1)] == numbers
        return steps + lowest, exact & among

    def times(self, steps: np.ndarray) -> pd.Index:
        steps = np.asarray(steps, dtype=np.int64)
        lowest = min(int(steps.min(initial=0)), 0)
        calendar = self._calendar(lowest, max(int(steps.max(initial=0)), 0))
        return self.dated(calendar[steps - lowest].as_unit(self.like.unit), steps)

    @property
    def frequency(self) -> str:
        return _name(self.offset)

    def _calendar(self, lowest: int, highest: int) -> pd.DatetimeIndex:
        """Dates of all steps from ``lowest`` (at most 0) to ``highest`` (at least 0)."""
        before = _walk(self.offset, self.origin, 1 << (-lowest).bit_length(), False)[lowest - 1 : -1]
        dates = before.append(_walk(self.offset, self.origin, 1 << highest.bit_length(), True)[: highest + 1])
        if self.like.tz is None:
            return dates
        # of an hour that occurs twice, the first is taken; for an hour that is skipped, the next
        return dates.tz_localize(self.like.tz, ambiguous=np.ones(len(dates), dtype=bool), nonexistent="shift_forward")


def check_freq(freq: Frequency) -> None:
    """Raises ValueError if ``freq`` is not a frequency, or goes back in time."""
    try:
        step = 1 if freq is None else freq if isinstance(freq, (int, np.integer)) else to_offset(freq).n
    except (ValueError, TypeError, AttributeError):
        step = 0
    if step < 1 or isinstance(freq, bool):
        raise ValueError(
            f"freq {freq!r} is no frequency: give a frequency of pandas, such as 'D' or 'MS', or the step of integers, "
            "at least 1"
        )


def timeline_of(times: pd.Index, freq: Frequency = None) -> Timeline:
    """The timeline of rising, distinct times; some may be missing.

    Args:
        times: The times of all series together.
        freq: A frequency of pandas, or the step of integers. None: the frequency of the index, or else one found in the
            times.

    Raises:
        TypeError: If the times are not integers, periods, durations or dates.
        ValueError: If the frequency cannot be found, or does not fit the times.
    """
    like = times[:0]
    if isinstance(times, pd.TimedeltaIndex):
        like = pd.TimedeltaIndex(like, freq=None)
    if isinstance(times, pd.DatetimeIndex):
        return _of_dates(times, freq)
    if isinstance(times, pd.PeriodIndex):
        if freq is not None and to_offset(freq) != times.freq:
            raise ValueError(f"freq {freq!r}, but the periods have {times.freqstr}: use y.asfreq, or leave freq out")
        return EvenTimeline(like, times.freq, int(times.asi8[0]), times.freq.n)
    numbers, _ = integers_of(times, getattr(like, "unit", None))
    step: Any
    if isinstance(times, pd.TimedeltaIndex):
        step = None if freq is None else _units(pd.Timedelta(to_offset(freq)), like.unit)
    else:
        step = freq
        if not isinstance(freq, (int, np.integer, type(None))):
            raise TypeError(f"freq {freq!r} is for dates, the index holds integers: give their step, or use dates")
    if step is None:
        step = _step(times, numbers)
    return EvenTimeline(like, None, int(numbers[0]), int(step))


def timeline_from(parts: dict[str, Any]) -> Timeline:
    """Undo ``Timeline.parts``."""
    return EvenTimeline(**parts) if "step" in parts else CalendarTimeline(**parts)


def kind_of(index: pd.Index) -> str:
    """The kind of the times of an index, in words.

    Raises:
        TypeError: If the index does not hold times.
    """
    if isinstance(index, pd.PeriodIndex):
        return f"periods of frequency {index.freqstr}"
    if isinstance(index, pd.DatetimeIndex):
        return "dates without a time zone" if index.tz is None else "dates with a time zone"
    if isinstance(index, pd.TimedeltaIndex):
        return "durations"
    if pd.api.types.is_integer_dtype(index):
        return "integers"
    held = type(index[0]).__name__ if len(index) else index.dtype
    raise TypeError(
        f"an index of times holds {held}: make it dates with pd.to_datetime(...), or use periods, durations or integers"
    )


def in_words(index: pd.Index) -> str:
    """The kind of the times of an index, with their time zone."""
    zone = getattr(index, "tz", None)
    return kind_of(index) if zone is None else f"{kind_of(index)}, {zone}"


def integers_of(index: pd.Index, unit: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Times as integers (n,), dates and durations in units of ``unit``, and which of them this represents exactly
    (n,)."""
    if not hasattr(index, "asi8"):
        return index.to_numpy(dtype=np.int64), np.ones(len(index), dtype=bool)
    if isinstance(index, pd.PeriodIndex):
        return index.asi8, ~index.isna()
    rounded = index.as_unit(unit)
    return rounded.asi8, np.asarray(rounded == index)


def _of_dates(dates: pd.DatetimeIndex, freq: Frequency) -> Timeline:
    if isinstance(freq, (int, np.integer)):
        raise TypeError(f"freq {freq!r} is a step of integers, the index holds dates: give freq='D', for example")
    offset = to_offset(freq) if freq is not None else dates.freq or frequency_of(dates)
    origin = dates[0].tz_localize(None)
    if not offset.is_on_offset(origin):
        raise Uneven(f"{dates[0]} is no date of the frequency {_name(offset)}: give the freq of the dates", dates[0])
    length = _length(offset, dates.tz)
    if length is None:
        return CalendarTimeline(pd.DatetimeIndex(dates[:0], freq=None), offset, origin.as_unit("us"))
    if length.as_unit(dates.unit) != length:
        dates = dates.as_unit("ns")
    return EvenTimeline(pd.DatetimeIndex(dates[:0], freq=None), offset, int(dates.asi8[0]), _units(length, dates.unit))


def _length(offset: pd.offsets.BaseOffset, zone: Any) -> pd.Timedelta | None:
    """Length of an offset; None if it depends on the date."""
    if isinstance(offset, pd.offsets.Tick):
        return pd.Timedelta(offset)
    days = {pd.offsets.Day: 1, pd.offsets.Week: 7}.get(type(offset))
    return None if days is None or zone is not None else pd.Timedelta(days=days * offset.n)


def _step(times: pd.Index, numbers: np.ndarray) -> int:
    """The step of integers or durations."""
    if getattr(times, "freq", None) is not None:
        return _units(pd.Timedelta(times.freq), times.unit)
    if isinstance(times, pd.RangeIndex) and len(times) > 1:
        return times.step
    if len(numbers) == 1 and not isinstance(times, pd.TimedeltaIndex):
        return 1
    step = common_step(numbers)
    if step is not None and (len(numbers) > 2 or step == 1):
        return step
    if len(numbers) > 2:
        raise uneven(times, numbers)
    raise Uneven(f"{' and '.join(map(str, times))} are too few times to find their step: give freq", times[0])


def _units(length: pd.Timedelta, unit: str) -> int:
    return length // pd.Timedelta(1, unit=unit)


@lru_cache(maxsize=64)
def _walk(offset: pd.offsets.BaseOffset, origin: pd.Timestamp, steps: int, ahead: bool) -> pd.DatetimeIndex:
    """The dates from the origin to ``steps`` steps after it (``ahead``) or before it, rising."""
    bounds = dict(start=origin) if ahead else dict(end=origin)
    return pd.DatetimeIndex(pd.date_range(**bounds, periods=steps + 1, freq=offset, unit="us"), freq=None)


def _name(offset: pd.offsets.BaseOffset) -> str:
    return offset.freqstr
