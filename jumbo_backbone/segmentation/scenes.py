"""Scenes: small painted landscapes with exact labels, rendered on the fly, so that there is always a data set at hand.

Colours say little: things draw theirs from the palette of their scene, whichever class they are of, and so do the
surfaces in three scenes of ten; in the others they vary widely about nature's. Places say little too: the horizon
lies anywhere, also outside the frame. What a class is shows in its texture, its shape and what surrounds it.

Three kinds of coordinates: pixels; the view's u (right) and v (down), which roll with the camera, in units of the
frame's shorter side from its centre; and a thing's own x (right) and y (up), in units of its size from its foot.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS, TRANSFORMS

CLASSES = ("sky", "ground", "water", "road", "tree", "house", "vehicle", "sign")  # mountains are ground
PALETTE = (
    (126, 190, 238),
    (214, 190, 120),
    (40, 98, 180),
    (96, 96, 104),
    (46, 140, 70),
    (186, 74, 58),
    (240, 200, 30),
    (232, 96, 190),
)
SKY, GROUND, WATER, ROAD, TREE, HOUSE, VEHICLE, SIGN = range(8)

MIN_SIDE = 32  # pixels; things would not be recognised in less
MIN_VISIBLE = 40  # pixels of a 128x128 frame; a thing of which less is left is not drawn
NATURAL_SHARE = 0.7  # of the scenes
VALIDATION_SEED = 1_000_000  # validation starts here, training ends before
SEED_LIMIT = 2**32

Colour = np.ndarray  # float32 (3, 1, 1), RGB in 0 … 1; it fits images in planes (3, H, W)


def render(seed: int, size: tuple[int, int] = (128, 128)) -> tuple[np.ndarray, np.ndarray]:
    """Paint a scene; the same for the same arguments.

    Args:
        seed: Number of the scene, 0 … 2^32 - 1.
        size: Height and width in pixels, each at least 32. What is seen scales with the shorter one.

    Returns:
        Image uint8 (H, W, 3) in RGB, and labels uint8 (H, W), indices into ``CLASSES``. Edges of the image are smooth;
        a pixel has the label of what covers at least half of it.

    Raises:
        ValueError: For a seed or size out of range.
        TypeError: For ones that are not integers.
    """
    _check_scene(seed, size)
    return _Scene(np.random.default_rng(seed), *size).paint()


def _check_scene(seed: int, size: tuple[int, int]) -> None:
    if not isinstance(size, (tuple, list)) or len(size) != 2:
        raise TypeError(f"size must be a pair (height, width), got {size!r}")
    _check_integers(seed=seed, height=size[0], width=size[1])
    if not 0 <= seed < SEED_LIMIT:
        raise ValueError(f"seed {seed} is out of range: give 0 to {SEED_LIMIT - 1}")
    if min(size) < MIN_SIDE:
        raise ValueError(f"size {size[0]}x{size[1]} is too small to see anything: give at least {MIN_SIDE}x{MIN_SIDE}")


def _check_integers(**values: Any) -> None:
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise TypeError(f"{name} must be an integer, got {value!r}")


# ---- chance, colours and patterns


def _pick(rng: np.random.Generator, options: Sequence[Any]) -> Any:
    """One of them; ``rng.choice`` takes ten times as long."""
    return options[rng.integers(len(options))]


def _shade(colour: Colour, amount: Any) -> Colour:
    """Lighter for positive amounts up to 1, darker for negative ones; amounts (n, 1, 1, 1) give as many colours."""
    return colour + ((amount > 0) - colour) * abs(amount)


def _contrast(colour: Colour, amount: float) -> Colour:
    return _shade(colour, amount if colour.sum() < 1.5 else -amount)


def _noise(rng: np.random.Generator, shape: tuple[int, int], cells: tuple[int, int], octaves: int) -> np.ndarray:
    """Smooth noise float32 (H, W) of about unit variance; ``cells`` (down, across) of the coarsest octave."""
    total = rng.standard_normal(cells, dtype=np.float32)
    for octave in range(1, octaves):
        cells = 2 * cells[0], 2 * cells[1]
        finer = rng.standard_normal(cells, dtype=np.float32)
        total = cv2.resize(total, cells[::-1], interpolation=cv2.INTER_CUBIC) + 0.55**octave * finer
    return cv2.resize(total, shape[::-1], interpolation=cv2.INTER_CUBIC)


def _step(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """Smooth step from 0 at ``low`` to 1 at ``high``."""
    x = np.clip((x - low) / (high - low), 0, 1)
    return x * x * (3 - 2 * x)


def _cover(field: np.ndarray, slope: Any = None) -> np.ndarray:
    """How much of each pixel lies where a field (H, W) is positive: 0 … 1, taking it as linear around the pixel.
    ``slope`` is what it changes by from one pixel to the next, if known."""
    if slope is None:
        slope = cv2.magnitude(cv2.Sobel(field, -1, 1, 0, ksize=1), cv2.Sobel(field, -1, 0, 1, ksize=1))
        slope = slope * 0.5 + 1e-6  # Sobel's difference is over two pixels
    cover = field / slope
    cover += 0.5
    return np.clip(cover, 0, 1, out=cover)


class _Colours:
    """A few hues that go together, and colours of any lightness in them."""

    def __init__(self, rng: np.random.Generator) -> None:
        schemes = ((0, 0.08, -0.08), (0, 0.5, 0.06), (0, 1 / 3, 2 / 3), (0, 0.42, 0.58), (0, 0.25, 0.5, 0.75))
        scheme = _pick(rng, schemes)
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
        """A new colour, of three the one that stands out most."""
        three = next(self.pool)
        return three[np.abs(three - background).sum(axis=(1, 2, 3)).argmax()]


# ---- things: each is drawn with a brush in its own coordinates, one unit high or wide


class _Brush:
    """Draws one thing on ``canvas`` uint8 (H, W, 4): its colours, and how much of a pixel it covers."""

    BITS = 4  # of a pixel's fraction
    EXACT = dict(lineType=cv2.LINE_AA, shift=BITS)

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
        """A rectangle on its lower left corner."""
        self.fill(((x, y), (x + width, y), (x + width, y + height), (x, y + height)), colour)

    def discs(self, centres: Any, radius: float, colours: Colour) -> None:
        """Discs around points (n, 2), of one colour or of n."""
        size = round(radius * self.scale * 2**self.BITS)
        colours = (np.broadcast_to(colours, (len(centres), 3, 1, 1)).reshape(-1, 3) * 255).tolist()
        for centre, colour in zip(self._pixels(centres).tolist(), colours, strict=True):
            cv2.circle(self.canvas, centre, size, (*colour, 255), -1, **self.EXACT)

    def lines(self, lines: Any, colour: Colour) -> None:
        """Fine lines (n, points, 2) on what is drawn already."""
        width = max(1, round(self.scale / 90))
        cv2.polylines(self.canvas, list(self._pixels(lines)), False, _paint(colour), width, **self.EXACT)


def _paint(colour: Colour) -> list[float]:
    return [*(colour.ravel() * 255).tolist(), 255]


def _tree(brush: _Brush, rng: np.random.Generator, colours: _Colours, leaf: Colour, light: int) -> None:
    bark = colours.against(leaf)
    kind = rng.integers(4)
    trunk = rng.uniform(0.15, 0.3) if kind != 2 else 0.06
    wide = rng.uniform(0.05, 0.08)
    brush.fill([(-wide * 1.4, 0), (wide * 1.4, 0), (wide, trunk + 0.15), (-wide, trunk + 0.15)], bark)
    brush.lines([[(x * wide, 0), (x * wide * 0.7, trunk)] for x in (-0.4, 0.4)], _contrast(bark, 0.35))
    if kind == 3:  # a conifer: tiers with a ragged hem
        tiers, half = rng.integers(3, 6), rng.uniform(0.28, 0.42)
        for i in range(tiers):
            y, top = trunk + (1 - trunk) * i / (tiers + 0.6), trunk + (1 - trunk) * (i + 1.7) / (tiers + 0.7)
            reach = half * (1 - 0.8 * i / tiers)
            x = np.linspace(-reach, reach, 9)
            hem = np.column_stack([x, y + 0.035 * (np.arange(9) % 2) + 0.05 * (x / reach) ** 2 * rng.uniform(-1, 1)])
            peak = (0, min(top, 1))
            brush.fill([*hem, peak], _shade(leaf, rng.uniform(-0.5, -0.3)))
            brush.fill([*(hem[4:] if light > 0 else hem[:5]), peak], _shade(leaf, rng.uniform(0, 0.25)))
            brush.lines([[tip, 0.5 * (tip + peak)] for tip in hem[1::2]], _contrast(leaf, 0.6))  # twigs
        return
    # leafy: bunches, and on them leaves that are lighter towards the light
    middle, tall = (trunk + 1) / 2, (1 - trunk) / 2
    half = tall * rng.uniform(0.7, 1.1) if kind != 1 else tall * rng.uniform(0.5, 0.65)
    angle = np.linspace(0, 2 * math.pi, 9)[:-1] + rng.uniform(0, 1)
    edge = np.column_stack([half * 0.6 * np.cos(angle), middle + tall * 0.62 * np.sin(angle)])
    brush.discs(edge, half * rng.uniform(0.36, 0.46), leaf)
    brush.fill(np.column_stack([half * 0.7 * np.cos(angle), middle + tall * 0.7 * np.sin(angle)]), leaf)
    count = 36
    turns, reach = rng.uniform(0, 2 * math.pi, count), np.sqrt(rng.uniform(0, 1, count))
    x, y = reach * np.cos(turns), reach * np.sin(turns)
    tones = np.clip(0.2 * (0.6 * light * x + y) + rng.uniform(0.15, 0.4, count) * (-1) ** np.arange(count), -0.6, 0.6)
    leaves = np.column_stack([half * 0.85 * x, middle + tall * 0.85 * y])
    brush.discs(leaves, max(0.036, 2 / brush.scale), _shade(leaf, tones[:, None, None, None]))


def _house(brush: _Brush, rng: np.random.Generator, colours: _Colours, wall: Colour, light: int) -> None:
    half, eaves = rng.uniform(0.3, 0.55), rng.uniform(0.5, 0.72)
    roof, pane = colours.against(wall), _contrast(wall, rng.uniform(0.6, 0.85))
    frame, kind = _contrast(pane, 0.8), rng.integers(3)
    joint, row = _contrast(wall, rng.uniform(0.4, 0.6)), max(rng.uniform(0.06, 0.08), 4 / brush.scale)
    brush.box(-half, 0, 2 * half, eaves, wall)
    gable = rng.uniform() < 0.5
    if rng.uniform() < 0.4:
        x = rng.uniform(-0.6, 0.4) * half
        brush.box(x, eaves, 0.1, 1.02 - eaves, _shade(roof, -0.3))
    if gable:
        brush.fill([(-half, eaves), (half, eaves), (0, 0.92)], wall)
    rows = np.arange(row, eaves, row)
    if kind == 0:  # planks
        brush.lines([[(x, 0), (x, eaves)] for x in np.arange(-half + row, half, row)], joint)
    else:  # courses, of bricks or of boards
        brush.lines([[(-half, y), (half, y)] for y in rows], joint)
        if kind == 1:
            bricks = [
                (x, y) for i, y in enumerate(rows - row) for x in np.arange(-half + row * (i % 2 + 1), half, 2 * row)
            ]
            brush.lines([[(x, y), (x, y + row)] for x, y in bricks], joint)
    over = half * 1.15
    if gable:
        for side in (-1, 1):
            slope = [(0, 1), (side * over, eaves - 0.04), (side * half, eaves), (0, 0.9)]
            brush.fill(slope, _shade(roof, 0.15 * side * light))
    else:
        ridge = over * rng.uniform(0.55, 0.95)
        brush.fill([(-over, eaves), (over, eaves), (ridge, 1), (-ridge, 1)], roof)
        tiles = [(over + (ridge - over) * i, eaves + (1 - eaves) * i) for i in (0, 0.25, 0.5, 0.75)]
        brush.lines([[(-x, y), (x, y)] for x, y in tiles], _contrast(roof, 0.5))
    columns, floors = rng.integers(2, 4), 1 if eaves < 0.6 else 2
    door = rng.integers(columns)
    for i in range(columns):
        x, wide = -half + 2 * half * (i + 0.5) / columns, 0.62 * half / columns
        for floor in range(floors):
            if floor == 0 and i == door:
                brush.box(x - wide * 0.8, 0, 1.6 * wide, 0.62 * eaves / floors, _contrast(roof, 0.3))
                continue
            y, tall = eaves * (floor + 0.3) / floors, 0.45 * eaves / floors
            brush.box(x - wide, y, 2 * wide, tall, frame)
            brush.box(x - wide * 0.75, y + tall * 0.12, 1.5 * wide, tall * 0.76, pane)
            brush.lines([[(x, y), (x, y + tall)], [(x - wide, y + tall / 2), (x + wide, y + tall / 2)]], frame)


def _vehicle(brush: _Brush, rng: np.random.Generator, colours: _Colours, paint: Colour, light: int) -> None:
    glass, kind = _contrast(paint, rng.uniform(0.55, 0.8)), rng.integers(4)
    wheel, floor = rng.uniform(0.085, 0.11), 0.07
    tyre = _shade(colours.against(paint), -0.7)
    if kind < 2:  # a car: body, and a cabin with slanting windows
        belt, top = rng.uniform(0.24, 0.3), rng.uniform(0.43, 0.52)
        a, b, c, d = (-0.34, -0.2, 0.1, 0.27) if kind == 0 else (-0.47, -0.42, 0.12, 0.3)
        brush.fill(
            [(-0.5, floor), (0.5, floor), (0.5, belt - 0.06), (0.46, belt), (-0.48, belt), (-0.5, belt - 0.04)], paint
        )
        brush.fill([(a, belt), (d, belt), (c, top), (b, top)], paint)
        inset, middle = top - 0.04, (b + c) / 2
        brush.fill([(a + 0.05, belt), (middle - 0.015, belt), (middle - 0.015, inset), (b + 0.02, inset)], glass)
        brush.fill([(middle + 0.015, belt), (d - 0.05, belt), (c - 0.02, inset), (middle + 0.015, inset)], glass)
    elif kind == 2:  # a bus or van: a row of windows
        top, count = rng.uniform(0.45, 0.62), rng.integers(3, 6)
        brush.fill([(-0.5, floor), (0.5, floor), (0.5, top - 0.12), (0.46, top), (-0.5, top)], paint)
        for i in range(count):
            brush.box(-0.46 + 0.92 * i / count, top * 0.55, 0.92 / count - 0.04, top * 0.32, glass)
    else:  # a lorry: a load, and a cab
        top, load = rng.uniform(0.48, 0.62), colours.against(paint)
        brush.box(-0.5, floor, 1, 0.08, _shade(paint, -0.4))
        brush.box(-0.5, floor + 0.06, 0.66, top - floor - 0.06, load)
        brush.lines([[(x, floor + 0.08), (x, top - 0.02)] for x in (-0.34, -0.17, 0)], _contrast(load, 0.3))
        brush.fill([(0.19, floor), (0.5, floor), (0.5, top * 0.55), (0.43, top * 0.85), (0.19, top * 0.85)], paint)
        brush.fill([(0.3, top * 0.52), (0.47, top * 0.52), (0.41, top * 0.79), (0.3, top * 0.79)], glass)
    brush.box(-0.49, floor + 0.05, 0.98 if kind < 3 else 0.62, 0.025, _contrast(paint, 0.3))
    brush.box(0.44, 0.16, 0.06, 0.05, _contrast(tyre, 0.9))
    wheels = [(-0.3, wheel), (0.3, wheel)]
    brush.discs(wheels, wheel, tyre)
    brush.discs(wheels, wheel * 0.5, _contrast(tyre, 0.75))


def _sign(brush: _Brush, rng: np.random.Generator, colours: _Colours, plate: Colour, light: int) -> None:
    rim, glyph = _contrast(plate, rng.uniform(0.6, 0.9)), _contrast(plate, rng.uniform(0.65, 0.95))
    pole, half = colours.against(plate), rng.uniform(0.3, 0.36)
    y, wide = 1 - half, rng.uniform(0.035, 0.05)
    brush.box(-wide, 0, 2 * wide, y, pole)
    corners = _pick(rng, (3, 4, 4, 8, 24))
    start = math.pi / 2 + (math.pi / 4 if corners == 4 and rng.uniform() < 0.5 else math.pi / 8 if corners == 8 else 0)
    angle = start + np.arange(corners) * 2 * math.pi / corners
    if corners == 3 and rng.uniform() < 0.4:
        angle = angle + math.pi
    ring = np.column_stack([np.cos(angle), np.sin(angle)]) * half * (1.15 if corners < 8 else 1)
    for scale, colour in ((1, plate), (0.9, rim), (0.68, plate)):
        brush.fill(ring * scale + (0, y), colour)
    s, kind = half * (0.32 if corners < 8 else 0.42), rng.integers(5)
    if kind == 0:  # an arrow
        turn = _pick(rng, (-1, 1))
        brush.box(-s, y - s * 0.2, 2 * s, s * 0.4, glyph)
        brush.fill([(turn * s * 1.1, y), (turn * s * 0.2, y + s * 0.8), (turn * s * 0.2, y - s * 0.8)], glyph)
    elif kind == 1:  # a bar
        brush.box(-s, y - s * 0.28, 2 * s, s * 0.56, glyph)
    elif kind == 2:  # an exclamation mark
        brush.box(-s * 0.22, y - s * 0.3, s * 0.44, s * 1.3, glyph)
        brush.discs([(0, y - s * 0.75)], s * 0.26, glyph)
    elif kind == 3:  # a cross
        for a, b in ((1, 0.26), (0.26, 1)):
            brush.box(-s * a, y - s * b, 2 * s * a, 2 * s * b, glyph)
    else:  # a spot
        brush.discs([(0, y)], s * 0.75, glyph)


# The surfaces' colours in nature, roughly: sky, ground, water, road, rock. Most scenes have them, some any others.
_NATURAL = np.array(
    [(0.55, 0.75, 0.95), (0.45, 0.6, 0.3), (0.2, 0.42, 0.6), (0.42, 0.4, 0.42), (0.5, 0.45, 0.48)], dtype=np.float32
)[..., None, None]

# Painter, share of all things, and size in frame units: the height, for vehicles the length.
_THINGS: dict[int, tuple[Callable, float, tuple[float, float]]] = {
    TREE: (_tree, 0.28, (0.5, 0.95)),
    HOUSE: (_house, 0.18, (0.45, 0.75)),
    VEHICLE: (_vehicle, 0.28, (0.5, 0.85)),
    SIGN: (_sign, 0.26, (0.55, 0.95)),
}


# ---- the scene


class _Scene:
    """Painted from back to front. ``image`` is float32 (3, H, W) in 0 … 1 before the light falls on it."""

    def __init__(self, rng: np.random.Generator, height: int, width: int) -> None:
        self.rng, self.shape, self.unit = rng, (height, width), min(height, width)
        self.colours = _Colours(rng)
        self.image = np.empty((3, height, width), dtype=np.float32)
        self.labels = np.full((height, width), SKY, dtype=np.uint8)

        roll = math.radians(float(np.clip(rng.normal(0, 6), -18, 18)))
        self.axes = np.array([[math.cos(roll), math.sin(roll)], [-math.sin(roll), math.cos(roll)]]) * self.unit
        self.middle = np.array([width, height]) / 2
        x, y = (
            np.arange(n, dtype=np.float32) + 0.5 - m for n, m in zip((width, height), self.middle.tolist(), strict=True)
        )
        (a, b), (c, d) = (self.axes / self.unit**2).astype(np.float32)
        self.u, self.v = a * x + b * y[:, None], c * x + d * y[:, None]
        self.horizon = rng.uniform(-0.6, 0.4)
        swell = rng.uniform(0, 0.03) * np.sin(a * x * rng.uniform(3, 9) + rng.uniform(0, 6))
        self.below = self.v - self.horizon + swell  # the ground is where this is positive
        self.near = np.maximum(self.below, 0) + rng.uniform(0.08, 0.25)  # size of what stands there; distance, inverted

        self.light = _pick(rng, (-1, 1))
        self.weather = _pick(rng, (*["clear"] * 4, "overcast", "fog", "rain", "snow"))
        self.hour = _pick(rng, (*["day"] * 4, "dusk", "night"))
        self.fog = rng.uniform(0.25, 0.4) if self.weather == "fog" else rng.uniform(0.05, 0.2)
        surfaces = self.colours.apart(5)
        if rng.uniform() < NATURAL_SHARE:
            surfaces = list(np.clip(_NATURAL + rng.normal(0, 0.1, _NATURAL.shape), 0, 1).astype(np.float32))
        *self.surfaces, self.rock = surfaces
        self.haze = _shade(self.surfaces[SKY], rng.uniform(0, 0.5))
        near = self.near + 0.6  # else it would get too fine to be seen in the distance
        self.grain_x, self.grain_y = self.u / near * 64, np.log(near) * 64
        self.grain = rng.standard_normal((96, 96), dtype=np.float32)

    def paint(self) -> tuple[np.ndarray, np.ndarray]:
        self._sky()
        if self.rng.uniform() < 0.75:
            self._mountains()
        self._floor()
        self._things()
        self._air()
        image = (np.clip(self.image, 0, 1) * 255).astype(np.uint8)
        return cv2.merge(list(image)), self.labels

    def _put(self, cover: np.ndarray, colour: np.ndarray, label: int | None = None) -> None:
        """Paint where ``cover`` (H, W), 0 … 1, says so; with a label, also that."""
        self.image += cover * (colour - self.image)
        if label is not None:
            np.putmask(self.labels, cover >= 0.5, label)

    def _distance_haze(self, below: Any) -> Any:
        return self.fog * 0.2 / (0.2 + np.maximum(below, 0))

    def _sky(self) -> None:
        rng, top, low = self.rng, self.surfaces[SKY], self.haze
        rise = _step(-self.below, 0, rng.uniform(0.6, 1.2))
        self.image[:] = low + rise * (top - low)
        if rng.uniform() < 0.45:  # sun or moon
            u, v = rng.uniform(-0.45, 0.45), min(self.horizon, 0.5) - rng.uniform(0.1, 0.6)
            away, radius = np.hypot(self.u - u, self.v - v), rng.uniform(0.04, 0.1)
            glow = 0.45 * np.exp(away * (-0.4 / radius))
            self._put(np.maximum(glow, _cover(radius - away, 1 / self.unit)), _shade(low, 0.8))
        if self.hour == "night":
            stars = rng.integers(0, self.shape, (40, 2))
            self.image[:, stars[:, 0], stars[:, 1]] = _shade(top, 0.8)[..., 0]
        if self.weather != "clear" or rng.uniform() < 0.75:
            amount = rng.uniform(-0.3, 0.3) if self.weather == "clear" else rng.uniform(-0.9, -0.3)
            cloud = _noise(rng, self.shape, (int(rng.integers(3, 5)), 2), 3)
            tone = _shade(top, rng.uniform(0.35, 0.7) if rng.uniform() < 0.75 else rng.uniform(-0.5, -0.25))
            self._put(rng.uniform(0.6, 0.95) * _step(cloud, amount, amount + rng.uniform(0.5, 1.2)), tone)

    def _mountains(self) -> None:
        """Ridges of plane facets, each as light as it faces the light."""
        rng = self.rng
        ranges = rng.integers(1, 3)
        tallest = rng.uniform(0.4, 0.8)
        for i in range(ranges):
            columns, tall = int(rng.integers(8, 12)), tallest * (1 - 0.4 * i)
            u = np.linspace(-1.1, 1.1, columns) + rng.uniform(-0.06, 0.06, columns)
            ridge = tall * rng.uniform(0.3, 1, columns) * np.where(np.arange(columns) % 2, 1, rng.uniform(0.4, 0.9))
            levels = np.array([1, 0.62, 0.3, -0.15])[:, None]
            rows = levels * ridge * (1 + 0.15 * rng.uniform(-1, 1, (4, columns)) * (levels < 1))
            across = u + rng.uniform(-0.07, 0.07, (4, columns)) * (levels < 1)
            points = np.stack([across, self.horizon - rows], axis=-1) @ self.axes + self.middle
            points = np.rint(points * 16).astype(np.int32)
            tone = np.full(self.shape, 128, dtype=np.uint8)
            alpha = np.zeros(self.shape, dtype=np.uint8)
            outline = np.concatenate([points[0], points[-1, ::-1]])
            cv2.fillPoly(alpha, [outline], 255, cv2.LINE_AA, 4)
            faces = 110 - 52 * np.sign(np.diff(ridge)) * self.light + rng.uniform(-40, 40, (2, 3, columns - 1))
            faces[:, 0] += 70 * (rng.uniform() < 0.4)  # snow
            a, b, c, d = points[:-1, :-1], points[:-1, 1:], points[1:, :-1], points[1:, 1:]
            triangles = np.stack([np.stack([a, b, c], axis=2), np.stack([b, c, d], axis=2)]).reshape(-1, 3, 2)
            for triangle, face in zip(triangles, np.clip(faces, 0, 255).ravel().tolist(), strict=True):
                cv2.fillConvexPoly(tone, triangle, face, cv2.LINE_AA, 4)
            colour = self.rock * (tone / np.float32(128))
            far = 0.6 * self.fog * (1 if i == 0 else 0.6)
            self._put(alpha / np.float32(255), colour + far * (self.haze - colour), GROUND)

    # ---- what lies flat

    def _texture(self, across: float, down: float) -> np.ndarray:
        """Grain (H, W) that lies on the ground; larger factors make it finer."""
        x, y = self.rng.uniform(0, 96, 2).tolist()
        x, y = self.grain_x * across + x, self.grain_y * down + y
        return cv2.remap(self.grain, x, y, cv2.INTER_LINEAR, None, cv2.BORDER_WRAP)

    def _plane(self) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates (H, W) on the ground around a point that is seen; there they measure as in the view."""
        seen = self.below > 0.02
        rows = np.flatnonzero(seen.any(axis=1))
        row = rows[int(self.rng.uniform() * len(rows))]  # not rng.integers: at any size the same place
        columns = np.flatnonzero(seen[row])
        at = row, columns[int(self.rng.uniform() * len(columns))]
        near = self.near[at]
        x = (self.u / self.near - self.u[at] / near) * near
        z = (near / self.near - 1) * near * self.rng.uniform(1, 2.5)
        turn = self.rng.uniform(0, math.pi)
        return x * math.cos(turn) + z * math.sin(turn), z * math.cos(turn) - x * math.sin(turn)

    def _floor(self) -> None:
        rng = self.rng
        floor = _cover(self.below, 1 / self.unit)
        seen = np.count_nonzero(self.below > 0.02)
        tone = self.surfaces[GROUND]
        across, down = _pick(rng, ((1, 0.4), (0.7, 0.7), (1, 1)))
        grain = self._texture(across, down) * rng.uniform(0.2, 0.28)
        self._put(floor, tone * (1 + grain), GROUND)
        if seen >= 0.04 * self.labels.size:
            chance = rng.uniform()  # of water, of a road, or of both
            if chance < 0.64:
                self._water(floor)
            if chance > 0.4:
                self._road(floor)
        self._put(floor * self._distance_haze(self.below), self.haze)

    def _water(self, floor: np.ndarray) -> None:
        rng = self.rng
        along, aside = self._plane()
        wobble = 0.05 * _noise(rng, self.shape, (4, 4), 2)
        kind = rng.integers(3)
        if kind == 0:  # a river
            bend = rng.uniform(0, 0.12) * np.sin(along * rng.uniform(3, 7) + rng.uniform(0, 6))
            field = rng.uniform(0.16, 0.32) - np.abs(aside + bend) + 0.5 * wobble
        elif kind == 1:  # a lake
            field = rng.uniform(0.3, 0.55) - np.hypot(along * rng.uniform(0.5, 1), aside) + wobble
        else:  # the sea, beyond or before a shore
            field = (aside if rng.uniform() < 0.5 else -aside) + wobble
        ripple = self._texture(0.08, 0.5)
        tone = self.surfaces[WATER]
        glint = _step(ripple, 0.15, 0.5)
        colour = tone * (1 + 0.1 * ripple)
        colour += rng.uniform(0.6, 0.8) * glint * (_contrast(tone, 0.7) - colour)
        shore = _cover(field + 0.025)
        self._put(floor * shore * 0.5, _contrast(self.surfaces[GROUND], 0.5))
        self._put(floor * _cover(field), colour, WATER)

    def _road(self, floor: np.ndarray) -> None:
        rng = self.rng
        along, aside = self._plane()
        half = rng.uniform(0.15, 0.28)
        aside = aside + rng.uniform(0, 0.15) * np.sin(along * rng.uniform(1, 4) + rng.uniform(0, 6))
        tone = self.surfaces[ROAD]
        self._put(floor * _cover(half - np.abs(aside)), tone, ROAD)
        wide, lane = half * 0.07, rng.uniform(0.28, 0.32) * half
        edges = _cover(wide - np.abs(np.abs(aside) - 0.86 * half))
        dashes = _cover(wide - np.abs(np.abs(aside) - lane)) * _step(np.sin(along * (2 / half)), -0.3, -0.1)
        self._put(floor * np.maximum(edges, dashes), _contrast(tone, rng.uniform(0.6, 0.9)), ROAD)

    # ---- what stands

    def _things(self) -> None:
        rng = self.rng
        kinds, shares = list(_THINGS), [share for _, share, _ in _THINGS.values()]
        chosen = rng.choice(kinds, size=rng.integers(1, 4), p=shares)
        places = (rng.permutation(len(chosen)) + rng.uniform(0.1, 0.9, len(chosen))) / len(chosen) - 0.5  # side by side
        places *= self.shape[1] / self.unit
        things = [self._thing(int(kind), u) for kind, u in zip(chosen, places, strict=True)]
        things.sort(key=lambda thing: thing[0])
        free, kept = np.ones(self.shape, dtype=bool), []
        for thing in reversed(things):  # from the front, to see what is left of each
            solid = thing[2].alpha() >= 128
            if np.count_nonzero(solid & free) >= MIN_VISIBLE * (self.unit / 128) ** 2:
                free &= ~solid
                kept.append(thing)
        if self.weather == "clear" and self.hour != "night":
            self._shadows([thing[2] for thing in kept])
        for thing in reversed(kept):
            self._stand(*thing)

    def _thing(self, label: int, u: float) -> tuple[float, int, _Brush]:
        """Draw a thing of a class at some place: how far below the horizon its foot is, its label and the drawing."""
        rng = self.rng
        draw, _, sizes = _THINGS[label]
        v = rng.uniform(max(self.horizon + 0.02, -0.15), max(self.horizon + 0.1, 0.45) + 0.15)
        below = v - self.horizon
        size = rng.uniform(*sizes) * min(1.25, 0.95 + 0.35 * below)
        lean = math.radians(rng.normal(0, 5 if label == SIGN else 2))
        turn = np.array([[math.cos(lean), math.sin(lean)], [math.sin(lean), -math.cos(lean)]]) * size
        flip = _pick(rng, (-1, 1))
        turn[0] *= flip
        foot = np.array([u, v]) @ self.axes + self.middle
        height, width = self.shape
        row, column = int(foot[1] - 0.3 * size * self.unit), int(foot[0])
        row, column = min(max(row, 0), height - 1), min(max(column, 0), width - 1)
        colour = self.colours.against(self.image[:, row, column, None, None])
        brush = _Brush(self.shape, foot, turn @ self.axes, colour)
        draw(brush, rng, self.colours, colour, self.light * flip)
        return below, label, brush

    def _shadows(self, brushes: Sequence[_Brush]) -> None:
        """Silhouettes laid flat on the floor, away from the light."""
        lay = np.array([[1, -0.8 * self.light], [0, -0.35]])
        shadow = np.zeros(self.shape, dtype=np.uint8)
        for brush in brushes:
            foot = brush.foot / 2**brush.BITS
            matrix = np.column_stack([lay, foot - lay @ foot])
            shadow |= cv2.warpAffine(brush.alpha(), matrix, self.shape[::-1])
        self.image *= 1 - shadow * (self.labels >= GROUND) * np.float32(0.4 / 255)

    def _stand(self, below: float, label: int, brush: _Brush) -> None:
        alpha = brush.alpha()
        x, y, width, height = cv2.boundingRect(alpha)
        box = slice(y, y + height), slice(x, x + width)
        foot, towards = float(brush.foot[0]) / 2**brush.BITS, 0.25 * self.light / brush.scale
        side = (np.arange(x, x + width, dtype=np.float32) - foot) * towards
        colour = brush.canvas[box][..., :3].transpose(2, 0, 1) * ((1 + np.clip(side, -0.2, 0.2)) / 255)
        colour += self._distance_haze(below) * (self.haze - colour)
        part, alpha = self.image[:, *box], alpha[box]
        part += alpha / np.float32(255) * (colour - part)
        self.labels[box][alpha >= 128] = label

    # ---- light and weather, over everything

    def _air(self) -> None:
        rng, scale = self.rng, self.unit / 128
        warmth = rng.normal(0, 0.07)
        tint = np.array([1 + warmth, 1, 1 - warmth]) * rng.uniform(0.9, 1.1)
        if self.hour == "dusk":
            tint = tint * (1, 0.85, 0.75) if rng.uniform() < 0.5 else tint * (0.85, 0.75, 0.95)
        elif self.hour == "night":
            tint = tint * (0.62, 0.66, 0.85)
        self.image *= tint.astype(np.float32)[:, None, None]
        if self.weather == "overcast":
            self.image += 0.35 * (self.image.mean(axis=0) - self.image)
        elif self.weather in ("rain", "snow"):
            count = rng.integers(20, 45)
            drops = np.zeros(self.shape, dtype=np.uint8)
            start = rng.uniform(0, 1, (count, 2)) * self.shape[::-1]
            fall = np.array([rng.uniform(-3, 3), rng.uniform(7, 12)]) if self.weather == "rain" else np.zeros(2)
            ends = np.stack([start, start + fall * scale], axis=1)
            width = max(1, round(scale * (1 if self.weather == "rain" else 2)))
            cv2.polylines(drops, list(np.rint(ends * 16).astype(np.int32)), False, 255, width, cv2.LINE_AA, 4)
            self._put(
                drops * np.float32((0.35 if self.weather == "rain" else 0.8) / 255),
                self.image.max(axis=(1, 2), keepdims=True),
            )


# ---- for mmsegmentation


@DATASETS.register_module()
class ScenesDataset(BaseSegDataset):
    """Scenes as an mmsegmentation data set without files: its pipeline begins with ``RenderScene``.

    Args:
        length: Number of scenes.
        first_seed: Seed of the first one; the others follow. Scenes to train on have seeds below 1,000,000, scenes to
            validate on have seeds from there, so the two never share one.
        size: Height and width in pixels.
        pipeline: Transforms, the first of them ``dict(type="RenderScene")``.
        kwargs: indices, serialize_data, test_mode, lazy_init, max_refetch: as in ``BaseSegDataset``.

    Raises:
        ValueError: If there is no scene, a seed or size is out of range, or the seeds lie on both sides of 1,000,000.
        TypeError: For numbers that are not integers.

    ``img_path`` is a name such as "scene_00000012", not a file: hooks that read the image again have to render it.
    """

    METAINFO = dict(classes=CLASSES, palette=[list(colour) for colour in PALETTE])

    def __init__(
        self,
        length: int,
        first_seed: int = 0,
        size: tuple[int, int] = (128, 128),
        pipeline: Sequence[dict | Callable] = (dict(type="RenderScene"),),
        **kwargs: Any,
    ) -> None:
        _check_integers(length=length, first_seed=first_seed)
        if length < 1:
            raise ValueError(f"length must be at least 1 scene, got {length}")
        end = first_seed + length
        _check_scene(first_seed, size)
        _check_scene(end - 1, size)
        if first_seed < VALIDATION_SEED < end:
            raise ValueError(
                f"seeds {first_seed} to {end - 1} mix training scenes with validation scenes, which begin at "
                f"{VALIDATION_SEED}: give length up to {VALIDATION_SEED - first_seed}, or first_seed={VALIDATION_SEED}"
            )
        self.seeds, self.size = range(first_seed, end), tuple(size)
        super().__init__(pipeline=list(pipeline), **kwargs)

    def load_data_list(self) -> list[dict]:
        return [
            dict(img_path=f"scene_{seed:08d}", seed=seed, size=self.size, reduce_zero_label=False, seg_fields=[])
            for seed in self.seeds
        ]


@TRANSFORMS.register_module()
class RenderScene(BaseTransform):
    """Loads a scene by painting it, in the place of ``LoadImageFromFile`` and ``LoadAnnotations``.

    Takes ``seed`` and ``size``; adds ``img`` uint8 (H, W, 3), ``gt_seg_map`` uint8 (H, W), ``img_shape`` and
    ``ori_shape`` (H, W). As everywhere in mmsegmentation's pipelines, ``img`` is in BGR: the data preprocessor turns it
    to RGB with ``bgr_to_rgb=True``.
    """

    def transform(self, results: dict) -> dict:
        image, labels = render(results["seed"], results["size"])
        results["img"] = np.ascontiguousarray(image[..., ::-1])
        results["gt_seg_map"] = labels
        results["img_shape"] = results["ori_shape"] = labels.shape
        results["seg_fields"].append("gt_seg_map")
        return results
