"""Are the data sets of a config there, and do they fit its model? Asked before anything is built; no image is read.

mmsegmentation's own data sets say where the files are and what they are called, so what is looked for is what training
would read. Without this, a missing folder or mask shows as an error of a loading process.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.fileio import list_dir_or_file
from mmseg.datasets import ADE20KDataset, BaseSegDataset
from mmseg.registry import DATASETS

from ...words import some
from ..models.one_channel import require_learnable_config
from .consistency import require_one_meaning
from .loaders import datasets_of
from .name_lists import require_sound
from .problems import (
    FIRST,
    NO_IMAGE,
    NO_MASK,
    WAYS_OUT,
    Problem,
)

ADE20K_PAIRS = {"training": 20210, "validation": 2000}
SPLITS = ("train", "val", "test")


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


def datasets_by_split(cfg: Config, splits: Sequence[str] = SPLITS) -> list[tuple[str, dict]]:
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
    kind: Any = _type_of(dataset)
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
            f"metainfo names classes that {kind.__name__} does not have: {some(sorted(foreign))}; for data of your "
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
    endings = some(sorted({os.path.splitext(name)[1] or "no suffix" for name in others}))
    return told + f"none among its {len(others):,} files, which end in {endings}"


def _how_to_get(opened: BaseSegDataset) -> str:
    if isinstance(opened, ADE20KDataset):
        pairs = " and ".join(f"{count:,} for {split}" for split, count in ADE20K_PAIRS.items())
        way = (
            f"ADE20K has {pairs}, each an image and a mask. To get it: "
            "jumbo prepare ADEChallengeData2016.zip (its --help says where from). "
            "If it is elsewhere: --data-root FOLDER, or data_root in the config."
        )
    else:
        way = "Where is it? --data-root FOLDER, or data_root in the config; its layout is in docs/your_own_masks.md."
    return f"{way}\nTo try without data: jumbo train jumbo_upernet_scenes"


def _require_pairs(opened: BaseSegDataset) -> None:
    pairs = opened.load_data_list()
    if not pairs:
        list_of_names = os.path.abspath(opened.ann_file)
        raise FileNotFoundError(f"{list_of_names} names no images: write one name a line, without suffix")
    lonely = unpaired(opened, pairs)
    told = []
    for kind in (NO_MASK, NO_IMAGE):
        of_kind = [problem for problem in lonely if problem.kind == kind]
        if of_kind:
            first = some([f"{problem.path} ({problem.what})" for problem in of_kind], FIRST)
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


def unpaired(opened: BaseSegDataset, pairs: Sequence[Mapping]) -> list[Problem]:
    """Images without a mask and masks without an image; ``pairs`` are what the data set lists."""
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
