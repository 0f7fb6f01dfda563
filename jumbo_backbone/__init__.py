"""Jumbo: plain vision transformers with one wide global token. Importing this registers the presets with timm."""

from .budget import ComputeBudget
from .checkpoint import LoadReport, load_checkpoint, save_checkpoint
from .encoder import JumboEncoder
from .presets import create_model, list_models
from .vit import JumboViT

__version__ = "0.1.0"

__all__ = [
    "ComputeBudget",
    "JumboEncoder",
    "JumboViT",
    "LoadReport",
    "create_model",
    "list_models",
    "load_checkpoint",
    "save_checkpoint",
]
