"""Is a segmentation data set of a config sound? ``require_datasets`` looks for its files, ``check_dataset`` reads them.

mmsegmentation's own data sets say where the files are, what they are called and what their labels become, so what is
checked is what training would read. Without this, a missing folder or mask shows as an error of a loading process, a
wrong label as a crash of the GPU, and a label that ``reduce_zero_label`` shifts wrongly as an IoU of zero.
"""

import os
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.fileio import list_dir_or_file
from mmseg.datasets import ADE20KDataset, BaseSegDataset
from mmseg.registry import DATASETS
from tqdm import tqdm

from ..models.one_channel import require_learnable_config
from .consistency import require_one_meaning
from .image_check import ImageCheck
from .loaders import datasets_of
from .name_lists import require_sound
from .problems import (
    ALL_IGNORED,
    COLOURS,
    HARMLESS,
    NO_IMAGE,
    NO_MASK,
    NOT_LABELS,
    OTHER_COUNT,
    OTHER_SIZE,
    OUT_OF_RANGE,
    WAYS_OUT,
    Problem,
)
from .transforms import own_mask_loader

SPLITS = ("train", "val", "test")
ADE20K_PAIRS = {"training": 20210, "validation": 2000}
FIRST = 5  # problems of a kind that are named
IGNORED, INVALID = -1, -2  # what labels become that are no class's


@dataclass
class Report:
    """What ``check_dataset`` found. As text: the numbers, and the first problems of each kind.

    ``pairs`` counts images that have a mask (all images of a data set without masks). ``pixels`` are those of each
    class over all sound masks, in the order of ``classes``; ``ignored`` those of none. A class that never occurs is
    told, but is no problem: small data sets lack some.
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
        """Whether one can train on it. Some masks may be ignored as a whole, not all."""
        ignored = sum(problem.kind == ALL_IGNORED for problem in self.problems)
        return all(problem.kind in HARMLESS for problem in self.problems) and ignored < self.pairs

    @property
    def absent(self) -> list[str]:
        """The classes that no pixel is of."""
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
        told = [f"never: {_some(absent, 20)}"]
        if self.reduce_zero_label and absent[-1] == self.classes[-1]:
            told.append("  -> the last class is among them: is label 0 a class? Then set reduce_zero_label=False")
        elif self.ignored:
            told.append("  -> is a class marked by 255 in the masks? 255 is ignored")
        return told


# ---- cheap: before anything is built


def require_datasets(cfg: Config, splits: Sequence[str] = ("train", "val")) -> None:
    """Refuse a config whose data sets are not there or do not fit its heads, in the terms of who wrote it.

    Lists files, reads none. A split without a data loader, and a data set without files, are passed over.

    Args:
        cfg: Config of mmengine, with its ``custom_imports`` done.
        splits: Of "train", "val" and "test".

    Raises:
        FileNotFoundError: If a folder or list is missing or holds no fitting file; the message says how to get it.
        ValueError: If images lack masks or masks images; if classes, palette and a head's ``num_classes`` differ in
            number; if ``reduce_zero_label`` of data set and pipeline differ; if a type is not registered; if labels or
            images mean something else in another of the config's data sets (``require_one_meaning``).
        TypeError: If a data set does not take an argument it is given.
    """
    for split, dataset in datasets_by_split(cfg, splits):
        try:
            require_classes(dataset, cfg.get("model") or {})
            opened = open_dataset(dataset)
            if opened is not None:
                _require_pairs(opened)
                _require_one_reduction(opened, dataset)
        except (FileNotFoundError, ValueError) as error:
            raise type(error)(f"{split}_dataloader: {error}") from None
    require_one_meaning(cfg)


def datasets_by_split(cfg: Config, splits: Sequence[str] = SPLITS) -> list[tuple[str, Mapping]]:
    """Split and config of each data set of a config, without the wrappers."""
    unknown = set(splits) - set(SPLITS)
    if unknown:
        raise ValueError(f"splits {sorted(unknown)} are none of {', '.join(SPLITS)}")
    found = []
    for split in splits:
        loader = f"{split}_dataloader"
        if cfg.get(loader):
            found += [(split, dataset) for dataset in datasets_of({loader: cfg[loader]})]
    return found


def require_classes(dataset: Mapping, model: Mapping) -> None:
    """Check that a data set has as many classes as each head of a model, and a colour for each.

    Raises:
        ValueError: If not, naming both numbers.
    """
    kind = _type_of(dataset)
    if not issubclass(kind, BaseDataset):
        return
    listed = (dataset.get("metainfo") or {}).get("classes")
    if isinstance(listed, str) and os.path.isfile(listed):
        require_sound(listed, "classes (metainfo.classes)")
    metainfo = kind._load_metainfo(dataset.get("metainfo"))
    classes, palette = metainfo.get("classes"), metainfo.get("palette", ())
    if isinstance(classes, str):
        raise ValueError(f"metainfo.classes is {classes!r}, and there is no such file: give a list of names, or a file")
    if not classes:
        raise ValueError(f"{kind.__name__} names no classes: give it metainfo=dict(classes=(…), palette=[…])")
    own = kind.METAINFO.get("classes") or classes
    foreign = set(classes) - set(own)
    if foreign:
        raise ValueError(
            f"metainfo names classes that {kind.__name__} does not have: {_some(sorted(foreign))}; for data of your "
            "own take type='BaseSegDataset' (docs/your_own_masks.md)"
        )
    # a selection of the type's own classes brings along their colours
    if palette and len(palette) != len(classes) and (list(classes) == list(own) or len(palette) != len(own)):
        raise ValueError(
            f"metainfo has {len(classes)} classes, but {len(palette)} colours in its palette: give it {len(classes)}"
        )
    require_learnable_config(model)
    for name in ("decode_head", "auxiliary_head"):
        heads = model.get(name) or ()
        for i, head in enumerate((heads,) if isinstance(heads, Mapping) else heads):
            place = name if isinstance(heads, Mapping) else f"{name}[{i}]"
            if head.get("num_classes", len(classes)) != len(classes):
                raise ValueError(
                    f"{kind.__name__} has {len(classes)} classes, but model.{place}.num_classes is "
                    f"{head['num_classes']}: make them equal"
                )


def open_dataset(dataset: Mapping) -> BaseSegDataset | None:
    """The data set of a config as mmsegmentation builds it, with its paths joined and its files not yet listed.

    Returns:
        None for a data set that has no files to check (rendered scenes, data sets of other kinds).

    Raises:
        FileNotFoundError: If a folder or the ``ann_file`` is missing, or a folder holds no fitting file.
        ValueError: If the type is not registered.
        TypeError: If the type does not take an argument it is given.
    """
    kind = _type_of(dataset)
    if not issubclass(kind, BaseSegDataset) or dataset.get("backend_args"):  # files of the latter are not on this disk
        return None
    own = any(getattr(kind, name) is not getattr(BaseSegDataset, name) for name in ("load_data_list", "full_init"))
    if own and not dataset.get("data_root") and not dataset.get("data_prefix"):
        return None
    opened = DATASETS.build(dict(dataset, pipeline=[], lazy_init=True, test_mode=False))
    missing = [told for folder in _folders(opened) if (told := _missing(*folder))]
    if opened.ann_file and not os.path.isfile(opened.ann_file):
        missing.append(f"names (ann_file) in {os.path.abspath(opened.ann_file)}: no such file")
    if missing:
        told = "\n  ".join([f"{kind.__name__} does not find its files.", *missing])
        raise FileNotFoundError(told + "\n" + _how_to_get(opened))
    if opened.ann_file:
        require_sound(opened.ann_file, "names (ann_file)")
    return opened


def _type_of(dataset: Mapping) -> type:
    kind = dataset.get("type")
    found = DATASETS.get(kind) if isinstance(kind, str) else kind
    if not isinstance(found, type):
        raise ValueError(
            f"data set type {kind!r} is not registered: is it spelled right? Name the module of a type of your own in "
            "custom_imports, such as custom_imports = dict(imports=['my_package.my_dataset'])"
        )
    return found


def _folders(opened: BaseSegDataset) -> Iterator[tuple[str, str, str]]:
    """What is in each folder, where it is, and how the files' names end."""
    suffixes = dict(img_path=("images", opened.img_suffix), seg_map_path=("masks", opened.seg_map_suffix))
    for key, folder in opened.data_prefix.items():
        yield (*suffixes.get(key, (key, "")), folder)


def _missing(what: str, suffix: str, folder: str) -> str:
    """What is wrong with a folder, or nothing."""
    told = f"{what} (*{suffix}) in {os.path.abspath(folder)}: "
    if not os.path.isdir(folder):
        return told + "no such folder"
    if next(_list(folder, suffix), None) is not None:
        return ""
    others = list(_list(folder))
    if not others:
        return told + "the folder is empty"
    endings = _some(sorted({os.path.splitext(name)[1] or "no suffix" for name in others}))
    return told + f"none among its {len(others):,} files, which end in {endings}"


def _how_to_get(opened: BaseSegDataset) -> str:
    if isinstance(opened, ADE20KDataset):
        pairs = " and ".join(f"{count:,} for {split}" for split, count in ADE20K_PAIRS.items())
        way = (
            f"ADE20K has {pairs}, each an image and a mask. To get it: "
            "python tools/prepare_ade20k.py ADEChallengeData2016.zip (its --help says where from). "
            "If it is elsewhere: --data-root FOLDER, or data_root in the config."
        )
    else:
        way = "Where is it? --data-root FOLDER, or data_root in the config; its layout is in docs/your_own_masks.md."
    return f"{way}\nTo try without data: python tools/train.py seg_configs/jumbo_upernet_scenes.py"


def _require_pairs(opened: BaseSegDataset) -> None:
    pairs = opened.load_data_list()
    if not pairs:
        list_of_names = os.path.abspath(opened.ann_file)
        raise FileNotFoundError(f"{list_of_names} names no images: write one name a line, without suffix")
    unpaired = _unpaired(opened, pairs)
    told = []
    for kind in (NO_MASK, NO_IMAGE):
        of_kind = [problem for problem in unpaired if problem.kind == kind]
        if of_kind:
            first = _some([f"{problem.path} ({problem.what})" for problem in of_kind], FIRST)
            told.append(f"{kind}: {len(of_kind):,}, namely {first}; {WAYS_OUT[kind]}")
    if told:
        raise ValueError("\n".join(told))


def _require_one_reduction(opened: BaseSegDataset, dataset: Mapping) -> None:
    for transform in dataset.get("pipeline", ()):
        own = transform.get("reduce_zero_label") if transform.get("type") == "LoadAnnotations" else None
        if own is not None and own != opened.reduce_zero_label:
            raise ValueError(
                f"LoadAnnotations in the pipeline has reduce_zero_label={own}, but the data set "
                f"{opened.reduce_zero_label}: set it in the data set alone (True if label 0 is to be ignored)"
            )


def _unpaired(opened: BaseSegDataset, pairs: Sequence[Mapping]) -> list[Problem]:
    found, masks = [], set()
    for pair in pairs:
        image, mask = pair["img_path"], pair.get("seg_map_path")
        if opened.ann_file and not os.path.isfile(image):
            found.append(Problem(NO_IMAGE, image, f"no such image, but {opened.ann_file} names it"))
        elif mask is not None and not os.path.isfile(mask):
            found.append(Problem(NO_MASK, image, f"expected {mask}"))
        masks.add(mask)
    folder = opened.data_prefix.get("seg_map_path")
    if folder is not None and not opened.ann_file:  # a list may leave some of a folder's masks to other splits
        for name in sorted(_list(folder, opened.seg_map_suffix)):
            mask = os.path.join(folder, name)
            if mask not in masks:
                stem = name.removesuffix(opened.seg_map_suffix)
                image = os.path.join(opened.data_prefix["img_path"], stem + opened.img_suffix)
                found.append(Problem(NO_IMAGE, mask, f"expected {image}"))
    return found


def _list(folder: str, suffix: str | None = None) -> Iterator[str]:
    return list_dir_or_file(folder, list_dir=False, suffix=suffix, recursive=True)


# ---- thorough: every file


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
        bands: That the model takes; None for any.
        workers: Threads that read; several are faster, as decoding does not hold Python's lock.
        progress: Whether to show a bar on stderr.

    Returns:
        Counts and problems.

    Raises:
        FileNotFoundError: If a folder is missing or empty, as ``require_datasets`` says it.
        ValueError: If it has no files, its type is not registered, its classes and palette differ in number, or there
            are no workers.
        TypeError: If the type does not take an argument it is given.
    """
    if workers < 1:
        raise ValueError(f"workers={workers} cannot read anything: give 1 or more")
    require_classes(dataset, {})
    opened = open_dataset(dataset)
    if opened is None:
        raise ValueError(f"{dataset['type']} has no files on this disk to check: it needs data_root and data_prefix")
    pairs = opened.load_data_list()
    problems = _unpaired(opened, pairs)
    alone = {problem.path for problem in problems}
    pairs = [pair for pair in pairs if pair["img_path"] not in alone]
    classes = tuple(opened.metainfo["classes"])
    pipeline = dataset.get("pipeline") or ()
    images, own = ImageCheck(pipeline, bands), own_mask_loader(pipeline)
    becomes = _labels_become(opened, len(classes), own is not None)

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


def _labels_become(opened: BaseSegDataset, classes: int, done: bool) -> np.ndarray:
    """What mmsegmentation makes of each of the 256 labels of a file: a class, ``IGNORED`` or ``INVALID``; if a user's
    own loader has ``done`` what it wants with them, they stay."""
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
    """How many pixels have each label (256), none for an unsound mask; and what is wrong with a pair."""
    nothing, mask_path = np.zeros(256, dtype=np.int64), pair.get("seg_map_path")
    image, problems = images.read(pair)
    if mask_path is None:
        return nothing, problems
    try:
        mask = _read_mask(mask_path) if own is None else _load_mask(own, pair)
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
        told = f"{_some(wrong)} ({share:.1%} of its pixels); classes have {classes.min()} to {classes.max()}"
        return nothing, [*problems, Problem(OUT_OF_RANGE, mask_path, told)]
    if (becomes[used] == IGNORED).all():
        problems.append(Problem(ALL_IGNORED, mask_path, f"it holds nothing but {_some(used)}"))
    return counts, problems


def _read_mask(path: str) -> np.ndarray:
    """As ``LoadAnnotations`` does, but for its cast to 8 bits. Numbers of a palette's colours, not the colours."""
    return mmcv.imfrombytes(Path(path).read_bytes(), flag="unchanged", backend="pillow").squeeze()


def _load_mask(own: Any, pair: Mapping) -> np.ndarray:
    """By a user's own transform."""
    mask = np.asarray(own(dict(pair, seg_fields=[]))["gt_seg_map"])
    fits = mask.dtype.kind == "i" and mask.min() >= 0 and mask.max() <= np.iinfo(np.uint16).max
    return mask.astype(np.uint16) if fits else mask


def _some(values: Iterable, most: int = 6) -> str:
    values = [str(value) for value in values]
    return ", ".join(values[:most]) + (f", … ({len(values) - most} more)" if len(values) > most else "")


def check_and_tell(split: str, dataset: dict, workers: int, progress: bool, bands: int | None = None) -> dict:
    """Check the data set of a split and print what was found; returns it as JSON."""
    report = check_dataset(dataset, bands=bands, workers=workers, progress=progress)
    print(f"{split}: {report}\n")
    return dict(split=split, **report.as_dict())
