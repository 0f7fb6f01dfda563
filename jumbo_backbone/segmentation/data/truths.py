"""The masks of single images, found by name and read as training reads them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmseg.registry import DATASETS

from ...words import some
from .check import INVALID, labels_become, load_mask, read_mask
from .loaders import datasets_of
from .transforms import ALONE, own_mask_loader


class Truths:
    """The masks in a folder as label maps.

    A mask is called as its image, with ``seg_map_suffix`` of the config's test data set in place of ``img_suffix``
    (or of any other suffix of the image). What its values mean is said by that data set, too.

    Args:
        folder: Folder of the masks.
        cfg: Config with a test data loader.
        classes: The model's classes.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If the classes of the config's data set are not the model's.
    """

    def __init__(self, folder: Path, cfg: Config, classes: Sequence[str]) -> None:
        if not folder.is_dir():
            raise FileNotFoundError(f"no folder of masks at {folder}: give the one with the masks of the images")
        dataset = datasets_of(Config(dict(test_dataloader=cfg.test_dataloader)))[0]
        opened = DATASETS.build({**dataset, "pipeline": [], "lazy_init": True})
        named = tuple(opened.metainfo.get("classes") or ())
        if named != tuple(classes):
            raise ValueError(
                f"the model's classes are {some(list(classes))}, those of the config's test data set, by which masks "
                f"are read, {some(list(named)) or 'not named'}: give the config that the model was trained with"
            )
        self._folder = folder
        self._suffixes = getattr(opened, "img_suffix", ""), getattr(opened, "seg_map_suffix", ".png")
        self._own = own_mask_loader(dataset.get("pipeline") or ())
        self._becomes = labels_become(opened, len(named), self._own is not None)
        self._sample = dict(ALONE, reduce_zero_label=opened.reduce_zero_label, label_map=opened.label_map)

    def of(self, image: Path, size: tuple[int, int]) -> np.ndarray:
        """The label map uint8 (H, W) of an image of this size, 255 for ignored pixels.

        Raises:
            FileNotFoundError: If it has no mask.
            ValueError: If the mask is of another size, or holds no classes.
        """
        own, suffix = self._suffixes
        stem = image.name.removesuffix(own) if own and image.name.endswith(own) else image.stem
        path = self._folder / f"{stem}{suffix}"
        if not path.is_file():
            raise FileNotFoundError(f"no mask at {path}")
        sample = dict(self._sample, img_path=str(image), seg_map_path=str(path))
        mask = read_mask(str(path)) if self._own is None else load_mask(self._own, sample)
        if mask.ndim != 2 or mask.dtype.kind not in "bu":
            raise ValueError(f"its mask {path} holds {mask.dtype} {mask.shape}, not one channel of class numbers")
        if mask.shape != size:
            (h, w), (mh, mw) = size, mask.shape
            raise ValueError(f"its mask {path} has {mw}x{mh} pixels, the image {w}x{h}")
        values = np.unique(mask)
        if wrong := [int(value) for value in values if value > 255 or self._becomes[value] == INVALID]:
            raise ValueError(f"its mask {path} has values that are no class: {some(wrong)}")
        return np.where(self._becomes < 0, 255, self._becomes).astype(np.uint8)[mask.astype(np.uint8)]
