"""Pictures without labels as a data set."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.dist import is_main_process
from mmengine.logging import print_log
from mmseg.registry import DATASETS
from timm.layers import to_2tuple
from torch.utils.data import Dataset
from tqdm import tqdm

from ...words import some
from .crops import middle_crop, random_crop, resized
from .files import PictureFile, class_of, find_pictures

PARTS = ("train", "held_out", "all", "test")


@DATASETS.register_module()
class PictureDataset(Dataset):
    """Pictures in folders and tar files, cut to one size: at random and mirrored for "train" and "all", in the middle
    for "held_out" and "test".

    Args:
        data_root: See ``find_pictures``.
        img_size: Size of the results in pixels, int or (H, W).
        part: "train" or "held_out"; or all pictures, "all" to train on, "test" to measure on.
        hold_out_every: Of so many pictures, in the order of their paths, the last is held out.
        limit: The most pictures, spread evenly over the part; None for all.
        crop_scale: The least and the largest share of a picture's area that a random crop takes.
        keep_side: Pictures are decoded once and kept in memory, with the shorter side reduced to this many pixels;
            loading processes share them. None reads a file each time it is drawn.
        keep_gigabytes: How much of memory pictures may take, in each training process; the others are read each time
            they are drawn.
        least_side: A picture whose shorter side has fewer pixels counts as broken.
        broken: "skip" names each broken file in the log, and the next picture stands in for it; "refuse" stops at the
            first one.

    Samples are dicts: ``inputs``, uint8 RGB (3, H, W), and ``index``.

    Raises:
        FileNotFoundError: If there is no picture.
        ValueError: If a part has no pictures, an argument is out of range, or a picture is broken and to be refused.
    """

    metainfo: dict[str, Any] = {}  # no classes

    def __init__(
        self,
        data_root: str | Sequence[str],
        img_size: int | tuple[int, int],
        part: str = "train",
        hold_out_every: int = 10,
        limit: int | None = None,
        crop_scale: tuple[float, float] = (0.2, 1.0),
        keep_side: int | None = None,
        keep_gigabytes: float = 4.0,
        least_side: int = 8,
        broken: str = "skip",
    ) -> None:
        if part not in PARTS:
            raise ValueError(f"part={part!r} is unknown: choose one of {', '.join(PARTS)}")
        if broken not in ("skip", "refuse"):
            raise ValueError(f"broken={broken!r} is unknown: choose skip or refuse")
        sides = dict(img_size=min(to_2tuple(img_size)), keep_side=keep_side, limit=limit)
        for name, value in sides.items():
            if value is not None and value < 1:
                unit = {"keep_side": "a number of pixels", "limit": "a number of pictures"}.get(name, "pixels")
                raise ValueError(f"{name}={value}: give {unit} from 1")
        if hold_out_every < 2:
            raise ValueError(f"hold_out_every={hold_out_every} leaves nothing to train on: give 2 or more")
        if not 0 < crop_scale[0] <= crop_scale[1] <= 1:
            raise ValueError(f"crop_scale={crop_scale}: give two shares of the area, such as (0.2, 1.0)")
        self.size, self.crop_scale = to_2tuple(img_size), crop_scale
        self.random, self.least_side, self.refuse = part in ("train", "all"), least_side, broken == "refuse"
        found = find_pictures(data_root)
        self._look_over(found)
        self.files = _part(found, part, hold_out_every, data_root)
        if limit is not None and limit < len(self.files):
            self.files = [self.files[i * len(self.files) // limit] for i in range(limit)]
        self._told: set[str] = set()
        self._kept: list[np.ndarray] = []  # of the first files
        if keep_side is not None:
            self._keep(keep_side, keep_gigabytes * 1e9, part)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> dict[str, Any]:
        place, image = self._whole(index)
        cut = random_crop(image, self.size, self.crop_scale) if self.random else middle_crop(image, self.size)
        inputs = torch.from_numpy(cut.copy()).permute(2, 0, 1).contiguous()
        return dict(inputs=inputs, index=int(index)) | self._about(self.files[place])

    def _about(self, file: PictureFile) -> dict[str, Any]:
        """What else a sample says of its picture."""
        return {}

    def _look_over(self, files: list[PictureFile]) -> None:
        """Called with the pictures of all parts."""

    def _keep(self, side: int, room: float, part: str) -> None:
        files, self.files = self.files, []
        told = f"decoding pictures to {'train on' if self.random else 'measure on'}"
        for place, file in enumerate(tqdm(files, told, mininterval=1, leave=False, disable=_quiet())):
            if room <= 0:
                print_log(
                    f"the first {len(self._kept)} pictures are kept in memory (keep_gigabytes), the other "
                    f"{len(files) - place} are read each time they are drawn",
                    logger="current",
                )
                self.files += files[place:]
                break
            if (image := self._read(file, side)) is None:
                continue
            H, W = image.shape[:2]
            if (ratio := side / min(H, W)) < 1:
                image = resized(image, (math.ceil(H * ratio), math.ceil(W * ratio)))
            self.files.append(file)
            self._kept.append(np.ascontiguousarray(image))
            room -= image.nbytes
        if not self.files:
            raise ValueError(f"all of {len(files)} pictures are broken, the first being {files[0]}")

    def _whole(self, index: int) -> tuple[int, np.ndarray]:
        """The picture, or the next whole one, and its place."""
        for step in range(len(self.files)):
            place = (index + step) % len(self.files)
            if place < len(self._kept):
                return place, self._kept[place]
            if (image := self._read(self.files[place])) is not None:
                return place, image
        raise ValueError(f"all of {len(self.files)} pictures are broken, the first being {self.files[0]}")

    def _read(self, file: PictureFile, side: int | None = None) -> np.ndarray | None:
        """The pixels; None for a broken one that is to be skipped."""
        try:
            image = file.read(side)
            if min(image.shape[:2]) < self.least_side:
                raise ValueError(f"{file} has {image.shape[0]}x{image.shape[1]} pixels, fewer than {self.least_side}")
            return image
        except ValueError as error:
            if self.refuse:
                raise ValueError(f"{error}. Mend it or take it away; broken='skip' goes on without it") from error
            if str(file) not in self._told:
                self._told.add(str(file))
                print_log(f"left out: {error}", logger="current", level=30)
            return None


def _quiet() -> bool | None:
    """For tqdm: one process of several shows its progress, and on a terminal alone."""
    return None if is_main_process() else True


@DATASETS.register_module()
class ClassPictureDataset(PictureDataset):
    """Pictures whose folder is their class; samples also have a ``label``, the number of the class.

    Args:
        classes: Names of the classes in the order of their numbers; None for all folders by name.
        **kwargs: As in ``PictureDataset``.

    Raises:
        ValueError: If a folder is none of ``classes``, or one of these has no pictures.
    """

    def __init__(self, *args: Any, classes: Sequence[str] | None = None, **kwargs: Any) -> None:
        self.classes = None if classes is None else list(classes)
        super().__init__(*args, **kwargs)

    def _look_over(self, files: list[PictureFile]) -> None:
        names = sorted({class_of(file) for file in files})
        own = self.classes = names if self.classes is None else self.classes
        for what, others in (("foreign", set(names) - set(own)), ("missing", set(own) - set(names))):
            if others:
                raise ValueError(
                    f"the pictures' folders are not the {len(own)} classes that they should be: {what} are "
                    f"{some(sorted(others))}"
                )
        self._numbers = {name: number for number, name in enumerate(own)}

    def _about(self, file: PictureFile) -> dict[str, Any]:
        return dict(label=self._numbers[class_of(file)])


def _part(
    files: list[PictureFile], part: str, hold_out_every: int, data_root: str | Sequence[str]
) -> list[PictureFile]:
    if part in ("all", "test"):
        return files
    if len(files) < hold_out_every:
        raise ValueError(
            f"{data_root} has {len(files)} picture{'s' if len(files) > 1 else ''}, too few to hold one of "
            f"{hold_out_every} out (hold_out_every): give more pictures, or a smaller number"
        )
    last = hold_out_every - 1
    return [file for i, file in enumerate(files) if (i % hold_out_every == last) == (part == "held_out")]
