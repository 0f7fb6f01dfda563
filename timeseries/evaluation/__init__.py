"""How good forecasts of a panel are: its end held out, and scores of point forecasts, quantiles and intervals."""

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
