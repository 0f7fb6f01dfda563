"""Input of the weigher: a series, the experts' forecasts, and the experts' errors on the end of the series.

Everything is in units of the series: distances from the median of the experts' forecasts at each step, divided by the
geometric mean of their one-step errors. So the level and the scale of a series make no difference.
"""

from collections.abc import Iterator

import numpy as np
import torch

from ..experts import NAMES, Opinions, cleaned, opinions
from ..networks.weighing import FACTS, PLACES, Case

_LEAST = 1e-3  # least error of an expert, as a fraction of the largest
_LONGEST_TRIAL = 64  # most steps at the end of a series on which the experts are tested
_CHUNK = 256  # series that the weigher reads at a time


class Cases:
    """Cases of n series for the weigher, and the numbers that convert its output to the units of the series.

    Attributes:
        case: See ``Case``; for n series and the H steps of the horizon.
        middle: (n, H), the median of the experts' forecasts: 0 in the units of a case.
        unit: (n, 1), the unit of a case in units of the series.
    """

    def __init__(self, values: np.ndarray, periods: np.ndarray, horizon: int, context: int) -> None:
        """Let the experts forecast, and build the cases.

        Args:
            values: Series (n, T), left-padded with NaN; NaN inside is missing.
            periods: Seasonal periods (n, P), the main one first; 1 for none.
            horizon: Steps to forecast, H.
            context: Steps that the weigher reads, L.
        """
        observed = ~np.isnan(values)
        values = cleaned(values, periods)
        heard = opinions(values, periods, horizon)
        unit = _units(values, heard)  # (n, 1)
        self.unit, self.middle = unit, np.median(heard.point, axis=1)  # (n, H)
        points = (heard.point - self.middle[:, None]) / unit[..., None]
        spreads = heard.spread / unit[..., None]
        places = (np.arange(horizon) / max(horizon - 1, 1))[None].repeat(len(values), axis=0)
        read = at_places(horizon)
        record = _record(values, periods, horizon, unit)
        briefs = [np.arcsinh(points[..., read]), np.log(spreads[..., read].clip(1e-4, 1e4))]
        briefs += [np.log((heard.error / unit).clip(_LEAST, 1 / _LEAST))[..., None], record]
        facts = [_facts(values, observed, periods, horizon, unit, record), self._path(values, read)]
        self.case = Case(
            *_ends(values, observed, context, unit),
            _tensor(np.concatenate(facts, axis=1)),
            _tensor(np.concatenate(briefs, axis=2)),
            _tensor(points),
            _tensor(spreads),
            _tensor(places),
        )

    def _path(self, values: np.ndarray, read: np.ndarray) -> np.ndarray:
        """The median forecast (n, PLACES), as distances from the last value."""
        return np.arcsinh((self.middle[:, read] - values[:, -1:]) / self.unit)


def at_places(horizon: int) -> np.ndarray:
    """Steps of the horizon, counted from 0, that the weigher reads (PLACES,); a short horizon repeats some."""
    return np.linspace(0, horizon - 1, PLACES).round().astype(int)


def in_chunks(n: int, size: int = _CHUNK) -> Iterator[slice]:
    """Slices of n series that fit into memory."""
    yield from (slice(start, start + size) for start in range(0, n, size))


def _units(values: np.ndarray, heard: Opinions) -> np.ndarray:
    error = np.maximum(heard.error, _LEAST * heard.error.max(axis=1, keepdims=True))
    level = np.nanmax(np.abs(values), axis=1)
    tiny = np.where(level > 0, 1e-9 * level, 1.0)  # on a constant series no expert errs: any unit above 0 will do
    return np.maximum(np.exp(np.log(np.maximum(error, 1e-300)).mean(axis=1)), tiny)[:, None]


def _record(values: np.ndarray, periods: np.ndarray, horizon: int, unit: np.ndarray) -> np.ndarray:
    """Errors of each expert in a backtest on the last steps of each series (n, E, 3): logarithm of the mean absolute
    error in the first and in the second half of these steps, and the mean error; 0 if the series is too short."""
    known = (~np.isnan(values)).sum(axis=1)
    tried = np.minimum(np.minimum(known // 3, horizon), _LONGEST_TRIAL)  # (n,)
    n, T = values.shape
    record = np.zeros((n, len(NAMES), 3))
    if not (longest := int(tried.max(initial=0))):
        return record
    at = np.arange(T) - tried[:, None]  # shifts each series to the right by its number of tested steps
    earlier = np.where(at >= 0, np.take_along_axis(values, at.clip(0), axis=1), np.nan)
    rows = tried > 0
    said = opinions(earlier[rows], periods[rows], longest).point  # (m, E, longest)
    tried = tried[rows, None]
    steps = np.arange(longest)
    truth = np.take_along_axis(values[rows], (T - tried + steps).clip(0, T - 1), axis=1)
    error = (said - truth[:, None]) / unit[rows, None]
    for part, (low, high) in enumerate(((0, 0.5), (0.5, 1.0))):
        here = (steps >= np.floor(low * tried)) & (steps < np.maximum(np.ceil(high * tried), 1))
        mean = (np.abs(error) * here[:, None]).sum(axis=2) / here.sum(axis=1)[:, None].clip(1)
        record[rows, :, part] = np.log(mean.clip(_LEAST, 1 / _LEAST))
    here = steps < tried
    record[rows, :, 2] = np.arcsinh((error * here[:, None]).sum(axis=2) / tried)
    return record


def _facts(
    values: np.ndarray,
    observed: np.ndarray,
    periods: np.ndarray,
    horizon: int,
    unit: np.ndarray,
    record: np.ndarray,
) -> np.ndarray:
    """Length, horizon, periods and scale of each series (n, FACTS)."""
    known = (~np.isnan(values)).sum(axis=1, keepdims=True).astype(float)
    mean, std = np.nanmean(values, axis=1, keepdims=True), np.nanstd(values, axis=1, keepdims=True)
    first, second = periods[:, :1].astype(float), periods[:, -1:].astype(float)
    steps = np.nansum(np.abs(np.diff(values, axis=1)), axis=1, keepdims=True) / (known - 1).clip(min=1)
    facts = [
        np.log(known),
        np.full_like(known, np.log(horizon)),
        np.log(first),
        np.log(second),
        np.log(horizon / first),
        np.log(known / first),
        known >= 2 * first,
        known >= 2 * second,
        (first > 1) + 0.0,
        np.log((std / unit).clip(_LEAST, 1e6)),
        np.log((steps / unit).clip(_LEAST, 1e6)),
        np.arcsinh(mean / np.maximum(std, unit)),
        np.nanmin(values, axis=1, keepdims=True) >= 0,
        (values == 0).sum(axis=1, keepdims=True) / known,
        np.any(record != 0, axis=(1, 2))[:, None],
        observed.sum(axis=1, keepdims=True) / known,
    ]
    assert len(facts) == FACTS
    return np.concatenate([np.asarray(f, dtype=float) for f in facts], axis=1)


def _ends(
    values: np.ndarray, observed: np.ndarray, context: int, unit: np.ndarray
) -> tuple[torch.Tensor, torch.Tensor]:
    """The last steps of series (n, L), as distances from the last value, and flags of the observed ones."""
    n, T = values.shape
    read = np.full((n, context), np.nan)
    read[:, max(0, context - T) :] = values[:, -context:]
    there = ~np.isnan(read)
    there[:, max(0, context - T) :] &= observed[:, -context:]
    return _tensor(np.nan_to_num((read - values[:, -1:]) / unit)), torch.from_numpy(there)


def _tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
