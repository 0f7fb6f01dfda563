"""The classes of a config's parts, looked up in the registry, so that subclasses count."""

from collections.abc import Mapping
from typing import Any

from mmseg.registry import MODELS


def is_of(part: Mapping[str, Any], kind: type) -> bool:
    """Whether a model, or a part of one, is of a class or of a subclass of it; False for what is not registered."""
    named = part.get("type")
    found = MODELS.get(named) if isinstance(named, str) else named
    return isinstance(found, type) and issubclass(found, kind)
