"""Scenes: small painted landscapes with exact labels, rendered on the fly, so that there is always a data set at hand.

Colour hardly tells the class: things take their colours from the palette of their scene, whatever their class, and so
do the surfaces in three scenes of ten; in the other scenes the surfaces' colours vary widely about natural ones.
Place hardly tells it either: the horizon lies anywhere, also outside the frame. A class is told by its texture, its
shape and its surroundings.
"""

from .classes import CLASSES, PALETTE
from .dataset import VALIDATION_SEED, RenderScene, ScenesDataset
from .scene import render

__all__ = ["CLASSES", "PALETTE", "VALIDATION_SEED", "RenderScene", "ScenesDataset", "render"]
