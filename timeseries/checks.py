"""Checks of the user's arguments. Each message says what to do."""

import difflib
from collections.abc import Collection, Hashable
from typing import Any

import numpy as np

_LARGEST = 1e150  # its square is still a finite number


def check_count(name: str, value: Any, unit: str = "", least: int = 1) -> None:
    """Raises TypeError if the value is not an integer, ValueError if it is below ``least``."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}{unit and ' ' + unit}, got {value}")


def check_choice(name: str, value: Any, options: tuple[str, ...]) -> None:
    """Raises ValueError if the value is not among the options."""
    if value not in options:
        raise ValueError(f"unknown {name} {value!r}: choose one of {', '.join(options)}")


def check_known(what: str, value: Any, there: Collection[Hashable], way_out: str = "") -> None:
    """Raises ValueError if ``there`` does not hold the value. The message names the nearest, and adds ``way_out``."""
    if isinstance(value, Hashable) and value in there:
        return
    known = [repr(name) for name in there]
    near = difflib.get_close_matches(repr(value), known, 1, 0.5)
    listed = ", ".join(known[:10]) + ", …" * (len(known) > 10)
    nearest = f"; the nearest is {near[0]}" if near else ""
    raise ValueError(f"no {what} {value!r}: there are {listed}{nearest}{way_out}")


def check_share(name: str, value: Any) -> None:
    """Raises ValueError for a fraction that is not in [0, 1)."""
    if not 0 <= value < 1:
        raise ValueError(f"{name} {value!r}: give a fraction from 0 to below 1")


def check_finite(values: np.ndarray) -> None:
    """Raises ValueError if some values are infinite, or so large that their squares would be."""
    largest = np.nanmax(np.abs(values), initial=0.0)
    if np.isinf(largest):
        raise ValueError(
            "there are infinite values: replace them with NaN, which stands for a value that was not observed"
        )
    if largest > _LARGEST:
        raise ValueError(f"there are values up to {largest:.3g}, at most {_LARGEST:.0e} is allowed: use a larger unit")
