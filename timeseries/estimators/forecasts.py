"""Forecasts of a fitted forecaster as arrays: at the steps of a horizon, and from many cuts of a series."""

from collections.abc import Hashable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jumbo_backbone.device import pick_device

from ..data.frames import Instance, instances_of, known_span, rows_of
from ..data.panel_timeline import timeline_for
from ..data.windows import Panel
from ..experts import NAMES
from ..fitting.blending import zero_shot
from ..fitting.notice import Notice, in_parts
from ..fitting.predicting import forecast_from
from .tables import in_columns, in_order

if TYPE_CHECKING:
    from .forecaster import JumboForecaster

_PART = 512  # series that are forecast at a time


def forecasts_at(
    forecaster: "JumboForecaster", keys: list[Hashable | None], fh: Any, X: pd.DataFrame | None, intervals: bool = True
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Forecasts of the named series at the requested steps, in units of the networks, some series at a time.

    Yields:
        Positions of some series among ``keys`` (m,), their centres (m, S, M), and their quantiles (m, S, M, Q), none
        (Q = 0) unless ``intervals``.

    Raises:
        ValueError: If a step lies before the first observation of a series.
    """
    end = forecaster._end
    steps = end + forecaster._timeline.steps_ahead(fh, end)  # (S,)
    tails = [forecaster._tails[key] for key in keys]
    series = forecaster._covariates.with_future(tails, steps, X, forecaster._timeline)
    wanted = steps - np.array([i.start for i in tails])[:, None]  # (n, S), from their first step
    if wanted.min() < 0:
        row, column = np.argwhere(wanted < 0)[0]
        whose = "" if tails[row].key is None else f" of {tails[row].key}"
        raise ValueError(f"step {steps[column] - end} lies before the first observation{whose}: ask for later steps")
    ends = np.array([min(i.end, end + 1) - i.start for i in tails])
    for rows in _in_parts(forecaster, tails, "forecasting"):
        some = [series[n] for n in rows]
        yield rows, *_forecast_some(forecaster, some, ends[rows], wanted[rows], steps > end, intervals)


def _forecast_some(
    forecaster: "JumboForecaster",
    series: list[np.ndarray],
    ends: np.ndarray,
    wanted: np.ndarray,
    future: np.ndarray,
    intervals: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Centres (m, S, M) and quantiles (m, S, M, Q) at the wanted steps of series (m, S), of which some are future ones
    (S,); the series end before the steps ``ends`` (m,)."""
    m, M = len(series), forecaster.design_.targets
    center = np.empty((*wanted.shape, M))
    quantiles = np.empty((*wanted.shape, M, len(forecaster.design_.quantiles) if intervals else 0))
    if future.any():
        center[:, future], quantiles[:, future] = _forecast(
            forecaster, series, np.arange(m), ends, wanted[:, future], intervals=intervals
        )
    if not future.all():  # steps of the past, each forecast from the steps before it
        past = np.flatnonzero(~future)
        row = np.repeat(np.arange(m), len(past))
        stands = wanted[:, past].reshape(-1)
        c, q = _forecast(forecaster, series, row, stands, stands[:, None], intervals=intervals)
        center[:, past], quantiles[:, past] = c.reshape(m, -1, M), q.reshape(m, len(past), M, quantiles.shape[3])
    return center, quantiles


def _in_parts(forecaster: "JumboForecaster", tails: list[Instance], doing: str) -> Iterator[np.ndarray]:
    """Numbers of series of about equal length, the longest first: memory does not grow with all of them."""
    order = np.argsort([-len(i.values) for i in tails], kind="stable")
    notice = Notice(type(forecaster).__name__, f"{doing} {len(tails)} series")
    yield from in_parts([order[n : n + _PART] for n in range(0, len(order), _PART)], notice, forecaster.verbose)


def forecasts_from_cuts(
    forecaster: "JumboForecaster", y: pd.DataFrame | pd.Series, cuts: np.ndarray, steps: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Centres (B, S, M) and quantiles (B, S, M, Q) from each cut of one series, in units of the networks.

    Raises:
        ValueError: See ``JumboForecaster.forecast_at``.
    """
    M, table = forecaster.design_.targets, pd.DataFrame(y)
    covariates = forecaster._covariates.columns
    panel = isinstance(table.index, pd.MultiIndex)
    if covariates or panel or table.shape[1] != M:
        raise ValueError(
            f"forecast_at takes one series of the {M} columns fitted, without X; got "
            f"{'a panel' if panel else 'one'} of {table.shape[1]} columns, fitted with the columns {covariates} of X"
        )
    if cuts.min() < 1 or cuts.max() > len(y):
        raise ValueError(f"cuts from {cuts.min()} to {cuts.max()} lie outside the series: give 1 to {len(y)}")
    table = in_order(in_columns(table, list(forecaster._columns)), "y")
    timeline = timeline_for(table, forecaster.freq if isinstance(table.index, pd.DatetimeIndex) else None)
    rows = forecaster._in_units(rows_of(table, timeline, "y"))
    (instance,) = instances_of(rows)
    stands = np.append(rows.steps, rows.steps[-1] + 1)[cuts] - instance.start
    wanted = stands[:, None] + np.arange(steps or forecaster.design_.horizon)
    return _forecast(forecaster, [instance.values], np.zeros_like(cuts), stands, wanted, roll_on=True)


def weights_of_experts(forecaster: "JumboForecaster", keys: list[Hashable | None]) -> pd.DataFrame:
    """Weights of experts and networks, averaged over the horizon: a row for each target of each of the named series."""
    blend, design = forecaster._blend, forecaster.design_
    M, shares = design.targets, blend.shares(design.horizon)
    if blend.weigher is None:
        return pd.DataFrame({"networks": np.ones(len(keys) * M)})
    tails = [forecaster._tails[key] for key in keys]
    weights = np.empty((len(keys), M, len(NAMES) + 1))
    weights[..., -1] = shares.mean()
    for rows in _in_parts(forecaster, tails, "weighing experts of"):
        some = [tails[n].values for n in rows]
        contexts = [tail[known_span(tail[:, [m]]), m] for tail in some for m in range(M)]
        said = zero_shot(blend.weigher, contexts, design.horizon, (), blend.periods, pick_device(forecaster.device))
        by_expert = np.einsum("nse,s->ne", said.weights, 1 - shares) / len(shares)
        weights[rows, :, :-1] = by_expert.reshape(len(rows), M, -1)
    return pd.DataFrame(weights.reshape(-1, len(NAMES) + 1), columns=[*NAMES, "networks"])


def _forecast(
    forecaster: "JumboForecaster",
    values: list[np.ndarray],
    series: np.ndarray,
    stands: np.ndarray,
    wanted: np.ndarray,
    roll_on: bool | None = None,
    intervals: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """See ``forecast_from``; no quantiles unless ``intervals``."""
    roll_on = forecaster.roll_on if roll_on is None else roll_on
    device = pick_device(forecaster.device)
    networks, design = forecaster.networks_, forecaster.design_
    design = design if intervals else replace(design, quantiles=())
    return forecast_from(
        networks,
        forecaster._blend,
        design,
        Panel(values, design.static_channels),
        series,
        stands,
        wanted,
        device,
        roll_on,
    )
