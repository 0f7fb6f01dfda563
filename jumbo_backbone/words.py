"""Lists in messages."""

from collections.abc import Iterable


def some(values: Iterable[object], most: int = 6) -> str:
    """The first values as text, and how many more there are."""
    values = [str(value) for value in values]
    return ", ".join(values[:most]) + (f", … ({len(values) - most} more)" if len(values) > most else "")
