"""Evaluation of forecasts of a panel: its end is held out, and point forecasts, quantiles and intervals are scored."""

from .held_out import HeldOut, hold_out
from .panel import PanelScores, evaluate_held_out, evaluate_panel
from .scores import QUANTILES, probabilities, score_panel

__all__ = [
    "QUANTILES",
    "HeldOut",
    "PanelScores",
    "evaluate_held_out",
    "evaluate_panel",
    "hold_out",
    "probabilities",
    "score_panel",
]
