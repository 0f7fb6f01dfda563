"""Plots: a forecast with its intervals; a series with the attention that its patches get, or with the kept patches."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HISTORY, _FORECAST, _LIVE = "#44546a", "#c2410c", "#0f766e"


def plot_forecast(
    history: pd.Series,
    center: pd.Series,
    intervals: Sequence[tuple[float, pd.Series, pd.Series]],
    ax: "Axes | None" = None,
    spoken: pd.Series | None = None,
) -> "Axes":
    """Draw the end of a series, its forecast, and prediction intervals.

    Args:
        history: Observed values.
        center: The forecast.
        intervals: Coverage, lower end and upper end of each interval, widest first.
        ax: Matplotlib's axes to draw in; new ones if None.
        spoken: Weights of the experts and of the networks; the largest are printed below the axis.

    Returns:
        The axes.
    """
    ax = _axes(ax)
    if spoken is not None:
        largest = spoken.sort_values(ascending=False)[:4]
        told = ", ".join(f"{name} {weight:.0%}" for name, weight in largest.items() if weight >= 0.01)
        ax.set_xlabel(f"forecast by {told}", fontsize="small", color="#666666")
    ax.plot(_positions(history.index), history.to_numpy(), color=_HISTORY, lw=1.3, label="observed")
    at = _positions(center.index)
    # the forecast begins where the history ends
    joined = np.r_[_positions(history.index[-1:]), at], np.r_[history.to_numpy()[-1:], center.to_numpy()]
    for n, (coverage, low, high) in enumerate(intervals):
        shade = 0.16 + 0.14 * n
        ax.fill_between(at, low, high, color=_FORECAST, alpha=shade, lw=0, label=f"{coverage:.0%} interval")
    ax.plot(*joined, color=_FORECAST, lw=1.6, label="forecast")
    ax.set_title(str(center.name) if center.name is not None else "")
    ax.margins(x=0.01)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, loc="upper left")
    return ax


def plot_attention(
    values: np.ndarray, spans: Sequence[tuple[int, int]], attention: np.ndarray, ax: "Axes | None" = None
) -> "Axes":
    """Draw a series over the attention that the Jumbo token pays to its patches.

    Args:
        values: The series (T, C).
        spans: Of each patch, the first step and the step after the last (N, 2).
        attention: Attention paid to each patch (N,).
        ax: As above.

    Returns:
        The axes.
    """
    steps = _per_step(spans, attention, len(values))
    top = steps.max() or 1.0
    return _over_bands(values, steps, "YlOrRd", 1.2 * top, "what the Jumbo token looked at: darker, more", ax)


def plot_kept(
    values: np.ndarray, spans: Sequence[tuple[int, int]], reached: np.ndarray, ax: "Axes | None" = None
) -> "Axes":
    """Draw a series over the number of blocks that each of its patches passes before it is dropped.

    Args:
        values: The series (T, C).
        spans: Of each patch, the first step and the step after the last (N, 2).
        reached: Fraction of the blocks (N,) that each patch passes: 1 if it is kept to the end.
        ax: As above.

    Returns:
        The axes.
    """
    steps = _per_step(spans, reached, len(values))
    return _over_bands(values, steps, "Greens", 1.6, "what is kept: darker, through more of the blocks", ax)


def _per_step(spans: Sequence[tuple[int, int]], shares: np.ndarray, length: int) -> np.ndarray:
    """Convert a number for each patch into one for each step: the mean of the patches that hold the step."""
    total, count = np.zeros(length), np.zeros(length)
    for (start, end), share in zip(spans, shares, strict=True):
        total[start:end] += share
        count[start:end] += 1
    return total / np.maximum(count, 1)


def _over_bands(
    values: np.ndarray, steps: np.ndarray, colormap: str, top: float, title: str, ax: "Axes | None"
) -> "Axes":
    """Draw a series (T, C) over a background whose colour shows a number for each step, from 0 to ``top``."""
    ax = _axes(ax)
    low, high = np.nanmin(values), np.nanmax(values)
    room = 0.05 * (high - low or 1.0)
    extent = (-0.5, len(values) - 0.5, low - room, high + room)
    ax.imshow(steps[None], aspect="auto", cmap=colormap, vmin=0, vmax=top, extent=extent, alpha=0.6)
    for channel in values.T:
        ax.plot(channel, color=_HISTORY, lw=1.2)
    ax.set(xlim=extent[:2], ylim=extent[2:], xlabel="step", title=title)
    return ax


def _axes(ax: "Axes | None") -> "Axes":
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt  # a slow import, needed only for plots

    return plt.subplots(figsize=(9, 3.6), layout="constrained")[1]


def _positions(index: pd.Index) -> pd.Index:
    """Positions of times on the axis: matplotlib takes dates, but not periods."""
    return index.to_timestamp() if isinstance(index, pd.PeriodIndex) else index
