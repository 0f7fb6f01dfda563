"""Random series of many kinds, on which networks are pretrained before they see a user's series.

`draw` mixes the FAMILIES of processes over the FREQUENCIES, for forecasts. `draw_pairs` draws two series of each of
many processes made of COMPONENTS, for classification. docs/synthetic.md describes both.
"""

from timeseries.synthetic.drawing import Drawn, draw
from timeseries.synthetic.families import FAMILIES
from timeseries.synthetic.frequencies import FREQUENCIES
from timeseries.synthetic.pairs import COMPONENTS, draw_pairs

__all__ = ["COMPONENTS", "FAMILIES", "FREQUENCIES", "Drawn", "draw", "draw_pairs"]
