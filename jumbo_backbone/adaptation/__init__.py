"""Test-time adaptation: a model that learns, without labels, from the images that it answers. torch alone."""

from .adapter import Adapter
from .parameters import parameters_to_adapt
from .sar import SAR
from .tent import Tent

METHODS: dict[str, type[Adapter]] = {"tent": Tent, "sar": SAR}
"""The methods by the names that ``--adapt`` takes."""

__all__ = ["METHODS", "SAR", "Adapter", "Tent", "parameters_to_adapt"]
