"""A context manager that changes attributes for a while."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def changed(owner: object, name: str, value: object) -> Iterator[None]:
    """Give an attribute another value inside the ``with`` block."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)
