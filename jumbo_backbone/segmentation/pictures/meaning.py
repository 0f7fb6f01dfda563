"""What a model's outputs stand for: names, colours and the values of label files."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from mmengine.config import Config
from mmseg.registry import DATASETS
from PIL import Image

from ..data.loaders import datasets_of


@dataclass
class Meaning:
    """What a model's outputs stand for.

    Attributes:
        classes: Names.
        palette: uint8 (K, 3), RGB.
        values: uint8 (K,), the value of each class in the data set's label files.
    """

    classes: Sequence[str]
    palette: np.ndarray
    values: np.ndarray

    def label_picture(self, labels: np.ndarray) -> Image.Image:
        """Label map (H, W) as a picture with a palette, in the data set's encoding; pixels without a class are
        black."""
        picture = Image.fromarray(self.values[labels])
        table = np.zeros((256, 3), dtype=np.uint8)
        table[self.values] = self.palette
        picture.putpalette(table.tobytes())
        return picture


def meaning_of(meta: dict, cfg: Config, num_classes: int) -> Meaning:
    """The meaning by a checkpoint's ``meta``; facts that it lacks come from the config's data set.

    Raises:
        ValueError: If neither has as many class names as the model has classes, or a value does not fit in a label
        file.
    """
    told = dict(meta.get("dataset_meta") or {})
    if not {"classes", "palette", "reduce_zero_label"} <= told.keys():
        dataset = test_dataset(cfg)
        told = {**DATASETS.build({**dataset, "pipeline": [], "lazy_init": True}).metainfo, **told}
    classes, palette = told.get("classes", ()), told.get("palette", ())
    if not len(classes) == len(palette) == num_classes:
        raise ValueError(
            f"the model has {num_classes} classes, but {len(classes)} names and {len(palette)} colours are in "
            "the checkpoint or the config: name as many of each in the test data set's metainfo"
        )
    values = np.arange(num_classes)
    for old, new in (told.get("label_map") or {}).items():
        if new < num_classes:
            values[new] = old
    values = values + bool(told.get("reduce_zero_label"))
    if values.max() >= 255:
        raise ValueError(f"class {values.argmax()} has the value {values.max()} in label files, which end at 254")
    return Meaning(classes, np.array(palette, dtype=np.uint8), values.astype(np.uint8))


def test_dataset(cfg: Config) -> dict:
    """The innermost data set of the test loader; of several the first."""
    return datasets_of(Config(dict(test_dataloader=cfg.test_dataloader)))[0]
