"""Files of benchmarks: the long-horizon collection, and panels in the format of the Monash archive."""

from .long_horizon import LongHorizon, evaluate_long_horizon, load_long_horizon
from .tsf import SeriesPanel, load_tsf

__all__ = ["LongHorizon", "SeriesPanel", "evaluate_long_horizon", "load_long_horizon", "load_tsf"]
