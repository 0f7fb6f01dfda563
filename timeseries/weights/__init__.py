"""Pretrained weights: those in the package, and others in the same format, a safetensors file with its own history."""

from .files import CLASSIFY as CLASSIFY
from .files import FORECAST as FORECAST
from .files import SYNTHETIC as SYNTHETIC
from .files import about_weights as about_weights
from .files import shipped as shipped
from .reader import load_reader as load_reader
from .reader import save_reader as save_reader
from .weigher import content_of as content_of
from .weigher import load_weigher as load_weigher
from .weigher import save_weigher as save_weigher
from .weigher import weigher_from as weigher_from
