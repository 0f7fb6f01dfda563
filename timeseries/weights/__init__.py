"""Pretrained weights: those in the package, and others in the same format, a safetensors file with its own history."""

from .files import CLASSIFY, FORECAST, SYNTHETIC, about_weights, shipped
from .reader import content_of_reader, load_reader, reader_from, save_reader
from .weigher import content_of, load_weigher, save_weigher, weigher_from

__all__ = [
    "CLASSIFY",
    "FORECAST",
    "SYNTHETIC",
    "about_weights",
    "content_of",
    "content_of_reader",
    "load_reader",
    "load_weigher",
    "reader_from",
    "save_reader",
    "save_weigher",
    "shipped",
    "weigher_from",
]
