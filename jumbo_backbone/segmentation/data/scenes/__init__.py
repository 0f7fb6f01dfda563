"""Scenes: small painted landscapes with exact labels, rendered on the fly, so that there is always a data set at hand.

Colours say little: things draw theirs from the palette of their scene, whichever class they are of, and so do the
surfaces in three scenes of ten; in the others they vary widely about nature's. Places say little too: the horizon
lies anywhere, also outside the frame. What a class is shows in its texture, its shape and what surrounds it.
"""

from .classes import CLASSES, PALETTE
from .dataset import VALIDATION_SEED, RenderScene, ScenesDataset
from .scene import render

__all__ = ["CLASSES", "PALETTE", "VALIDATION_SEED", "RenderScene", "ScenesDataset", "render"]
