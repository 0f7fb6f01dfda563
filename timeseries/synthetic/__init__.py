"""Random series of many kinds, on which networks are pretrained before they see a user's series.

`draw` mixes the FAMILIES of processes over the FREQUENCIES; docs/synthetic.md describes them.
"""

from timeseries.synthetic.drawing import Drawn, draw
from timeseries.synthetic.families import FAMILIES
from timeseries.synthetic.frequencies import FREQUENCIES

__all__ = ["FAMILIES", "FREQUENCIES", "Drawn", "draw"]
