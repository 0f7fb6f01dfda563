"""The things in a scene. A brush draws each in its own coordinates, in which it is one unit high or wide."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .classes import HOUSE, SIGN, TREE, VEHICLE
from .painting import Brush, Colour, Colours, contrast, pick, shade


def _tree(brush: Brush, rng: np.random.Generator, colours: Colours, leaf: Colour, light: int) -> None:
    reach: Any
    y: Any
    bark = colours.against(leaf)
    kind = rng.integers(4)
    trunk = rng.uniform(0.15, 0.3) if kind != 2 else 0.06
    wide = rng.uniform(0.05, 0.08)
    brush.fill([(-wide * 1.4, 0), (wide * 1.4, 0), (wide, trunk + 0.15), (-wide, trunk + 0.15)], bark)
    brush.lines([[(x * wide, 0), (x * wide * 0.7, trunk)] for x in (-0.4, 0.4)], contrast(bark, 0.35))
    if kind == 3:  # a conifer: tiers with a ragged hem
        tiers, half = rng.integers(3, 6), rng.uniform(0.28, 0.42)
        for i in range(tiers):
            y, top = trunk + (1 - trunk) * i / (tiers + 0.6), trunk + (1 - trunk) * (i + 1.7) / (tiers + 0.7)
            reach = half * (1 - 0.8 * i / tiers)
            x = np.linspace(-reach, reach, 9)
            hem = np.column_stack([x, y + 0.035 * (np.arange(9) % 2) + 0.05 * (x / reach) ** 2 * rng.uniform(-1, 1)])
            peak = (0, min(top, 1))
            brush.fill([*hem, peak], shade(leaf, rng.uniform(-0.5, -0.3)))
            brush.fill([*(hem[4:] if light > 0 else hem[:5]), peak], shade(leaf, rng.uniform(0, 0.25)))
            brush.lines([[tip, 0.5 * (tip + peak)] for tip in hem[1::2]], contrast(leaf, 0.6))  # twigs
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
    brush.discs(leaves, max(0.036, 2 / brush.scale), shade(leaf, tones[:, None, None, None]))


def _house(brush: Brush, rng: np.random.Generator, colours: Colours, wall: Colour, light: int) -> None:
    half, eaves = rng.uniform(0.3, 0.55), rng.uniform(0.5, 0.72)
    roof, pane = colours.against(wall), contrast(wall, rng.uniform(0.6, 0.85))
    frame, kind = contrast(pane, 0.8), rng.integers(3)
    joint, row = contrast(wall, rng.uniform(0.4, 0.6)), max(rng.uniform(0.06, 0.08), 4 / brush.scale)
    brush.box(-half, 0, 2 * half, eaves, wall)
    gable = rng.uniform() < 0.5
    if rng.uniform() < 0.4:
        x = rng.uniform(-0.6, 0.4) * half
        brush.box(x, eaves, 0.1, 1.02 - eaves, shade(roof, -0.3))
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
            brush.fill(slope, shade(roof, 0.15 * side * light))
    else:
        ridge = over * rng.uniform(0.55, 0.95)
        brush.fill([(-over, eaves), (over, eaves), (ridge, 1), (-ridge, 1)], roof)
        tiles = [(over + (ridge - over) * i, eaves + (1 - eaves) * i) for i in (0, 0.25, 0.5, 0.75)]
        brush.lines([[(-x, y), (x, y)] for x, y in tiles], contrast(roof, 0.5))
    columns, floors = rng.integers(2, 4), 1 if eaves < 0.6 else 2
    door = rng.integers(columns)
    for i in range(columns):
        x, wide = -half + 2 * half * (i + 0.5) / columns, 0.62 * half / columns
        for floor in range(floors):
            if floor == 0 and i == door:
                brush.box(x - wide * 0.8, 0, 1.6 * wide, 0.62 * eaves / floors, contrast(roof, 0.3))
                continue
            y, tall = eaves * (floor + 0.3) / floors, 0.45 * eaves / floors
            brush.box(x - wide, y, 2 * wide, tall, frame)
            brush.box(x - wide * 0.75, y + tall * 0.12, 1.5 * wide, tall * 0.76, pane)
            brush.lines([[(x, y), (x, y + tall)], [(x - wide, y + tall / 2), (x + wide, y + tall / 2)]], frame)


def _vehicle(brush: Brush, rng: np.random.Generator, colours: Colours, paint: Colour, light: int) -> None:
    glass, kind = contrast(paint, rng.uniform(0.55, 0.8)), rng.integers(4)
    wheel, floor = rng.uniform(0.085, 0.11), 0.07
    tyre = shade(colours.against(paint), -0.7)
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
        brush.box(-0.5, floor, 1, 0.08, shade(paint, -0.4))
        brush.box(-0.5, floor + 0.06, 0.66, top - floor - 0.06, load)
        brush.lines([[(x, floor + 0.08), (x, top - 0.02)] for x in (-0.34, -0.17, 0)], contrast(load, 0.3))
        brush.fill([(0.19, floor), (0.5, floor), (0.5, top * 0.55), (0.43, top * 0.85), (0.19, top * 0.85)], paint)
        brush.fill([(0.3, top * 0.52), (0.47, top * 0.52), (0.41, top * 0.79), (0.3, top * 0.79)], glass)
    brush.box(-0.49, floor + 0.05, 0.98 if kind < 3 else 0.62, 0.025, contrast(paint, 0.3))
    brush.box(0.44, 0.16, 0.06, 0.05, contrast(tyre, 0.9))
    wheels = [(-0.3, wheel), (0.3, wheel)]
    brush.discs(wheels, wheel, tyre)
    brush.discs(wheels, wheel * 0.5, contrast(tyre, 0.75))


def _sign(brush: Brush, rng: np.random.Generator, colours: Colours, plate: Colour, light: int) -> None:
    rim, glyph = contrast(plate, rng.uniform(0.6, 0.9)), contrast(plate, rng.uniform(0.65, 0.95))
    pole, half = colours.against(plate), rng.uniform(0.3, 0.36)
    y, wide = 1 - half, rng.uniform(0.035, 0.05)
    brush.box(-wide, 0, 2 * wide, y, pole)
    corners = pick(rng, (3, 4, 4, 8, 24))
    start = math.pi / 2 + (math.pi / 4 if corners == 4 and rng.uniform() < 0.5 else math.pi / 8 if corners == 8 else 0)
    angle = start + np.arange(corners) * 2 * math.pi / corners
    if corners == 3 and rng.uniform() < 0.4:
        angle = angle + math.pi
    ring = np.column_stack([np.cos(angle), np.sin(angle)]) * half * (1.15 if corners < 8 else 1)
    for scale, colour in ((1, plate), (0.9, rim), (0.68, plate)):
        brush.fill(ring * scale + (0, y), colour)
    s, kind = half * (0.32 if corners < 8 else 0.42), rng.integers(5)
    if kind == 0:  # an arrow
        turn = pick(rng, (-1, 1))
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


# Painter, share of all things, and size in frame units: the height, for vehicles the length.
THINGS: dict[int, tuple[Callable, float, tuple[float, float]]] = {
    TREE: (_tree, 0.28, (0.5, 0.95)),
    HOUSE: (_house, 0.18, (0.45, 0.75)),
    VEHICLE: (_vehicle, 0.28, (0.5, 0.85)),
    SIGN: (_sign, 0.26, (0.55, 0.95)),
}
