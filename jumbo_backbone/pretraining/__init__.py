"""Pretraining the image model on images without labels: torch and timm alone."""

from .masked_autoencoder import MaskedAutoencoder, Reconstruction
from .masks import draw_masks
from .saving import load_weights, save_weights

__all__ = ["MaskedAutoencoder", "Reconstruction", "draw_masks", "load_weights", "save_weights"]
