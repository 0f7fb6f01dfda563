"""Scores of a forecaster on a panel."""

import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..datasets import SeriesPanel, load_tsf
from .held_out import HeldOut, hold_out
from .scores import coverage_name, probabilities, score_panel, seasonal_naive


@dataclass(frozen=True)
class PanelScores:
    """How good the forecasts of a panel are (see ``score_panel`` for the definitions).

    Attributes:
        mase, smape, msis: Means over series; series without a scale are left out of MASE and MSIS.
        naive_mase: MASE of the seasonal naive forecast on the same steps.
        wql: Weighted quantile loss at .1 to .9, pooled over the series.
        coverage: For each level, the fraction of values within the interval: mean over series.
        fit_seconds, predict_seconds: Wall-clock times.
        no_scale: Series left out of MASE and MSIS, because their seasonal naive error within the past is 0 or unknown.
        too_short: Series that were too short to forecast.
        table: A row for each series: MASE, sMAPE, MSIS, and coverage of each level.
    """

    mase: float
    smape: float
    msis: float
    naive_mase: float
    wql: float
    coverage: dict[float, float]
    fit_seconds: float
    predict_seconds: float
    no_scale: list[Hashable]
    too_short: list[Hashable]
    table: pd.DataFrame

    @classmethod
    def of(
        cls,
        held_out: HeldOut,
        center: np.ndarray,
        quantiles: np.ndarray | None,
        alpha: Sequence[float],
        levels: Sequence[float],
        seconds: tuple[float, float],
    ) -> "PanelScores":
        """Of forecasts as ``score_panel`` takes them, made within seconds of fit and of prediction."""
        scores, wql = score_panel(held_out, center, quantiles, alpha, levels)
        naive, _ = score_panel(held_out, seasonal_naive(held_out))
        table = pd.DataFrame(scores, index=pd.Index(held_out.names, name="series", tupleize_cols=False))
        means = table.mean()
        return cls(
            mase=float(means["MASE"]),
            smape=float(means["sMAPE"]),
            msis=float(means["MSIS"]),
            naive_mase=float(pd.Series(naive["MASE"]).mean()),
            wql=wql,
            coverage={level: float(means[coverage_name(level)]) for level in levels},
            fit_seconds=seconds[0],
            predict_seconds=seconds[1],
            no_scale=[name for name, bad in zip(held_out.names, np.isnan(naive["MASE"]), strict=True) if bad],
            too_short=held_out.too_short,
            table=table,
        )

    def summary(self) -> dict[str, Any]:
        """The figures alone, for JSON."""
        names = ("mase", "smape", "wql", "msis", "naive_mase", "fit_seconds", "predict_seconds")
        figures = {name: _finite(getattr(self, name)) for name in names}
        figures |= {coverage_name(level).replace(" ", "_"): _finite(share) for level, share in self.coverage.items()}
        return figures | {
            "series": len(self.table),
            "no_scale": len(self.no_scale),
            "too_short": len(self.too_short),
        }


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of the steps of a ``HeldOut``.

    Attributes:
        center: Point forecasts (n, S).
        quantiles: (n, S, A), None if the forecaster has none.
        alpha: Their probabilities (A,).
        seconds: Of fit and of prediction.
    """

    center: np.ndarray
    quantiles: np.ndarray | None
    alpha: Sequence[float]
    seconds: tuple[float, float]


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def evaluate_panel(
    forecaster: Any,
    data: str | Path | SeriesPanel,
    origin: int = 0,
    fh: int | Sequence[int] | None = None,
    levels: Sequence[float] = (0.8, 0.95),
) -> PanelScores:
    """Hold out the end of every series of a panel, forecast it, and score the forecasts.

    Args:
        forecaster: Any sktime forecaster; a clone of it is fitted, once, to all series. If it has no quantiles, WQL,
            MSIS and coverage are NaN.
        data: A .tsf file, or a panel.
        origin: 0 holds out the last horizon, k that which lies k horizons before it. Choose settings at an origin of 1
            or more, and keep the last horizon for the figure to report.
        fh: The horizon, or steps ahead. Default: that of the file.
        levels: Levels of the intervals whose coverage is counted.

    Raises:
        FileNotFoundError, ValueError: See ``load_tsf`` and ``hold_out``; and for levels that are not between 0 and 1.
        TypeError: If ``forecaster`` is not a forecaster of sktime.
    """
    panel = data if isinstance(data, SeriesPanel) else load_tsf(data)
    return evaluate_held_out(forecaster, hold_out(panel, origin, fh), levels)


def evaluate_held_out(forecaster: Any, held_out: HeldOut, levels: Sequence[float] = (0.8, 0.95)) -> PanelScores:
    """As ``evaluate_panel``, for a panel that is already cut.

    Args:
        forecaster, levels: As in ``evaluate_panel``.
        held_out: The panel, without its end, and the end.

    Raises:
        TypeError, ValueError: As in ``evaluate_panel``.
    """
    return score_forecasts(held_out, forecast_held_out(forecaster, held_out, levels), levels)


def score_forecasts(held_out: HeldOut, made: Forecasts, levels: Sequence[float] = (0.8, 0.95)) -> PanelScores:
    """Scores of forecasts of the steps that were held out.

    Args:
        held_out: The panel, without its end, and the end.
        made: Forecasts of its end.
        levels: Those that the forecasts were made for.
    """
    return PanelScores.of(held_out, made.center, made.quantiles, made.alpha, levels, made.seconds)


def forecast_held_out(forecaster: Any, held_out: HeldOut, levels: Sequence[float] = (0.8, 0.95)) -> Forecasts:
    """Fit a clone of a forecaster of sktime to the past of a panel, and forecast the steps that were held out.

    Args:
        forecaster, levels: As in ``evaluate_panel``.
        held_out: The panel, without its end, and the end.

    Raises:
        TypeError, ValueError: As in ``evaluate_panel``.
    """
    alpha = probabilities(levels)
    if not hasattr(forecaster, "predict_quantiles"):
        raise TypeError(f"forecasters of sktime are evaluated, got {type(forecaster).__name__}")
    table, steps = held_out.table(), held_out.steps.tolist()
    forecaster = forecaster.clone()
    begin = time.perf_counter()
    forecaster.fit(table, fh=steps)
    fitted = time.perf_counter()
    center = _arranged(forecaster.predict(fh=steps), held_out, 1)[..., 0]
    quantiles = None
    if forecaster.get_tag("capability:pred_int", raise_error=False):
        quantiles = _arranged(forecaster.predict_quantiles(fh=steps, alpha=alpha), held_out, len(alpha))
    return Forecasts(center, quantiles, alpha, (fitted - begin, time.perf_counter() - fitted))


def _arranged(forecasts: pd.DataFrame, held_out: HeldOut, columns: int) -> np.ndarray:
    """A table of forecasts as an array (n, S, columns), in the order of the series."""
    S = len(held_out.steps)
    numbers = pd.Index(held_out.names, tupleize_cols=False).get_indexer(forecasts.index.get_level_values(0))
    if forecasts.shape != (len(held_out.names) * S, columns) or (numbers < 0).any():
        raise ValueError(
            f"the forecaster returned a table of {forecasts.shape}, {len(held_out.names)} series of {S} steps and "
            f"{columns} columns were asked for"
        )
    order = np.argsort(numbers, kind="stable")
    return forecasts.to_numpy(dtype=np.float64)[order].reshape(len(held_out.names), S, columns)
