"""Pretraining the image model on images without labels, and measuring what it learned: torch and timm alone."""

from .features import READ_OUTS, Features, features_of
from .masked_autoencoder import MaskedAutoencoder, Reconstruction
from .masks import draw_masks
from .probe import ProbeScore, linear_probe, nearest_neighbours
from .saving import load_weights, save_weights

__all__ = [
    "READ_OUTS",
    "Features",
    "MaskedAutoencoder",
    "ProbeScore",
    "Reconstruction",
    "draw_masks",
    "features_of",
    "linear_probe",
    "load_weights",
    "nearest_neighbours",
    "save_weights",
]
