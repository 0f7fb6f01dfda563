"""The ways in which a model answers: as it was trained, and adapting."""

from collections.abc import Sequence

NONE = "none"


def methods_of(adapt: Sequence[str]) -> list[str]:
    """The unadapted model first, which every table shows, then the methods."""
    return [NONE, *dict.fromkeys(method for method in adapt if method != NONE)]
