"""Panels in the format of the Monash archive (Godahewa et al., NeurIPS 2021 Datasets and Benchmarks): .tsf files.

sktime has a reader for them, too. But its errors name no line, it refuses series without any observed value, and it
drops the dates of all series if one lies beyond the range of nanoseconds, as in M4 yearly.
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ..checks import check_count

_PERIODS = dict(yearly="Y", quarterly="Q", monthly="M")  # they are no fixed number of seconds
_SECONDS = {
    "weekly": 7 * 86_400,
    "daily": 86_400,
    "hourly": 3600,
    "half_hourly": 1800,
    "10_minutes": 600,
    "minutely": 60,
    "4_seconds": 4,
}
# steps in a season, as in the M4 competition and, below the hour, a day or, below the minute, an hour (GluonTS)
_SEASONS = dict(monthly=12, quarterly=4, yearly=1, weekly=1, daily=1, hourly=24, half_hourly=48, minutely=1440)
_SEASONS |= {"10_minutes": 144, "4_seconds": 900}
_START = "%Y-%m-%d %H-%M-%S"


@dataclass(frozen=True)
class SeriesPanel:
    """Series of one frequency, with the horizon to forecast.

    Attributes:
        table: In sktime's "pd-multiindex" format, one column: series in the order of the file, each from its own start
            and of its own length. Months, quarters and years are periods, shorter steps are timestamps.
        horizon: Steps to forecast; None if the file does not say it.
        frequency: As the file has it, such as "monthly"; None if it does not say it.
        season: Steps in a season.
        name: Of the data set.
    """

    table: pd.DataFrame
    horizon: int | None = None
    frequency: str | None = None
    season: int = 1
    name: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.table, pd.DataFrame) or self.table.index.nlevels != 2 or self.table.shape[1] != 1:
            raise ValueError(
                "a SeriesPanel takes a table of one column with an index of series and time, got "
                f"{type(self.table).__name__} with {getattr(self.table.index, 'nlevels', 0)} levels and "
                f"{np.shape(self.table)[1:]} columns: see load_tsf"
            )
        check_count("season", self.season, "step")
        if self.horizon is not None:
            check_count("horizon", self.horizon, "step")

    @property
    def names(self) -> list[Hashable]:
        """Of the series, in their order."""
        return list(self.table.index.get_level_values(0).unique())

    def some(self, count: int) -> "SeriesPanel":
        """Of so many series, evenly spaced in the order of the file; all of them if there are fewer."""
        check_count("series", count)
        names = self.names
        if count >= len(names):
            return self
        chosen = [names[i] for i in np.linspace(0, len(names) - 1, count).round().astype(int)]
        kept = self.table.index.get_level_values(0).isin(chosen)
        table = self.table[kept]
        table.index = table.index.remove_unused_levels()
        return SeriesPanel(table, self.horizon, self.frequency, self.season, self.name)


def load_tsf(path: str | Path, season: int | None = None) -> SeriesPanel:
    """Read a panel of series from a .tsf file.

    Args:
        path: The file. Missing values ("?") become NaN.
        season: Steps in a season. Default: 12 of months, 4 of quarters, 24 of hours, 1 of years, weeks and days; the
            steps of a day, or of an hour, where they are shorter than an hour, or than a minute.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is malformed, with the number of the first line that is.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no data at {path}: give a .tsf file")
    head = _Head()
    found: dict[str, _Series] = {}
    for number, line in _lines(path):
        try:
            if line.startswith("@"):
                head.take(line)
            else:
                name, series = head.series_of(line, len(found))
                if name in found:
                    raise ValueError(f"the series {name!r} is there already: give each a name of its own")
                found[name] = series
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from None
    if not found:
        raise ValueError(f"{path} holds no series: write them below the line @data, one series on each line")
    season = _SEASONS.get(head.frequency or "", 1) if season is None else season
    return SeriesPanel(_table(found, head.frequency), head.horizon, head.frequency, season, path.stem)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbers and text of the lines that say something."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            if (line := line.strip()) and not line.startswith("#"):
                yield number, line


class _Series(NamedTuple):
    start: datetime | None
    values: np.ndarray  # (T,)


class _Head:
    """The lines that begin with @, and the parsing of the series by them."""

    def __init__(self) -> None:
        self.attributes: list[tuple[str, str]] = []
        self.horizon: int | None = None
        self.frequency: str | None = None
        self.complete = False

    def take(self, line: str) -> None:
        """One line of the head."""
        word, *rest = line.split()
        if word == "@data":
            self.complete = True
        elif word == "@attribute":
            if len(rest) != 2 or rest[1] not in ("string", "date", "numeric"):
                raise ValueError(f"an attribute has a name and a type, string, date or numeric, got {line!r}")
            self.attributes.append((rest[0], rest[1]))
        elif word == "@horizon":
            if len(rest) != 1 or not rest[0].isdecimal() or int(rest[0]) < 1:
                raise ValueError(f"the horizon is a whole number of steps from 1, got {line!r}")
            self.horizon = int(rest[0])
        elif word == "@frequency":
            if rest[0:1] != rest or rest[0] not in {*_PERIODS, *_SECONDS}:
                raise ValueError(f"the frequency is one of {', '.join([*_PERIODS, *_SECONDS])}, got {line!r}")
            self.frequency = rest[0]

    def series_of(self, line: str, count: int) -> tuple[str, _Series]:
        """Name and values of a series; without an attribute "series_name" it is named by its place."""
        if not self.complete:
            raise ValueError(f"@data has to come before the series, got {line[:40]!r}")
        *fields, text = line.split(":")
        if len(fields) != len(self.attributes):
            raise ValueError(f"{len(self.attributes)} attributes stand before the values, got {len(fields)}")
        name, start = f"T{count + 1}", None
        for (attribute, kind), field in zip(self.attributes, fields, strict=True):
            if attribute == "series_name":
                name = field
            elif kind == "date" and self.frequency is not None:
                start = _date_of(field)
        return name, _Series(start, _values_of(text))


def _date_of(text: str) -> datetime:
    try:
        return datetime.strptime(text, _START)
    except ValueError:
        raise ValueError(f"a start is written like 1990-01-31 00-00-00, got {text!r}") from None


def _values_of(text: str) -> np.ndarray:
    words = text.split(",")
    try:
        values = np.array([np.nan if word.strip() == "?" else float(word) for word in words])
    except ValueError:
        wrong = next(word for word in words if word.strip() != "?" and not _is_number(word))
        raise ValueError(f"values are numbers, or ? where missing, got {wrong!r}") from None
    if np.isinf(values).any():
        raise ValueError("there is an infinite value: write ? for what is missing")
    return values


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _table(found: dict[str, _Series], frequency: str | None) -> pd.DataFrame:
    """One table of all series; their steps are numbers if a start is not known."""
    lengths = [len(series.values) for series in found.values()]
    steps = np.concatenate([np.arange(n) for n in lengths])
    starts = [series.start for series in found.values()]
    times: pd.Index
    if any(start is None for start in starts):
        times = pd.Index(steps)
    elif frequency in _PERIODS:
        first = [pd.Period(start, _PERIODS[frequency]).ordinal for start in starts]
        times = pd.PeriodIndex.from_ordinals(np.repeat(first, lengths) + steps, freq=_PERIODS[frequency])
    else:
        assert frequency is not None  # without one no start is read
        begins = np.repeat(np.array(starts, dtype="datetime64[us]"), lengths)
        times = pd.DatetimeIndex(begins + steps * np.timedelta64(_SECONDS[frequency] * 10**6, "us"))
    names = np.repeat(np.array(list(found), dtype=object), lengths)
    index = pd.MultiIndex.from_arrays([names, times], names=["series", "time"])
    return pd.DataFrame({"value": np.concatenate([series.values for series in found.values()])}, index=index)
