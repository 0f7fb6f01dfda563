"""Which pairs are for training and which for validation. Pictures of one scene stay together: if they were on both
sides, validation would ask for what training has seen."""

import random
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

SCENES = ("auto", "folder", "name", "none")
_FRAME = re.compile(r"[_\-. ]?\d+$")  # the number that a name ends in


def scenes_of(names: Sequence[str], by: str = "auto", pattern: str | None = None) -> tuple[list[str], str]:
    """The scene that each picture is of.

    Args:
        names: Paths with "/" and without suffix.
        by: "folder": pictures of one folder are of one scene. "name": those of one folder whose names differ in the
            number at their end alone. "none": each picture is a scene of its own. "auto": "folder" if there are several
            folders, else "name" if there are several such scenes of which one has several pictures, else "none".
        pattern: A regular expression in place of all that: what its first group finds in a name, or without a group the
            whole of it, is the scene.

    Returns:
        A scene for each name, and a sentence that says how they were found.

    Raises:
        ValueError: For a pattern that is wrong or fits a name not at all, and another ``by``.
    """
    if pattern is not None:
        return _by_pattern(names, pattern)
    if by not in SCENES:
        raise ValueError(f"scenes {by!r} are none of {', '.join(SCENES)}")
    folders = [str(PurePosixPath(name).parent) for name in names]
    prefixes = [_FRAME.sub("", name) for name in names]
    why = ""
    if by == "auto":
        if len(set(folders)) > 1:
            by, why = "folder", "they are in several folders"
        elif 1 < len(set(prefixes)) < len(names):
            by, why = "name", "several names differ in the number at their end alone"
        else:
            by, why = "none", "neither folders nor names tell scenes apart"
    why = f" ({why})" if why else ""
    if by == "none":
        told = f"each picture counts as a scene of its own{why}"
        hint = (
            "; if they are frames of videos, or crops of maps, say which belong together: --scene-pattern"
            if why
            else ""
        )
        return list(names), told + hint
    scenes = folders if by == "folder" else prefixes
    what = (
        "pictures of one folder" if by == "folder" else "pictures whose names differ in the number at their end alone"
    )
    return scenes, f"{what} are of one scene{why}: {_count(scenes)}"


def split(scenes: Sequence[str], val: float = 0.2, seed: int = 0) -> list[bool]:
    """Which pictures are for validation.

    Scenes are taken in an order drawn from ``seed`` as long as they fit into the share ``val`` of the pictures; if none
    does, the smallest scene is taken. The same arguments give the same split.

    Raises:
        ValueError: If ``val`` is not between 0 and 1, or all pictures are of one scene.
    """
    if not 0 < val < 1:
        raise ValueError(f"val={val} leaves nothing to validate or nothing to train on: give a share between 0 and 1")
    sizes = Counter(scenes)
    if len(sizes) < 2:
        raise ValueError(
            f"all {len(scenes)} pictures are of one scene ({next(iter(sizes), '')!r}), so none is left for validation: "
            "tell scenes apart in another way (--scenes none takes each picture for one)"
        )
    order = sorted(sizes)
    random.Random(seed).shuffle(order)
    most = max(1, round(val * len(scenes)))
    chosen: set[str] = set()
    taken = 0
    for scene in order:
        if taken + sizes[scene] <= most and len(chosen) < len(sizes) - 1:
            chosen.add(scene)
            taken += sizes[scene]
    chosen = chosen or {min(order, key=sizes.__getitem__)}
    return [scene in chosen for scene in scenes]


def _by_pattern(names: Sequence[str], pattern: str) -> tuple[list[str], str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"the pattern of scenes {pattern!r} is no regular expression: {error}") from None
    scenes = []
    for name in names:
        match = compiled.search(name)
        if match is None or (found := match.group(1 if compiled.groups else 0)) is None:
            raise ValueError(
                f"the pattern of scenes {pattern!r} is not in the name {name!r}: give one that fits all names"
            )
        scenes.append(found)
    return scenes, f"what {pattern!r} finds in a name is its scene: {_count(scenes)}"


def _count(scenes: Sequence[str]) -> str:
    return f"{len(set(scenes)):,} scenes of {len(scenes):,} pictures"
