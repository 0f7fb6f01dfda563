"""The painter's tools: colours, patterns, and the brush that draws one thing."""

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

Colour = np.ndarray  # float32 (3, 1, 1), RGB in 0 … 1; it fits images in planes (3, H, W)


def pick(rng: np.random.Generator, options: Sequence[Any]) -> Any:
    """One of the items, drawn at random; ``rng.choice`` takes ten times as long."""
    place: Any = rng.integers(len(options))
    return options[place]


def shade(colour: Colour, amount: Any) -> Colour:
    """Lighter for positive amounts up to 1, darker for negative ones; amounts (n, 1, 1, 1) give as many colours."""
    return colour + ((amount > 0) - colour) * abs(amount)


def contrast(colour: Colour, amount: float) -> Colour:
    return shade(colour, amount if colour.sum() < 1.5 else -amount)


def noise(rng: np.random.Generator, shape: tuple[int, int], cells: tuple[int, int], octaves: int) -> np.ndarray:
    """Smooth noise float32 (H, W) of about unit variance; ``cells`` (down, across) of the coarsest octave."""
    total = rng.standard_normal(cells, dtype=np.float32)
    for octave in range(1, octaves):
        cells = 2 * cells[0], 2 * cells[1]
        finer = rng.standard_normal(cells, dtype=np.float32)
        total = cv2.resize(total, cells[::-1], interpolation=cv2.INTER_CUBIC) + 0.55**octave * finer
    return cv2.resize(total, shape[::-1], interpolation=cv2.INTER_CUBIC)


def step(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """Smooth step from 0 at ``low`` to 1 at ``high``."""
    x = np.clip((x - low) / (high - low), 0, 1)
    return x * x * (3 - 2 * x)


def cover_of(field: np.ndarray, slope: Any = None) -> np.ndarray:
    """The fraction, 0 … 1, of each pixel where a field (H, W) is positive; the field counts as linear around the
    pixel.
    ``slope`` is the field's change from one pixel to the next, if known."""
    if slope is None:
        slope = cv2.magnitude(cv2.Sobel(field, -1, 1, 0, ksize=1), cv2.Sobel(field, -1, 0, 1, ksize=1))
        slope = slope * 0.5 + 1e-6  # Sobel's difference is over two pixels
    cover = field / slope
    cover += 0.5
    return np.clip(cover, 0, 1, out=cover)


class Colours:
    """A few hues that go together, and colours of any lightness in them."""

    def __init__(self, rng: np.random.Generator) -> None:
        schemes = ((0, 0.08, -0.08), (0, 0.5, 0.06), (0, 1 / 3, 2 / 3), (0, 0.42, 0.58), (0, 0.25, 0.5, 0.75))
        scheme = pick(rng, schemes)
        self.rng, self.hues, self.saturation = rng, rng.uniform() + np.array(scheme), rng.uniform(0.25, 0.75)
        self.pool = iter(self._mix(rng.uniform(0.2, 0.95, 60)).reshape(-1, 3, 3, 1, 1))  # at once: many times faster

    def _mix(self, lightness: np.ndarray) -> np.ndarray:
        n, rng = len(lightness), self.rng
        hue = self.hues[rng.integers(len(self.hues), size=n)] + rng.normal(0, 0.03, n)
        saturation = (self.saturation * rng.uniform(0.3, 1.1, n))[:, None]
        ramp = np.clip(np.abs((hue[:, None] + [0, 2 / 3, 1 / 3]) % 1 * 6 - 3) - 1, 0, 1)
        colours = lightness[:, None] * (1 - saturation + saturation * ramp)
        return colours.astype(np.float32)[..., None, None]

    def apart(self, count: int) -> list[Colour]:
        """Colours of different lightness, in random order."""
        rng = self.rng
        return list(self._mix(0.3 + 0.68 * (rng.permutation(count) + rng.uniform(0, 1, count)) / count))

    def against(self, background: Colour) -> Colour:
        """A new colour: the one of three drawn that stands out most."""
        three = next(self.pool)
        return three[np.abs(three - background).sum(axis=(1, 2, 3)).argmax()]


class Brush:
    """Draws one thing on ``canvas`` uint8 (H, W, 4): its colours, and how much of a pixel it covers."""

    BITS = 4  # of a pixel's fraction
    EXACT: dict[str, Any] = dict(lineType=cv2.LINE_AA, shift=BITS)

    def __init__(self, shape: tuple[int, int], foot: np.ndarray, axes: np.ndarray, colour: Colour) -> None:
        self.foot, self.axes = foot * 2**self.BITS, axes * 2**self.BITS  # as OpenCV counts
        self.scale = math.hypot(*axes[0])  # pixels in a unit
        self.canvas = np.empty((*shape, 4), dtype=np.uint8)
        cv2.rectangle(self.canvas, (0, 0), shape[::-1], (*_paint(colour)[:3], 0), -1)  # lest edges bleed black

    def _pixels(self, points: Any) -> np.ndarray:
        return (np.asarray(points) @ self.axes + self.foot).astype(np.int32)

    def alpha(self) -> np.ndarray:
        """How much of each pixel the thing covers, uint8 (H, W)."""
        return cv2.extractChannel(self.canvas, 3)

    def fill(self, points: Any, colour: Colour) -> None:
        """A polygon (n, 2)."""
        cv2.fillPoly(self.canvas, [self._pixels(points)], _paint(colour), **self.EXACT)

    def box(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        """A rectangle, given by its lower left corner."""
        self.fill(((x, y), (x + width, y), (x + width, y + height), (x, y + height)), colour)

    def discs(self, centres: Any, radius: float, colours: Colour) -> None:
        """Discs around points (n, 2), of one colour or of n."""
        size = round(radius * self.scale * 2**self.BITS)
        paints = (np.broadcast_to(colours, (len(centres), 3, 1, 1)).reshape(-1, 3) * 255).tolist()
        for centre, colour in zip(self._pixels(centres).tolist(), paints, strict=True):
            cv2.circle(self.canvas, centre, size, (*colour, 255), -1, **self.EXACT)

    def lines(self, lines: Any, colour: Colour) -> None:
        """Fine lines (n, points, 2) on what is drawn already."""
        width = max(1, round(self.scale / 90))
        cv2.polylines(self.canvas, list(self._pixels(lines)), False, _paint(colour), width, **self.EXACT)


def _paint(colour: Colour) -> list[float]:
    return [*(colour.ravel() * 255).tolist(), 255]
