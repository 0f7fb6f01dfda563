"""How good forecasts of a panel are: its end held out, and scores of point forecasts, quantiles and intervals."""

from .held_out import HeldOut, hold_out
from .panel import PanelScores, evaluate_panel
from .scores import QUANTILES, score_panel

__all__ = ["QUANTILES", "HeldOut", "PanelScores", "evaluate_panel", "hold_out", "score_panel"]
