"""Checks whether a segmentation data set of a config is sound: ``check_dataset`` reads all its files.

mmsegmentation's own data sets say where the files are, what they are called and what their labels become, so the
check reads the files that training would read. Without this, a missing folder or mask shows as an error of a loading
process, a
wrong label as a crash of the GPU, and a label that ``reduce_zero_label`` shifts wrongly as an IoU of zero.
"""

import os
import textwrap
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
from mmseg.datasets import ADE20KDataset, BaseSegDataset
from tqdm import tqdm

from ...words import some
from .image_check import ImageCheck
from .problems import (
    ALL_IGNORED,
    COLOURS,
    FIRST,
    HARMLESS,
    NOT_LABELS,
    OTHER_COUNT,
    OTHER_SIZE,
    OUT_OF_RANGE,
    WAYS_OUT,
    Problem,
)
from .required import ADE20K_PAIRS, open_dataset, require_classes, unpaired
from .transforms import own_mask_loader

IGNORED, INVALID = -1, -2  # what labels become that are no class's


@dataclass
class Report:
    """The findings of ``check_dataset``. ``str`` gives the numbers and the first problems of each kind.

    ``pairs`` counts images that have a mask (all images of a data set without masks). ``pixels`` counts the pixels of
    each class over all sound masks, in the order of ``classes``; ``ignored`` counts the pixels of no class. A class
    that never occurs is reported, but is no problem: small data sets lack some.
    """

    name: str
    pairs: int
    classes: tuple[str, ...]
    pixels: list[int]
    ignored: int
    reduce_zero_label: bool
    problems: list[Problem] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether one can train on it. Some masks, but not all, may consist of ignored pixels alone."""
        ignored = sum(problem.kind == ALL_IGNORED for problem in self.problems)
        return all(problem.kind in HARMLESS for problem in self.problems) and ignored < self.pairs

    @property
    def absent(self) -> list[str]:
        """The classes that have no pixel."""
        return [name for name, count in zip(self.classes, self.pixels, strict=True) if not count]

    def as_dict(self) -> dict:
        """For JSON."""
        return dict(
            name=self.name,
            sound=self.sound,
            pairs=self.pairs,
            pixels=dict(zip(self.classes, self.pixels, strict=True)),
            ignored=self.ignored,
            absent=self.absent,
            problems=[dict(vars(problem), way_out=problem.way_out) for problem in self.problems],
        )

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.pairs:,} pairs, {len(self.classes)} classes"]
        labelled = sum(self.pixels)
        if labelled:
            lines.append(f"{self.ignored / (labelled + self.ignored):.1%} of the pixels are ignored; of the others are")
            shares = [
                f"{name.strip()} {count / labelled:.2%}".replace(" ", "\N{NO-BREAK SPACE}")  # kept on one line
                for name, count in zip(self.classes, self.pixels, strict=True)
                if count
            ]
            lines += textwrap.wrap(", ".join(shares), 110, initial_indent="  ", subsequent_indent="  ")
            lines += self._never()
        for kind in WAYS_OUT:
            of_kind = [problem for problem in self.problems if problem.kind == kind]
            if of_kind:
                lines.append(f"{kind}: {len(of_kind):,}")
                lines += [f"  {problem.path}: {problem.what}" for problem in of_kind[:FIRST]]
                lines += [f"  … and {len(of_kind) - FIRST:,} more"] if len(of_kind) > FIRST else []
                lines.append(f"  -> {WAYS_OUT[kind]}")
        lines.append(f"{len(self.problems) or 'no'} problem{'s' if len(self.problems) != 1 else ''} found")
        return "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ")

    def _never(self) -> list[str]:
        absent = self.absent
        if not absent:
            return []
        told = [f"never: {some(absent, 20)}"]
        if self.reduce_zero_label and absent[-1] == self.classes[-1]:
            told.append("  -> the last class is among them: is label 0 a class? Then set reduce_zero_label=False")
        elif self.ignored:
            told.append("  -> is a class marked by 255 in the masks? 255 is ignored")
        return told


def check_dataset(
    dataset: Mapping,
    *,
    bands: int | None = None,
    workers: int = min(8, os.cpu_count() or 1),
    progress: bool = True,
) -> Report:
    """Read every image and mask of a data set, as training would.

    Args:
        dataset: The config of a data set of mmsegmentation's kind, without wrappers. Images are read by the loader of
            its pipeline, or by ``LoadImageFromFile``, masks by a transform of one's own, or as ``LoadAnnotations``
            does; the rest of the pipeline is not run.
        bands: Number of bands that the model takes; None for any.
        workers: Number of reading threads; several are faster, as decoding does not hold Python's lock.
        progress: Whether to show a bar on stderr.

    Returns:
        Counts and problems.

    Raises:
        FileNotFoundError: If a folder is missing or empty, with the message of ``require_datasets``.
        ValueError: If it has no files, its type is not registered, its classes and palette differ in number, or there
            are no workers.
        TypeError: If the type does not accept one of its arguments.
    """
    if workers < 1:
        raise ValueError(f"workers={workers} cannot read anything: give 1 or more")
    require_classes(dataset, {})
    opened = open_dataset(dataset)
    if opened is None:
        raise ValueError(f"{dataset['type']} has no files on this disk to check: it needs data_root and data_prefix")
    pairs = opened.load_data_list()
    problems = unpaired(opened, pairs)
    alone = {problem.path for problem in problems}
    pairs = [pair for pair in pairs if pair["img_path"] not in alone]
    classes = tuple(opened.metainfo["classes"])
    pipeline = dataset.get("pipeline") or ()
    images, own = ImageCheck(pipeline, bands), own_mask_loader(pipeline)
    becomes = labels_become(opened, len(classes), own is not None)

    pixels = np.zeros(256, dtype=np.int64)
    pool = ThreadPoolExecutor(workers)
    try:
        read = pool.map(lambda pair: _examine(images, own, pair, becomes), pairs)
        for counts, found in tqdm(read, total=len(pairs), unit="pair", disable=not progress):
            pixels += counts
            problems += found
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C need not wait for the rest

    folder = os.path.abspath(opened.data_prefix["img_path"])
    published = ADE20K_PAIRS.get(os.path.basename(folder)) if isinstance(opened, ADE20KDataset) else None
    if published not in (None, len(pairs)):
        problems.append(Problem(OTHER_COUNT, folder, f"{len(pairs):,} instead of {published:,}"))
    return Report(
        name=f"{type(opened).__name__} in {folder}",
        pairs=len(pairs),
        classes=classes,
        pixels=[int(pixels[becomes == label].sum()) for label in range(len(classes))],
        ignored=int(pixels[becomes == IGNORED].sum()),
        reduce_zero_label=opened.reduce_zero_label,
        problems=problems,
    )


def labels_become(opened: BaseSegDataset, classes: int, done: bool) -> np.ndarray:
    """What each of the 256 labels of a file becomes in mmsegmentation: a class, ``IGNORED`` or ``INVALID``. Labels
    that a user's own loader has converted already (``done``) stay as they are."""
    labels = np.arange(256)
    if opened.reduce_zero_label and not done:
        labels = np.where((labels == 0) | (labels == 255), 255, labels - 1)
    becomes = labels.copy()
    for old, new in ({} if done else opened.label_map or {}).items():
        becomes[labels == old] = new
    ignored = becomes == opened.ignore_index
    becomes[becomes >= classes] = INVALID
    becomes[ignored] = IGNORED
    return becomes


def _examine(images: ImageCheck, own: Any, pair: Mapping, becomes: np.ndarray) -> tuple[np.ndarray, list[Problem]]:
    """How many pixels have each label (256), zeros for an unsound mask; and the problems of a pair."""
    nothing, mask_path = np.zeros(256, dtype=np.int64), pair.get("seg_map_path")
    image, problems = images.read(pair)
    if mask_path is None:
        return nothing, problems
    try:
        mask = read_mask(mask_path) if own is None else load_mask(own, pair)
    except Exception as error:  # Pillow raises whatever it likes on a bad file, and so do loaders
        return nothing, [*problems, Problem.unreadable(mask_path, error)]
    if mask.ndim != 2:
        return nothing, [*problems, Problem(COLOURS, mask_path, f"{mask.shape[-1]} channels instead of one")]
    if mask.dtype not in (bool, np.uint8, np.uint16):
        return nothing, [*problems, Problem(NOT_LABELS, mask_path, f"its pixels are {mask.dtype}, not 8 or 16 bits")]
    if image is not None and mask.shape != image.shape[:2]:
        (ih, iw), (mh, mw) = image.shape[:2], mask.shape
        problems.append(Problem(OTHER_SIZE, mask_path, f"{mw}x{mh} pixels, the image is {iw}x{ih}"))
    elif image is not None:
        problems += images.turned(pair["img_path"], image)

    counts = np.bincount(mask.ravel(), minlength=256)
    used = np.flatnonzero(counts)
    # of labels above 255 mmsegmentation would take the last 8 bits, silently
    wrong = [int(label) for label in used if label > 255 or becomes[label] == INVALID]
    if wrong:
        classes = np.flatnonzero(becomes >= 0)
        share = counts[wrong].sum() / mask.size
        told = f"{some(wrong)} ({share:.1%} of its pixels); classes have {classes.min()} to {classes.max()}"
        return nothing, [*problems, Problem(OUT_OF_RANGE, mask_path, told)]
    if (becomes[used] == IGNORED).all():
        problems.append(Problem(ALL_IGNORED, mask_path, f"it holds nothing but {some(used)}"))
    return counts, problems


def read_mask(path: str) -> np.ndarray:
    """Read a mask as ``LoadAnnotations`` does, but without its cast to 8 bits. A mask with a palette gives indices,
    not colours."""
    return mmcv.imfrombytes(Path(path).read_bytes(), flag="unchanged", backend="pillow").squeeze()


def load_mask(own: Any, pair: Mapping) -> np.ndarray:
    """Read a mask by a user's own transform."""
    mask = np.asarray(own(dict(pair, seg_fields=[]))["gt_seg_map"])
    fits = mask.dtype.kind == "i" and mask.min() >= 0 and mask.max() <= np.iinfo(np.uint16).max
    return mask.astype(np.uint16) if fits else mask


def check_and_tell(split: str, dataset: dict, workers: int, progress: bool, bands: int | None = None) -> dict:
    """Check the data set of a split and print the findings; returns them as JSON."""
    report = check_dataset(dataset, bands=bands, workers=workers, progress=progress)
    print(f"{split}: {report}\n")
    return dict(split=split, **report.as_dict())
