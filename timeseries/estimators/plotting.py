"""Plots: a forecast with its intervals; a series with the attention that its patches get, or with the kept patches."""

import warnings
from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HISTORY, _FORECAST, _WARNING = "#44546a", "#c2410c", "#b91c1c"


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
        told = ", ".join(f"{weight:.0%} {_words(name)}" for name, weight in largest.items() if weight >= 0.01)
        room = _letters(ax) - 8  # beside the year
        ax.set_xlabel(fill(f"forecast by {told}", room), loc="left", fontsize="small", color="#666666")
    ax.plot(_positions(history.index), history.to_numpy(), color=_HISTORY, lw=1.3, label="observed")
    at = _positions(center.index)
    # the forecast begins where the history ends
    joined = np.r_[_positions(history.index[-1:]), at], np.r_[history.to_numpy()[-1:], center.to_numpy()]
    for n, (coverage, low, high) in enumerate(intervals):
        shade = 0.16 + 0.14 * n
        ax.fill_between(at, low, high, color=_FORECAST, alpha=shade, lw=0, label=f"{coverage:.0%} interval")
    ax.plot(*joined, color=_FORECAST, lw=1.6, label="forecast")
    ax.set_title(fill(str(center.name) if center.name is not None else "", _letters(ax)), fontsize="medium")
    ax.margins(x=0.01)
    ax.spines[["top", "right"]].set_visible(False)
    if isinstance(at, pd.DatetimeIndex):
        _write_dates(ax)
    elif pd.api.types.is_integer_dtype(at):
        ax.locator_params(axis="x", integer=True)
    _add_legend(ax)
    return ax


def _write_dates(ax: "Axes") -> None:
    """As many dates below the axis as there is room for, each with what differs from the one before."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=2, maxticks=max(4, _letters(ax) // 8))
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def _add_legend(ax: "Axes") -> None:
    """A legend within the axes, which are made higher for it: it covers no data, and no figure cuts it off."""
    handles, labels = ax.get_legend_handles_labels()
    columns = max(1, min(len(labels), _letters(ax) // 19))
    ax.legend(handles, labels, frameon=False, loc="upper left", ncols=columns, fontsize="small", borderaxespad=0.1)
    rows = -(-len(labels) // columns)
    _, height = _inches(ax)
    part = min(0.17 * rows + 0.1, 0.6 * height) / height  # of the axes, for rows of 0.17 inches
    (left, _), (low, high) = ax.get_xlim(), ax.get_ylim()
    ax.update_datalim([(left, low + (high - low) / (1 - part))], updatex=False)
    ax.autoscale_view()


def plot_attention(
    values: np.ndarray,
    spans: Sequence[tuple[int, int]],
    attention: np.ndarray,
    share: float,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw a series over the attention that the Jumbo token pays to its patches.

    Args:
        values: The series (T, C).
        spans: Of each patch, the first step and the step after the last (N, 2).
        attention: Attention paid to each patch (N,).
        share: Share of the encoder in the answer, from 0 to 1. At 0 the attention explains nothing: the picture and a
            warning say so.
        ax: As above.

    Returns:
        The axes.
    """
    steps = _per_step(spans, attention, len(values))
    top = steps.max() or 1.0
    least, most = (end / (attention.mean() or 1.0) for end in (steps[steps > 0].min(initial=top), top))
    title = f"what the Jumbo token looked at: darker, more ({least:.2f} to {most:.2f} times the mean patch)"
    return _over_bands(values, steps, "YlOrRd", 1.2 * top, title, share, ax)


def plot_kept(
    values: np.ndarray,
    spans: Sequence[tuple[int, int]],
    reached: np.ndarray,
    share: float,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw a series over the number of blocks that each of its patches passes before it is dropped.

    Args:
        values: The series (T, C).
        spans: Of each patch, the first step and the step after the last (N, 2).
        reached: Fraction of the blocks (N,) that each patch passes: 1 if it is kept to the end.
        share: As in ``plot_attention``.
        ax: As above.

    Returns:
        The axes.
    """
    steps = _per_step(spans, reached, len(values))
    title = f"what is kept: darker, through more of the blocks ({(reached >= 1).mean():.0%} of the patches to the end)"
    return _over_bands(values, steps, "Greens", 1.6, title, share, ax)


def _per_step(spans: Sequence[tuple[int, int]], shares: np.ndarray, length: int) -> np.ndarray:
    """Convert a number for each patch into one for each step: the mean of the patches that hold the step."""
    total, count = np.zeros(length), np.zeros(length)
    for (start, end), share in zip(spans, shares, strict=True):
        total[start:end] += share
        count[start:end] += 1
    return total / np.maximum(count, 1)


def _over_bands(
    values: np.ndarray, steps: np.ndarray, colormap: str, top: float, title: str, share: float, ax: "Axes | None"
) -> "Axes":
    """Draw a series (T, C) over a background whose colour shows a number for each step, from 0 to ``top``."""
    if share == 0:
        warnings.warn(
            "the encoder's share in the answer is 0, so this picture explains no answer: the convolutions answer "
            "alone (num_kernels=0 leaves them out)",
            UserWarning,
            stacklevel=4,
        )
    ax = _axes(ax)
    low, high = np.nanmin(values), np.nanmax(values)
    room = 0.05 * (high - low or 1.0)
    extent = (-0.5, len(values) - 0.5, low - room, high + room)
    ax.imshow(steps[None], aspect="auto", cmap=colormap, vmin=0, vmax=top, extent=extent, alpha=0.6)
    for channel in values.T:
        ax.plot(channel, color=_HISTORY, lw=1.2)
    told = f"the encoder's share in the answer: {share:.2g}" + ("" if share else ", so this explains no answer")
    title = "\n".join(fill(line, _letters(ax)) for line in (title, told))
    ax.set(xlim=extent[:2], ylim=extent[2:], xlabel="step")
    ax.set_title(title, fontsize="medium", color="black" if share else _WARNING)
    return ax


def _axes(ax: "Axes | None") -> "Axes":
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt  # a slow import, needed only for plots

    return plt.subplots(figsize=(9, 3.6), layout="constrained")[1]


def _positions(index: pd.Index) -> pd.Index:
    """Positions of times on the axis: matplotlib takes dates, but not periods."""
    return index.to_timestamp() if isinstance(index, pd.PeriodIndex) else index


def _letters(ax: "Axes") -> int:
    """Letters of the usual size that find room along the axes."""
    return max(12, int(13 * _inches(ax)[0]))


def _inches(ax: "Axes") -> tuple[float, float]:
    """Width and height of axes, before the figure is laid out."""
    figure: Any = ax.figure
    box = ax.get_window_extent()
    return box.width / figure.dpi, box.height / figure.dpi


def _words(name: object) -> str:
    return str(name).replace("_", " ")
