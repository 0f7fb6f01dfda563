"""A scene: painted from a seed, with exact labels.

Three kinds of coordinates: pixels; the view's u (right) and v (down), which roll with the camera, in units of the
frame's shorter side from its centre; and a thing's own x (right) and y (up), in units of its size from its foot.
"""

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from .classes import GROUND, ROAD, SIGN, SKY, WATER
from .painting import Brush, Colours, contrast, cover_of, noise, pick, shade, step
from .things import THINGS

MIN_SIDE = 32  # pixels; things would not be recognised in less
MIN_VISIBLE = 40  # pixels of a 128x128 frame; a thing of which less is left is not drawn
NATURAL_SHARE = 0.7  # of the scenes
SEED_LIMIT = 2**32

# The surfaces' colours in nature, roughly: sky, ground, water, road, rock. Most scenes have them, some any others.
_NATURAL = np.array(
    [(0.55, 0.75, 0.95), (0.45, 0.6, 0.3), (0.2, 0.42, 0.6), (0.42, 0.4, 0.42), (0.5, 0.45, 0.48)], dtype=np.float32
)[..., None, None]


def render(seed: int, size: tuple[int, int] = (128, 128)) -> tuple[np.ndarray, np.ndarray]:
    """Paint a scene; the same for the same arguments.

    Args:
        seed: Number of the scene, 0 … 2^32 - 1.
        size: Height and width in pixels, each at least 32. The content scales with the shorter one.

    Returns:
        Image uint8 (H, W, 3) in RGB, and labels uint8 (H, W), indices into ``CLASSES``. Edges of the image are smooth;
        a pixel has the label of what covers at least half of it.

    Raises:
        ValueError: For a seed or size out of range.
        TypeError: For a seed or size that is not an integer.
    """
    check_scene(seed, size)
    return _Scene(np.random.default_rng(seed), *size).paint()


def check_scene(seed: int, size: tuple[int, int]) -> None:
    if not isinstance(size, (tuple, list)) or len(size) != 2:
        raise TypeError(f"size must be a pair (height, width), got {size!r}")
    check_integers(seed=seed, height=size[0], width=size[1])
    if not 0 <= seed < SEED_LIMIT:
        raise ValueError(f"seed {seed} is out of range: give 0 to {SEED_LIMIT - 1}")
    if min(size) < MIN_SIDE:
        raise ValueError(f"size {size[0]}x{size[1]} is too small to see anything: give at least {MIN_SIDE}x{MIN_SIDE}")


def check_integers(**values: Any) -> None:
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise TypeError(f"{name} must be an integer, got {value!r}")


class _Scene:
    """Painted from back to front. ``image`` is float32 (3, H, W) in 0 … 1 before the light falls on it."""

    def __init__(self, rng: np.random.Generator, height: int, width: int) -> None:
        self.rng, self.shape, self.unit = rng, (height, width), min(height, width)
        self.colours = Colours(rng)
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

        self.light = pick(rng, (-1, 1))
        self.weather = pick(rng, (*["clear"] * 4, "overcast", "fog", "rain", "snow"))
        self.hour = pick(rng, (*["day"] * 4, "dusk", "night"))
        self.fog = rng.uniform(0.25, 0.4) if self.weather == "fog" else rng.uniform(0.05, 0.2)
        surfaces = self.colours.apart(5)
        if rng.uniform() < NATURAL_SHARE:
            surfaces = list(np.clip(_NATURAL + rng.normal(0, 0.1, _NATURAL.shape), 0, 1).astype(np.float32))
        *self.surfaces, self.rock = surfaces
        self.haze = shade(self.surfaces[SKY], rng.uniform(0, 0.5))
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
        """Paint where ``cover`` (H, W), 0 … 1, is above 0; a ``label`` is set where it is at least 0.5."""
        self.image += cover * (colour - self.image)
        if label is not None:
            np.putmask(self.labels, cover >= 0.5, label)

    def _distance_haze(self, below: Any) -> Any:
        return self.fog * 0.2 / (0.2 + np.maximum(below, 0))

    def _sky(self) -> None:
        rng, top, low = self.rng, self.surfaces[SKY], self.haze
        rise = step(-self.below, 0, rng.uniform(0.6, 1.2))
        self.image[:] = low + rise * (top - low)
        if rng.uniform() < 0.45:  # sun or moon
            u, v = rng.uniform(-0.45, 0.45), min(self.horizon, 0.5) - rng.uniform(0.1, 0.6)
            away, radius = np.hypot(self.u - u, self.v - v), rng.uniform(0.04, 0.1)
            glow = 0.45 * np.exp(away * (-0.4 / radius))
            self._put(np.maximum(glow, cover_of(radius - away, 1 / self.unit)), shade(low, 0.8))
        if self.hour == "night":
            stars = rng.integers(0, self.shape, (40, 2))
            self.image[:, stars[:, 0], stars[:, 1]] = shade(top, 0.8)[..., 0]
        if self.weather != "clear" or rng.uniform() < 0.75:
            amount = rng.uniform(-0.3, 0.3) if self.weather == "clear" else rng.uniform(-0.9, -0.3)
            cloud = noise(rng, self.shape, (int(rng.integers(3, 5)), 2), 3)
            tone = shade(top, rng.uniform(0.35, 0.7) if rng.uniform() < 0.75 else rng.uniform(-0.5, -0.25))
            self._put(rng.uniform(0.6, 0.95) * step(cloud, amount, amount + rng.uniform(0.5, 1.2)), tone)

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
        floor = cover_of(self.below, 1 / self.unit)
        seen = np.count_nonzero(self.below > 0.02)
        tone = self.surfaces[GROUND]
        across, down = pick(rng, ((1, 0.4), (0.7, 0.7), (1, 1)))
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
        wobble = 0.05 * noise(rng, self.shape, (4, 4), 2)
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
        glint = step(ripple, 0.15, 0.5)
        colour = tone * (1 + 0.1 * ripple)
        colour += rng.uniform(0.6, 0.8) * glint * (contrast(tone, 0.7) - colour)
        shore = cover_of(field + 0.025)
        self._put(floor * shore * 0.5, contrast(self.surfaces[GROUND], 0.5))
        self._put(floor * cover_of(field), colour, WATER)

    def _road(self, floor: np.ndarray) -> None:
        rng = self.rng
        along, aside = self._plane()
        half = rng.uniform(0.15, 0.28)
        aside = aside + rng.uniform(0, 0.15) * np.sin(along * rng.uniform(1, 4) + rng.uniform(0, 6))
        tone = self.surfaces[ROAD]
        self._put(floor * cover_of(half - np.abs(aside)), tone, ROAD)
        wide, lane = half * 0.07, rng.uniform(0.28, 0.32) * half
        edges = cover_of(wide - np.abs(np.abs(aside) - 0.86 * half))
        dashes = cover_of(wide - np.abs(np.abs(aside) - lane)) * step(np.sin(along * (2 / half)), -0.3, -0.1)
        self._put(floor * np.maximum(edges, dashes), contrast(tone, rng.uniform(0.6, 0.9)), ROAD)

    # ---- what stands

    def _things(self) -> None:
        rng = self.rng
        kinds, shares = list(THINGS), [share for _, share, _ in THINGS.values()]
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

    def _thing(self, label: int, u: float) -> tuple[float, int, Brush]:
        """Draw a thing of a class at some place: how far below the horizon its foot is, its label and the drawing."""
        rng = self.rng
        draw, _, sizes = THINGS[label]
        v = rng.uniform(max(self.horizon + 0.02, -0.15), max(self.horizon + 0.1, 0.45) + 0.15)
        below = v - self.horizon
        size = rng.uniform(*sizes) * min(1.25, 0.95 + 0.35 * below)
        lean = math.radians(rng.normal(0, 5 if label == SIGN else 2))
        turn = np.array([[math.cos(lean), math.sin(lean)], [math.sin(lean), -math.cos(lean)]]) * size
        flip = pick(rng, (-1, 1))
        turn[0] *= flip
        foot = np.array([u, v]) @ self.axes + self.middle
        height, width = self.shape
        row, column = int(foot[1] - 0.3 * size * self.unit), int(foot[0])
        row, column = min(max(row, 0), height - 1), min(max(column, 0), width - 1)
        colour = self.colours.against(self.image[:, row, column, None, None])
        brush = Brush(self.shape, foot, turn @ self.axes, colour)
        draw(brush, rng, self.colours, colour, self.light * flip)
        return below, label, brush

    def _shadows(self, brushes: Sequence[Brush]) -> None:
        """Silhouettes laid flat on the floor, away from the light."""
        lay = np.array([[1, -0.8 * self.light], [0, -0.35]])
        shadow = np.zeros(self.shape, dtype=np.uint8)
        for brush in brushes:
            foot = brush.foot / 2**brush.BITS
            matrix = np.column_stack([lay, foot - lay @ foot])
            laid: Any = cv2.warpAffine(brush.alpha(), matrix, self.shape[::-1])
            shadow |= laid
        self.image *= 1 - shadow * (self.labels >= GROUND) * np.float32(0.4 / 255)

    def _stand(self, below: float, label: int, brush: Brush) -> None:
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
