"""Lists in messages."""

from collections.abc import Iterable


def some(values: Iterable[object], most: int = 6) -> str:
    """The first values as text, and how many more there are."""
    told = [str(value) for value in values]
    return ", ".join(told[:most]) + (f", … ({len(told) - most} more)" if len(told) > most else "")
