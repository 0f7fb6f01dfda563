"""A folder and a config to train on, from photos and masks."""

import os
from collections import Counter
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from ....words import some
from ..problems import FIRST
from .classes import NamedClasses
from .config_file import config_text
from .folder import appearing, link_or_copy, require_free
from .labels import IGNORED, Meaning, choose
from .masks import read_mask, survey
from .pairing import Pair, pair_up
from .photos import Photo, difference, look_at
from .splitting import scenes_of, split

SPLITS = ("training", "validation")
_SAME = {".jpeg": ".jpg", ".tiff": ".tif"}  # suffixes of one kind of file


@dataclass(frozen=True)
class Options:
    """How a folder is made; see ``pair_up``, ``choose``, ``scenes_of`` and ``split``.

    Attributes:
        classes: By name; None for those that masks show.
        ignore: Values of masks that count for nothing; None for 255 in masks of numbers.
        ignored_colours: Whether ``ignore`` are colours.
        nearest: Whether colours that nobody named become the nearest named one.
        val: Share of the pictures for validation.
        seed: Of the split.
        scenes, pattern: What belongs together.
        base: Config that that of the folder builds on.
        overwrite: Whether a folder that was made here may be replaced.
        told: What asked for it, such as a command.
        workers: Threads that read.
    """

    classes: NamedClasses | None = None
    ignore: Collection[int] | None = None
    ignored_colours: bool = False
    nearest: bool = False
    val: float = 0.2
    seed: int = 0
    scenes: str = "auto"
    pattern: str | None = None
    base: Path = Path("masks_small")
    overwrite: bool = False
    told: str = ""
    workers: int = 4


@dataclass
class Prepared:
    """What was made. ``pictures`` and ``scenes`` count by split, ``pixels`` by split and label."""

    names: tuple[str, ...]
    told: list[str]
    pictures: dict[str, int] = field(default_factory=dict)
    scenes: dict[str, int] = field(default_factory=dict)
    pixels: dict[str, Counter] = field(default_factory=lambda: {split: Counter() for split in SPLITS})
    changed: int = 0

    def __str__(self) -> str:
        width = max(len("pictures"), *map(len, self.names)) + 2
        rows = [("", *SPLITS), *((w, *(f"{n[s]:,}" for s in SPLITS)) for w, n in self._counts().items())]
        labelled = {s: sum(n for label, n in self.pixels[s].items() if label != IGNORED) for s in SPLITS}
        for label, name in enumerate(self.names):
            rows.append((name, *(f"{self.pixels[s][label] / max(labelled[s], 1):.2%}" for s in SPLITS)))
        everything = {s: max(sum(self.pixels[s].values()), 1) for s in SPLITS}
        if any(self.pixels[s][IGNORED] for s in SPLITS):
            rows.append(("(ignored)", *(f"{self.pixels[s][IGNORED] / everything[s]:.2%}" for s in SPLITS)))
        table = [f"{row[0]:<{width}}{row[1]:>12}{row[2]:>12}" for row in rows]
        return "\n".join([*self.told, "", *table, *self._warnings()])

    def _counts(self) -> dict[str, dict[str, int]]:
        return dict(pictures=self.pictures, scenes=self.scenes)

    def _warnings(self) -> list[str]:
        absent = {s: [n for label, n in enumerate(self.names) if not self.pixels[s][label]] for s in SPLITS}
        nowhere = [name for name in absent["training"] if name in absent["validation"]]
        lines = [f"warning: no mask shows {some(nowhere, 20)}"] if nowhere else []
        for s, what in (("training", "nothing is learned of"), ("validation", "nothing is measured of")):
            if alone := [name for name in absent[s] if name not in nowhere]:
                lines.append(
                    f"warning: {what} {some(alone, 20)}, absent from {s}: try another --seed, or a larger --val"
                )
        return ["", *lines] if lines else []


def prepare(photos: Path, masks: Path, out: Path, options: Options, progress: bool = False) -> Prepared:
    """Make a folder from photos and masks: ``images`` and ``annotations`` with training and validation, and
    ``config.py``. Photos become hard links, or copies where that cannot be; the originals are only read.

    Raises:
        FileNotFoundError: If photos or masks are not there.
        ValueError: If they cannot be used as they are, or ``out`` may not be written; nothing has been then.
    """
    out = Path(os.path.abspath(out))
    for folder in (photos, masks):
        if out == Path(os.path.abspath(folder)) or out.is_relative_to(os.path.abspath(folder)):
            raise ValueError(
                f"--out {out} lies in {folder}, where the next run would take its files for yours: give another"
            )
    if set('"\\\n') & set(str(out)):
        raise ValueError(f"--out {str(out)!r} has a quote, a backslash or a line break, which no config can name")
    require_free(out, options.overwrite)
    pairing = pair_up(photos, masks)
    pairs = pairing.pairs
    suffix = _one_suffix(pairs)
    scenes, how = scenes_of([pair.name for pair in pairs], options.scenes, options.pattern)
    for_validation = split(scenes, options.val, options.seed)

    as_colours = bool(options.classes and options.classes.coloured)
    seen = survey([pair.mask for pair in pairs], as_colours, options.nearest, options.workers, progress)
    if options.ignore and options.ignored_colours != seen.coloured:
        kind, other = ("colours", "a number") if seen.coloured else ("numbers", "a colour")
        raise ValueError(f"masks have {kind}, and --ignore gives {other}: masks have {seen.some(seen.pixels)}")
    meaning = choose(seen, options.classes, options.ignore, options.nearest)
    looks = _require_sizes(pairs, seen.sizes, options.workers)
    text = config_text(options.base, out.name, meaning.names, meaning.palette, suffix, f"Written by {options.told}")

    told = [str(pairing), *meaning.told, f"split: {how}"]
    told += _other_photos(looks)
    found = Prepared(meaning.names, told)
    record = dict(
        told=options.told,
        classes=list(meaning.names),
        seed=options.seed,
        val=options.val,
        split={
            s: [p.name for p, v in zip(pairs, for_validation, strict=True) if v == (s == "validation")] for s in SPLITS
        },
    )
    with appearing(out, record) as folder:
        _write(folder, pairs, for_validation, suffix, meaning, found, options.workers, progress)
        (folder / "config.py").write_text(text, encoding="utf-8")
    for s in SPLITS:
        of_split = [scene for scene, v in zip(scenes, for_validation, strict=True) if v == (s == "validation")]
        found.pictures[s], found.scenes[s] = len(of_split), len(set(of_split))
    if options.nearest:
        pixels = sum(seen.pixels.values())
        found.told.append(
            f"nearest colour: {found.changed / pixels:.2%} of all pixels had no named colour and took one"
        )
    return found


def _one_suffix(pairs: Sequence[Pair]) -> str:
    kinds = Counter(_SAME.get(s, s) for s in (pair.photo.suffix.lower() for pair in pairs))
    if len(kinds) > 1:
        counted = ", ".join(f"{count:,} {suffix}" for suffix, count in kinds.most_common())
        raise ValueError(
            f"photos are files of several kinds ({counted}), and a config reads one: save the fewer ones as the others"
        )
    return next(iter(kinds))


def _require_sizes(pairs: Sequence[Pair], sizes: dict[Path, tuple[int, int]], workers: int) -> list[Photo]:
    with ThreadPoolExecutor(workers) as pool:
        looks = list(pool.map(look_at, [pair.photo for pair in pairs]))
    told = [(pair, difference(look, sizes[pair.mask])) for pair, look in zip(pairs, looks, strict=True)]
    differing = [f"{pair.photo} ({what})" for pair, what in told if what]
    if differing:
        raise ValueError(
            f"{len(differing):,} masks have another size than their photo: {some(differing, FIRST)}. Make both of one "
            "size (masks with nearest-neighbour, never smoothly), and save photos upright, without a rotation in their "
            "EXIF data"
        )
    return looks


def _other_photos(looks: Sequence[Photo]) -> list[str]:
    """That a config for photographs would lose something of these."""
    others = Counter((look.bands, look.bits) for look in looks if look.bits > 8 or look.bands not in (1, 3))
    return [
        f"{count:,} photos have {bands} bands of {bits} bits, and are kept so: the config reads 3 of 8 until "
        "you change its pipelines as docs/other_bands.md says"
        for (bands, bits), count in sorted(others.items())
    ]


def _write(
    folder: Path,
    pairs: Sequence[Pair],
    for_validation: Sequence[bool],
    suffix: str,
    meaning: Meaning,
    found: Prepared,
    workers: int,
    progress: bool,
) -> None:
    """Photos and labels of all pairs; counts pixels in ``found``."""

    def write(pair: Pair, validation: bool) -> tuple[str, np.ndarray, int]:
        of = SPLITS[validation]
        link_or_copy(pair.photo, folder / "images" / of / f"{pair.name}{suffix}")
        labels, changed = meaning.apply(read_mask(pair.mask, meaning.coloured))
        target = folder / "annotations" / of / f"{pair.name}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(labels).save(target)
        return of, np.bincount(labels.ravel(), minlength=256), changed

    pool = ThreadPoolExecutor(workers)
    try:
        done = pool.map(write, pairs, for_validation)
        for of, counts, changed in tqdm(done, "writing labels", len(pairs), unit="pair", disable=not progress):
            found.pixels[of].update({label: int(n) for label, n in enumerate(counts) if n})
            found.changed += changed
    finally:
        pool.shutdown(cancel_futures=True)
