"""Scores of forecasts, as benchmarks report them.

MASE (Hyndman and Koehler, 2006), sMAPE and MSIS are those of the M4 competition (Makridakis et al., IJF 2020, section
2.4); WQL, the weighted quantile loss, is that of Chronos (Ansari et al., TMLR 2024, section 5) and GIFT-Eval.
"""

from collections.abc import Sequence

import numpy as np

from .held_out import HeldOut

QUANTILES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Probabilities of the quantiles that the WQL scores."""
MSIS_LEVEL = 0.95


def ends_of(level: float) -> tuple[float, float]:
    """Probabilities of both ends of a central interval."""
    return round((1 - level) / 2, 9), round((1 + level) / 2, 9)


def probabilities(levels: Sequence[float]) -> list[float]:
    """Probabilities of all quantiles that the scores need, rising.

    Args:
        levels: Levels of the intervals whose coverage is counted.

    Raises:
        ValueError: If a level is not between 0 and 1.
    """
    for level in levels:
        if not 0 < level < 1:
            raise ValueError(f"level {level!r}: give numbers between 0 and 1, such as 0.8")
    return sorted({*QUANTILES, *ends_of(MSIS_LEVEL), *(p for level in levels for p in ends_of(level))})


def naive_errors(past: list[np.ndarray], season: int) -> np.ndarray:
    """Mean absolute errors of the seasonal naive forecast within each series (n,), which scale MASE and MSIS.

    NaN if a series is no longer than a season, or no step of it can be compared.
    """
    errors = np.full(len(past), np.nan)
    for n, values in enumerate(past):
        differences = np.abs(values[season:] - values[:-season])
        if (known := ~np.isnan(differences)).any():
            errors[n] = differences[known].mean()
    return errors


def seasonal_naive(held_out: HeldOut) -> np.ndarray:
    """For each step, the last observed value at the same position in the season (n, S), else the last observed one."""
    forecasts = np.empty(held_out.future.shape)
    for n, values in enumerate(held_out.past):
        known = np.flatnonzero(~np.isnan(values))
        places = (len(values) + held_out.steps - 1) % held_out.season
        for s, place in enumerate(places):
            alike = known[known % held_out.season == place]
            forecasts[n, s] = values[alike[-1] if len(alike) else known[-1]]
    return forecasts


def score_panel(
    held_out: HeldOut,
    center: np.ndarray,
    quantiles: np.ndarray | None = None,
    alpha: Sequence[float] = (),
    levels: Sequence[float] = (0.8, 0.95),
) -> tuple[dict[str, np.ndarray], float]:
    """Scores of each series, and the WQL of all.

    Args:
        held_out: The panel.
        center: Point forecasts (n, S).
        quantiles: (n, S, A), None if there are none.
        alpha: Their probabilities (A,), ``probabilities(levels)`` among them.
        levels: Of the intervals whose coverage is counted.

    Returns:
        Arrays (n,) by name: MASE, sMAPE (per cent, up to 200), MSIS (of 95 %), and "coverage 80" and the like, the
        shares of steps within an interval; and the WQL, sums of losses over all series and steps by the sum of absolute
        values, mean over the quantiles .1 to .9. NaN where the error of the seasonal naive forecast within a series is
        0 or not known (MASE, MSIS), and where there are no quantiles. Steps that were not observed do not count.
    """
    truth = held_out.future
    scale = naive_errors(held_out.past, held_out.season)
    scale[scale == 0] = np.nan
    error = np.abs(truth - center)
    both = np.abs(truth) + np.abs(center)
    with np.errstate(invalid="ignore"):
        relative = np.where(both == 0, 0.0, 200 * error / both)
    scores = {"MASE": _mean(error) / scale, "sMAPE": _mean(np.where(np.isnan(truth), np.nan, relative))}
    if quantiles is None:
        missing = np.full(len(truth), np.nan)
        return scores | {"MSIS": missing} | {coverage_name(level): missing for level in levels}, np.nan
    place = {round(p, 9): i for i, p in enumerate(alpha)}

    def at(probability: float) -> np.ndarray:
        return quantiles[..., place[round(probability, 9)]]

    low, high = (at(p) for p in ends_of(MSIS_LEVEL))
    outside = np.maximum(low - truth, 0) + np.maximum(truth - high, 0)
    scores["MSIS"] = _mean(high - low + 2 / (1 - MSIS_LEVEL) * outside) / scale
    for level in levels:
        low, high = (at(p) for p in ends_of(level))
        inside = ((truth >= low) & (truth <= high)).astype(np.float64)
        scores[coverage_name(level)] = _mean(np.where(np.isnan(truth), np.nan, inside))
    losses = [np.nansum(2 * np.maximum(p * (truth - at(p)), (p - 1) * (truth - at(p)))) for p in QUANTILES]
    total = np.nansum(np.abs(truth))
    return scores, float(np.mean(losses) / total) if total else np.nan


def coverage_name(level: float) -> str:
    return f"coverage {100 * level:g}"


def _mean(values: np.ndarray) -> np.ndarray:
    """Over the steps that were observed (n,), NaN if none was."""
    known = ~np.isnan(values)
    counts = known.sum(axis=1)
    return np.where(counts > 0, np.where(known, values, 0).sum(axis=1) / np.maximum(counts, 1), np.nan)
