"""Pictures: a forecast with its intervals, and what the wide token looked at in a series."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

_HISTORY, _FORECAST, _LIVE = "#44546a", "#c2410c", "#0f766e"


def plot_forecast(
    history: pd.Series, center: pd.Series, intervals: Sequence[tuple[float, pd.Series, pd.Series]], ax=None
):
    """Draw the end of a series, what is forecast, and how sure that is.

    Args:
        history: What was observed.
        center: The forecast.
        intervals: Coverage, lower and upper end of each, widest first.
        ax: Matplotlib's axes to draw in; new ones if None.

    Returns:
        The axes.
    """
    ax = _axes(ax)
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


def plot_attention(values: np.ndarray, spans: Sequence[tuple[int, int]], attention: np.ndarray, ax=None):
    """Draw a series over the attention that the wide token pays its patches.

    Args:
        values: The series (T, C).
        spans: First step and the one after the last, of each patch (N, 2).
        attention: Share of each patch (N,).
        ax: As above.

    Returns:
        The axes.
    """
    ax = _axes(ax)
    total, count = np.zeros(len(values)), np.zeros(len(values))
    for (start, end), share in zip(spans, attention, strict=True):
        total[start:end] += share
        count[start:end] += 1
    steps = total / np.maximum(count, 1)  # where patches overlap, their mean
    top = steps.max() or 1.0
    low, high = np.nanmin(values), np.nanmax(values)
    room = 0.05 * (high - low or 1.0)
    extent = (-0.5, len(values) - 0.5, low - room, high + room)
    ax.imshow(steps[None], aspect="auto", cmap="YlOrRd", vmin=0, vmax=1.2 * top, extent=extent, alpha=0.6)
    for channel in values.T:
        ax.plot(channel, color=_HISTORY, lw=1.2)
    ax.set(xlim=extent[:2], ylim=extent[2:], xlabel="step")
    ax.set_title("what the wide token looked at: darker, more")
    return ax


def _axes(ax):
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt  # only who draws waits for it

    return plt.subplots(figsize=(9, 3.6), layout="constrained")[1]


def _positions(index: pd.Index):
    """Where to draw times: matplotlib knows dates, not periods."""
    return index.to_timestamp() if isinstance(index, pd.PeriodIndex) else index
