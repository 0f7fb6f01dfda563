"""The picture of a forecast, to zoom into."""

from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from .forecasting import Forecast

if TYPE_CHECKING:
    import pandas as pd

_OBSERVED, _AHEAD, _NAIVE = "#64748b", "#ea580c", "#0d9488"
_BAND = "rgba(234, 88, 12, 0.22)"
_MOST_DRAWN, _LEAST_DRAWN = 2000, 60  # steps of the past in the picture; how many are seen at first


def draw(found: Forecast, name: str) -> go.Figure:
    """History, forecast and interval of a series, and the backtest of its last horizon.

    At first the end of the past is seen. Dragging moves the axes, the buttons above zoom, a double click shows all.
    """
    history, ahead = found.history(name).iloc[-_MOST_DRAWN:], found.ahead(name)
    figure = go.Figure()

    def line(x: Any, y: Any, label: str, colour: str, dash: str = "solid", width: float = 1.6) -> None:
        figure.add_scatter(x=x, y=y, name=label, mode="lines", line=dict(color=colour, dash=dash, width=width))

    times = _on_axis(ahead["time"])
    both = [*times, *times[::-1]]
    figure.add_scatter(
        x=both,
        y=[*ahead["upper"], *ahead["lower"][::-1]],
        fill="toself",
        fillcolor=_BAND,
        line=dict(width=0),
        name=f"{found.coverage:.0%} interval",
        hoverinfo="skip",
    )
    seen = _on_axis(history.index)
    line(seen, history.tolist(), "observed", _OBSERVED)
    # the forecast begins where the history ends
    line([*seen[-1:], *times], [*history.iloc[-1:], *ahead["forecast"]], "forecast", _AHEAD, width=2.2)
    if (tested := found.tested(name)) is not None:
        past, center, naive, _ = tested
        line(_on_axis(past), center, "backtest", _AHEAD, "dash")
        line(_on_axis(past), naive, "seasonal naive", _NAIVE, "dot")
    first = seen[max(0, len(seen) - max(_LEAST_DRAWN, 4 * len(times)))]
    figure.update_layout(
        height=440,
        margin=dict(l=50, r=12, t=12, b=40),
        xaxis=dict(range=[first, times[-1]], gridcolor="rgba(128,128,128,0.25)"),
        yaxis=dict(gridcolor="rgba(128,128,128,0.25)", zeroline=False),
        legend=dict(orientation="h", y=-0.14, x=0),
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font=dict(color="#808b9a"),
        hovermode="x unified",
        dragmode="pan",
    )
    return figure


def _on_axis(times: "pd.Index | pd.Series") -> list:
    """Times as plotly takes them: periods as their first day, dates as texts."""
    values = list(times)
    if values and hasattr(values[0], "to_timestamp"):
        values = [value.to_timestamp() for value in values]
    return [value.isoformat() if hasattr(value, "isoformat") else value for value in values]
