"""The ways in which a model answers: as it was trained, and adapting."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from ...adaptation import METHODS, Adapter

NONE = "none"


def methods_of(adapt: Sequence[str]) -> list[str]:
    """The unadapted model first, which every table shows, then the methods."""
    return [NONE, *dict.fromkeys(method for method in adapt if method != NONE)]


def adapter_of(model: nn.Module, method: str, options: Mapping[str, Any]) -> Adapter:
    """A ``Tent`` or ``SAR`` around a model.

    Raises:
        ValueError: If an option is unknown to the method, or out of range.
    """
    try:
        return METHODS[method](model, **options)
    except TypeError as error:
        raise ValueError(f"{method} cannot be made with {dict(options)}: {error}") from error
