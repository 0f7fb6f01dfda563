"""Forecasts of a fitted forecaster as arrays: at the steps of a horizon, and from many cuts of a series."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jumbo_backbone.device import pick_device

from ..data.frames import instances_of, known_span, rows_of
from ..data.panel_timeline import timeline_for
from ..data.windows import Panel
from ..experts import NAMES
from ..fitting.blending import zero_shot
from ..fitting.predicting import forecast_from
from .tables import in_columns, in_order

if TYPE_CHECKING:
    from .forecaster import JumboForecaster


def forecasts_at(forecaster: "JumboForecaster", fh: Any, X: pd.DataFrame | None) -> tuple[np.ndarray, np.ndarray]:
    """Centres (n, S, M) and quantiles (n, S, M, Q) of all series at the requested steps, in units of the networks.

    Raises:
        ValueError: If a step lies before the first observation of a series.
    """
    end, design = forecaster._end, forecaster.design_
    steps = end + forecaster._timeline.steps_ahead(fh, end)  # (S,)
    tails = list(forecaster._tails.values())
    series = forecaster._covariates.with_future(tails, steps, X, forecaster._timeline)
    starts = np.array([i.start for i in tails])
    wanted = steps - starts[:, None]  # (n, S), from their first step
    if wanted.min() < 0:
        row, column = np.argwhere(wanted < 0)[0]
        whose = "" if tails[row].key is None else f" of {tails[row].key}"
        raise ValueError(f"step {steps[column] - end} lies before the first observation{whose}: ask for later steps")
    n, M = len(tails), design.targets
    center = np.empty((*wanted.shape, M))
    quantiles = np.empty((*wanted.shape, M, len(design.quantiles)))
    future = steps > end
    if future.any():
        ends = np.minimum([i.end for i in tails], end + 1) - starts
        center[:, future], quantiles[:, future] = _forecast(forecaster, series, np.arange(n), ends, wanted[:, future])
    if not future.all():  # steps of the past, each forecast from the steps before it
        past = np.flatnonzero(~future)
        row = np.repeat(np.arange(n), len(past))
        stands = wanted[:, past].reshape(-1)
        c, q = _forecast(forecaster, series, row, stands, stands[:, None])
        center[:, past], quantiles[:, past] = c.reshape(n, -1, M), q.reshape(n, len(past), M, -1)
    return center, quantiles


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


def weights_of_experts(forecaster: "JumboForecaster", keys: list) -> list[pd.Series]:
    """Weights of experts and networks, averaged over the horizon: one table for each target of the named series."""
    blend, design = forecaster._blend, forecaster.design_
    share = blend.shares(design.horizon).mean()
    if blend.weigher is None:
        return [pd.Series({"networks": 1.0}) for _ in keys for _ in range(design.targets)]
    tails = [forecaster._tails[key].values for key in keys]
    contexts = [tail[known_span(tail[:, [m]]), m] for tail in tails for m in range(design.targets)]
    said = zero_shot(blend.weigher, contexts, design.horizon, (0.5,), blend.periods, pick_device(forecaster.device))
    by_expert = said.weights * (1 - blend.shares(design.horizon))[:, None]  # (n, H, E)
    return [pd.Series(dict(zip(NAMES, row, strict=True)) | dict(networks=share)) for row in by_expert.mean(axis=1)]


def _forecast(
    forecaster: "JumboForecaster",
    values: list[np.ndarray],
    series: np.ndarray,
    stands: np.ndarray,
    wanted: np.ndarray,
    roll_on: bool | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """See ``forecast_from``."""
    roll_on = forecaster.roll_on if roll_on is None else roll_on
    device = pick_device(forecaster.device)
    networks, design = forecaster.networks_, forecaster.design_
    return forecast_from(networks, forecaster._blend, design, Panel(values), series, stands, wanted, device, roll_on)
