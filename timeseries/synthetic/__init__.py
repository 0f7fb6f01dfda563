"""Series of all kinds, drawn at random: what networks are pretrained on before they see any series of a user.

`draw` mixes the FAMILIES of processes over the FREQUENCIES; docs/synthetic.md describes them.
"""

from timeseries.synthetic.drawing import Drawn, draw
from timeseries.synthetic.families import FAMILIES
from timeseries.synthetic.frequencies import FREQUENCIES

__all__ = ["FAMILIES", "FREQUENCIES", "Drawn", "draw"]
