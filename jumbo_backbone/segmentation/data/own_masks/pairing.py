"""Which mask belongs to which photo: by the path of both within their folders, without suffix and ending."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ....image_files import IMAGE_SUFFIXES
from ....words import some
from ..problems import FIRST

# how the names of masks may end: one.jpg and one_mask.png are a pair
ENDINGS = ("mask", "masks", "label", "labels", "gt", "seg", "segmentation", "annotation")
_ENDING = re.compile(rf"[_\-. ]({'|'.join(ENDINGS)})$", re.IGNORECASE)


@dataclass(frozen=True)
class Pair:
    """A photo and its mask; ``name`` is the photo's path within its folder, with "/" and without suffix."""

    name: str
    photo: Path
    mask: Path


@dataclass(frozen=True)
class Pairing:
    """All pairs in the order of their names, and the files that are in none."""

    pairs: list[Pair]
    photos_alone: list[Path]
    masks_alone: list[Path]

    def __str__(self) -> str:
        lines = [f"{len(self.pairs):,} pairs of a photo and a mask"]
        for what, alone in (("photos without a mask", self.photos_alone), ("masks without a photo", self.masks_alone)):
            if alone:
                lines.append(f"left out: {len(alone):,} {what}: {some(alone, FIRST)}")
        return "\n".join(lines)


def pair_up(photos: Path, masks: Path) -> Pairing:
    """Find the pairs in two folders and in all folders below them.

    Names that begin with a dot are passed over. Both folders may be the same, or one lie in the other; if they are the
    same, masks are the files whose names have one of ``ENDINGS``.

    Raises:
        FileNotFoundError: If a folder is not there, or holds no images.
        ValueError: If two photos or two masks have one name, or there are fewer than two pairs.
    """
    photos, masks = (Path(os.path.abspath(folder)) for folder in (photos, masks))
    found_photos, found_masks = _images(photos), _images(masks)
    if photos == masks:
        found_photos = [path for path in found_photos if not _ENDING.search(path.stem)]
        found_masks = [path for path in found_masks if _ENDING.search(path.stem)]
    elif masks.is_relative_to(photos):
        found_photos = [path for path in found_photos if not path.is_relative_to(masks)]
    elif photos.is_relative_to(masks):
        found_masks = [path for path in found_masks if not path.is_relative_to(photos)]
    by_name = _by_name((_name(path, photos), path) for path in found_photos)
    # a photo may be called one_mask itself
    names = [(name if (name := _name(path, masks)) in by_name else _ENDING.sub("", name), path) for path in found_masks]
    masks_by_name = _by_name((name if name in by_name else _name(path, masks), path) for name, path in names)
    _require_single("photos", by_name)
    _require_single("masks", {name: paths for name, paths in masks_by_name.items() if name in by_name})
    pairs = [Pair(n, by_name[n][0], masks_by_name[n][0]) for n in sorted(by_name) if n in masks_by_name]
    alone = [path for name, (path, *_) in sorted(by_name.items()) if name not in masks_by_name]
    masks_alone = [path for name, paths in sorted(masks_by_name.items()) if name not in by_name for path in paths]
    if len(pairs) < 2:
        raise ValueError(_too_few(pairs, photos, masks, alone, masks_alone))
    return Pairing(pairs, alone, masks_alone)


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder at {folder.absolute()}")
    inside = (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    found = [path for path in inside if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    if not found:
        kinds = "/".join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES))
        raise FileNotFoundError(
            f"no images in {folder.absolute()}, nor in folders below it: {kinds} files are looked for"
        )
    return found


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix()


def _by_name(named: Iterable[tuple[str, Path]]) -> dict[str, list[Path]]:
    found = defaultdict(list)
    for name, path in named:
        found[name].append(path)
    return dict(found)


def _require_single(what: str, by_name: dict[str, list[Path]]) -> None:
    several = {name: paths for name, paths in by_name.items() if len(paths) > 1}
    if several:
        told = "; ".join(
            f"{name}: {some([path.name for path in paths])}" for name, paths in list(several.items())[:FIRST]
        )
        raise ValueError(f"{len(several):,} names have several {what} ({told}): take all but one of each away")


def _too_few(pairs: list[Pair], photos: Path, masks: Path, alone: list[Path], masks_alone: list[Path]) -> str:
    if pairs:
        return (
            f"there is one pair only ({pairs[0].photo} and {pairs[0].mask}): training and validation need one each, at "
            "least"
        )
    endings = ", ".join(f"_{ending}" for ending in ENDINGS[:5])
    return (
        f"no photo in {photos} has a mask in {masks}: a mask has its photo's path and name, any suffix, and perhaps an "
        f"ending ({endings}, …). Photos are {some([p.relative_to(photos) for p in alone], 3)}; masks are "
        f"{some([p.relative_to(masks) for p in masks_alone], 3) or 'none'}"
    )
