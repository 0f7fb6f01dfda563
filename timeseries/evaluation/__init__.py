"""Evaluation of forecasts of a panel: its end is held out, and point forecasts, quantiles and intervals are scored."""

from .held_out import HeldOut, hold_out
from .panel import Forecasts, PanelScores, evaluate_held_out, evaluate_panel, forecast_held_out, score_forecasts
from .scores import QUANTILES, probabilities, score_panel

__all__ = [
    "QUANTILES",
    "Forecasts",
    "HeldOut",
    "PanelScores",
    "evaluate_held_out",
    "evaluate_panel",
    "forecast_held_out",
    "hold_out",
    "probabilities",
    "score_forecasts",
    "score_panel",
]
