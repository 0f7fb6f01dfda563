"""The classes that a user names, and by which number or colour masks show each."""

import colorsys
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ....words import some
from ..name_lists import require_sound

MOST = 255  # classes that fit beside the ignored label into 8 bits
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True)
class NamedClasses:
    """Classes in the order of their labels.

    Attributes:
        names: Of the classes.
        values: What shows each in masks: numbers, or colours as 0xRRGGBB; None for the numbers 0, 1, 2, …
        coloured: Whether ``values`` are colours.
    """

    names: tuple[str, ...]
    values: tuple[int, ...] | None = None
    coloured: bool = False


def read_classes(entries: Sequence[str]) -> NamedClasses:
    """Classes from words: NAME, NAME=NUMBER or NAME=#rrggbb, all of one kind; or one file with such a word a line.

    Raises:
        ValueError: If there are fewer than two or more than 255, kinds are mixed, or a name or value is there twice.
    """
    if len(entries) == 1 and os.path.isfile(entries[0]):
        require_sound(entries[0], "classes")
        entries = Path(entries[0]).read_text(encoding="utf-8").splitlines()
    words = [entry.strip() for entry in entries]
    if not 2 <= len(words) <= MOST:
        hint = f"; there is no file {words[0]}" if len(words) == 1 else ""
        raise ValueError(f"{len(words)} classes are named ({some(words)}): name 2 to {MOST}{hint}")
    split = [word.rpartition("=") for word in words]
    if not any(equals for _, equals, _ in split):
        return NamedClasses(_all_different("names", words))
    values = []
    for word, (name, equals, value) in zip(words, split, strict=True):
        if not (name and equals):
            raise ValueError(f"some classes have a value, but {word!r} has none: give all of them NAME=VALUE, or none")
        values.append(read_value(value, word))
    kinds = {value.startswith("#") for _, _, value in split}
    if len(kinds) > 1:
        raise ValueError(f"classes have numbers and colours ({some(words)}): give all of them one or the other")
    _all_different("values", [value.lower() for _, _, value in split])
    return NamedClasses(_all_different("names", [name for name, _, _ in split]), tuple(values), kinds.pop())


def read_value(text: str, where: str) -> int:
    """A number up to 65535, or a colour #rrggbb as 0xRRGGBB; ``where`` is how a message names its place.

    Raises:
        ValueError: If it is neither.
    """
    if _COLOUR.fullmatch(text):
        return int(text[1:], 16)
    if text.isdecimal() and int(text) <= 0xFFFF:
        return int(text)
    raise ValueError(f"{where}: {text!r} is neither a colour #rrggbb nor a number from 0 to 65535")


def read_ignored(words: Sequence[str] | None) -> tuple[set[int] | None, bool]:
    """Values to ignore, and whether they are colours: from numbers or colours, or "none" for no value at all.

    Raises:
        ValueError: If words are of several kinds, or none of these.
    """
    if words is None or list(words) == ["none"]:
        return (None if words is None else set()), False
    if len({word.startswith("#") for word in words}) > 1:
        raise ValueError(f"--ignore has numbers and colours ({some(words)}): masks have one or the other")
    return {read_value(word, "--ignore") for word in words}, words[0].startswith("#")


def told(value: int, coloured: bool) -> str:
    """A number or a colour as people write it."""
    return f"#{value:06x}" if coloured else str(value)


def rgb(value: int) -> list[int]:
    """Red, green and blue of 0xRRGGBB."""
    return [value >> 16, value >> 8 & 0xFF, value & 0xFF]


def distinct_colours(count: int) -> list[list[int]]:
    """Colours for classes that have none: hues in steps of the golden ratio, so that neighbours differ."""
    hues = ((0.6 + number * 0.618034) % 1 for number in range(count))
    lights = (0.9, 0.65, 0.8)
    return [
        [round(255 * band) for band in colorsys.hsv_to_rgb(hue, 0.65 if number % 2 else 0.85, lights[number % 3])]
        for number, hue in enumerate(hues)
    ]


def _all_different(what: str, words: Iterable[str]) -> tuple[str, ...]:
    words = tuple(words)
    twice = sorted({word for word in words if words.count(word) > 1})
    if twice:
        raise ValueError(f"{what} of classes are there twice: {some(twice)}")
    return words
