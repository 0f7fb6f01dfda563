"""Kinds of arguments that several subcommands and the programs of tools/research share."""

import argparse
import ast
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

from .failing import BadInputError


class Parser(argparse.ArgumentParser):
    """Raises a BadInputError on wrong arguments instead of printing the usage, which would hide the message."""

    def error(self, message: str) -> NoReturn:
        raise BadInputError(message)


def number(kind: type, least: float) -> Callable[[str], Any]:
    """A finite int or float of at least ``least``."""

    def parse(text: str) -> Any:
        value = kind(text)
        if not least <= value < math.inf:
            raise argparse.ArgumentTypeError(f"must be at least {least}, got {text}")
        return value

    parse.__name__ = {int: "whole number", float: "number"}[kind]  # argparse names it in its own error
    return parse


def key_value(text: str) -> tuple[str, Any]:
    """NAME=VALUE; the value is a Python literal, or else text."""
    key, equals, value = text.partition("=")
    if not (key.isidentifier() and equals):
        raise argparse.ArgumentTypeError(f"must be name=value, got {text!r}")
    with suppress(ValueError, SyntaxError):
        value = ast.literal_eval(value)
    return key, value


def scale_or_pixels(text: str) -> float | int:
    """A float with a point (0.7, a scale of the sides), else an int (384, pixels)."""
    return float(text) if "." in text else int(text)


def resolution(text: str) -> float | int | tuple[int, ...]:
    """A scale (0.7), pixels (384), or height and width (384x512)."""
    try:
        return tuple(int(side) for side in text.split("x")) if "x" in text else scale_or_pixels(text)
    except ValueError:
        way_out = "give a scale (0.7), pixels (384), or both sides (384x512)"
        raise argparse.ArgumentTypeError(f"{text!r} is not a size: {way_out}") from None
