"""What the values of masks become: labels 0, 1, 2, … for classes, and 255 for what counts for nothing."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ....words import some
from .classes import MOST, NamedClasses, distinct_colours, rgb, told
from .masks import Mask, Survey

IGNORED = 255
MOST_COLOURS = 64  # of masks whose colours nobody named; more come of smoothing


@dataclass(frozen=True)
class Meaning:
    """How masks become labels.

    Attributes:
        names: Of the classes, in the order of the labels.
        palette: A colour for each, for pictures.
        labels: By the values of masks; ``IGNORED`` for those that count for nothing.
        coloured: Whether these values are colours.
        nearest: Whether other colours become the nearest of them.
        told: How this was decided, a sentence each.
    """

    names: tuple[str, ...]
    palette: list[list[int]]
    labels: dict[int, int]
    coloured: bool
    nearest: bool
    told: list[str]

    def apply(self, mask: Mask) -> tuple[np.ndarray, int]:
        """Labels uint8 (H, W) of a mask, and how many of its pixels had no value of their own."""
        values = mask.values
        if mask.coloured and not self.coloured:
            values = values & 0xFF  # shades of grey that stand for numbers
        labels = self._table[values]
        strange = labels < 0
        if strange.any():
            used, place = np.unique(values[strange], return_inverse=True)
            labels[strange] = self._nearest(used)[place]
        return labels.astype(np.uint8), int(strange.sum())

    @cached_property
    def _table(self) -> np.ndarray:
        """Labels by value, -1 for values that have none."""
        table = np.full(1 << (24 if self.coloured else 16), -1, dtype=np.int16)
        table[list(self.labels)] = list(self.labels.values())
        return table

    def _nearest(self, strange: np.ndarray) -> np.ndarray:
        known = np.array(list(self.labels))
        distance = _bands(strange)[:, None] - _bands(known)[None]  # (strange, known, 3)
        return self._table[known[np.square(distance).sum(axis=2).argmin(axis=1)]]


def choose(
    survey: Survey, classes: NamedClasses | None = None, ignore: Collection[int] | None = None, nearest: bool = False
) -> Meaning:
    """Decide what the values of masks mean.

    Numbers: 0 and 255 alone are background and foreground; else 255 is ignored, unless ``ignore`` or ``classes`` say
    otherwise, and numbers are classes: those of a palette keep their index as label, others are numbered without gaps;
    names without values are those of 0, 1, …, without what is ignored. Colours: each is a class, in the order of their
    values, unless ``classes`` say which.

    Args:
        survey: Of the masks, read as colours if the classes have colours.
        classes: By name; None to take what the masks hold.
        ignore: Values that count for nothing; None for 255 in masks of numbers.
        nearest: Whether colours that nobody named become the nearest named one.

    Raises:
        ValueError: If masks have values that are no class's, more than 255 classes or fewer than two, too many colours,
            or a format that alters them; if names do not say which colour they are of.
    """
    _require_exact(survey, classes, nearest)
    binary = not (survey.coloured or ignore or (classes and len(classes.names) != 2)) and set(survey.pixels) == {0, 255}
    if ignore is None:
        named = set(classes.values or ()) if classes else set()
        ignore = set() if survey.coloured or binary else {255} - named
    used = sorted(set(survey.pixels) - set(ignore))
    if classes is not None:
        names, values = classes.names, _named_values(survey, classes, set(ignore), binary)
        sentences: list[str] = []
    else:
        names, values, sentences = _inferred(survey, used, set(ignore), binary)
    _require_possible(survey, names, values, set(ignore), nearest)
    if survey.coloured:
        palette = [rgb(value) for value in values]
    elif survey.palette:
        palette = [rgb(survey.palette.get(value, 0)) for value in values]
    else:
        palette = distinct_colours(len(values))
    labels = {value: label for label, value in enumerate(values)} | dict.fromkeys(ignore, IGNORED)
    if occurring := [value for value in ignore if survey.pixels[value]]:
        sentences.append(f"ignored, 255 in the labels: {survey.some(occurring)}")
    return Meaning(tuple(names), palette, labels, survey.coloured, nearest, sentences)


def _require_exact(survey: Survey, classes: NamedClasses | None, nearest: bool) -> None:
    if nearest and not (classes and classes.coloured):
        raise ValueError("--nearest takes the nearest of the colours that are named: give --classes NAME=#rrggbb …")
    if survey.lossy and not nearest:
        raise ValueError(
            f"{len(survey.lossy):,} masks are JPEG ({some(survey.lossy, 3)}), which alters values at edges: save masks "
            "as PNG from the program that drew them; or name the colours of the classes (--classes NAME=#rrggbb …), "
            "and take the nearest one for each pixel (--nearest); black is #000000"
        )


def _inferred(
    survey: Survey, used: list[int], ignore: set[int], binary: bool
) -> tuple[tuple[str, ...], list[int], list[str]]:
    """Names and values of the classes that masks hold, and how they were found."""
    if binary:
        return ("background", "foreground"), [0, 255], ["masks hold 0 and 255 alone: background and foreground"]
    if not survey.coloured:
        values = [v for v in range(max(used, default=-1) + 1) if v not in ignore] if survey.palette else used
        how = f"the numbers {some(used)} become labels from 0"
        if values == list(range(len(values))):
            how = "palette indices are the labels" if survey.palette else "numbers are the labels"
        return tuple(f"class_{value}" for value in values), values, [f"no classes were named: {how}"]
    if len(used) > MOST_COLOURS:
        raise ValueError(
            f"masks have {len(used):,} colours, the commonest of them {survey.some(used, 5)}: colours that were "
            "mixed at edges (anti-aliasing, smooth resizing) are no classes. Save masks without smoothing; or name the "
            "colours of the classes (--classes NAME=#rrggbb …), and take the nearest one for each pixel (--nearest)"
        )
    names = tuple(f"colour_{value:06x}" for value in used)
    words = " ".join(f"{name}=#{value:06x}" for name, value in zip(names, used, strict=True))
    found = "\n  ".join([f"no classes were named: masks have {len(used)} colours", *survey.listed(used)])
    return names, used, [found, f"to name them, replace what stands before each =: --classes {words}"]


def _require_possible(
    survey: Survey, names: Sequence[str], values: Sequence[int], ignore: set[int], nearest: bool
) -> None:
    used = set(survey.pixels) - ignore
    if both := ignore & set(values):
        raise ValueError(f"{told(min(both), survey.coloured)} is a class and ignored: give it to one of them")
    if len(values) > MOST:
        raise ValueError(
            f"{len(values):,} classes are too many, labels of 8 bits hold {MOST}; masks have the values "
            f"{some(sorted(used))}. Are they numbers of single objects, or measurements?"
        )
    if (strange := used - set(values)) and not nearest:
        raise ValueError(
            f"masks have values that are neither a class's nor ignored: {survey.some(strange)}. "
            "Give them to --classes or --ignore"
            + (", or take the nearest colour (--nearest)" if survey.coloured else "")
        )
    occurring = [name for name, value in zip(names, values, strict=True) if survey.pixels[value]]
    if len(occurring) < 2 and not strange:
        alone = f"one class alone, {occurring[0]}" if occurring else "no class"
        raise ValueError(
            f"masks show {alone}, so there is nothing to tell apart: does --ignore leave out what is a class, such as "
            "the background?"
        )


def _named_values(survey: Survey, classes: NamedClasses, ignore: set[int], binary: bool) -> Sequence[int]:
    """The value that shows each of the named classes."""
    used = set(survey.pixels) - ignore
    if classes.values is not None:
        if survey.coloured and not classes.coloured:
            raise ValueError(
                f"classes have numbers, but masks have colours: {survey.some(used)}. Give --classes NAME=#rrggbb …"
            )
        return classes.values
    if survey.coloured:
        raise ValueError(
            f"masks have {len(used):,} colours, and names alone do not say which is whose: give --classes "
            f"NAME=#rrggbb … for {survey.some(used)}"
        )
    return (
        (0, 255)
        if binary
        else [v for v in range(len(classes.names) + len(ignore)) if v not in ignore][: len(classes.names)]
    )


def _bands(values: np.ndarray) -> np.ndarray:
    return np.stack([values >> 16, values >> 8 & 0xFF, values & 0xFF], axis=-1).astype(np.int64)
