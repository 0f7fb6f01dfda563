"""Scenes as an mmsegmentation data set."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS, TRANSFORMS

from .classes import CLASSES, PALETTE
from .scene import check_integers, check_scene, render

VALIDATION_SEED = 1_000_000  # validation starts here, training ends before


@DATASETS.register_module()
class ScenesDataset(BaseSegDataset):
    """Scenes as an mmsegmentation data set without files: its pipeline begins with ``RenderScene``.

    Args:
        length: Number of scenes.
        first_seed: Seed of the first one; the others follow. Scenes to train on have seeds below 1,000,000, scenes to
            validate on have seeds from there, so the two never share one.
        size: Height and width in pixels.
        pipeline: Transforms, the first of them ``dict(type="RenderScene")``.
        kwargs: indices, serialize_data, test_mode, lazy_init, max_refetch: as in ``BaseSegDataset``.

    Raises:
        ValueError: If there is no scene, a seed or size is out of range, or the seeds lie on both sides of 1,000,000.
        TypeError: For numbers that are not integers.

    ``img_path`` is a name such as "scene_00000012", not a file: hooks that read the image again have to render it.
    """

    METAINFO = dict(classes=CLASSES, palette=[list(colour) for colour in PALETTE])

    def __init__(
        self,
        length: int,
        first_seed: int = 0,
        size: tuple[int, int] = (128, 128),
        pipeline: Sequence[dict | Callable] = (dict(type="RenderScene"),),
        **kwargs: Any,
    ) -> None:
        check_integers(length=length, first_seed=first_seed)
        if length < 1:
            raise ValueError(f"length must be at least 1 scene, got {length}")
        end = first_seed + length
        check_scene(first_seed, size)
        check_scene(end - 1, size)
        if first_seed < VALIDATION_SEED < end:
            raise ValueError(
                f"seeds {first_seed} to {end - 1} mix training scenes with validation scenes, which begin at "
                f"{VALIDATION_SEED}: give length up to {VALIDATION_SEED - first_seed}, or first_seed={VALIDATION_SEED}"
            )
        self.seeds, self.size = range(first_seed, end), tuple(size)
        super().__init__(pipeline=list(pipeline), **kwargs)

    def load_data_list(self) -> list[dict]:
        return [
            dict(img_path=f"scene_{seed:08d}", seed=seed, size=self.size, reduce_zero_label=False, seg_fields=[])
            for seed in self.seeds
        ]


@TRANSFORMS.register_module()
class RenderScene(BaseTransform):
    """Loads a scene by painting it, in the place of ``LoadImageFromFile`` and ``LoadAnnotations``.

    Takes ``seed`` and ``size``; adds ``img`` uint8 (H, W, 3), ``gt_seg_map`` uint8 (H, W), ``img_shape`` and
    ``ori_shape`` (H, W). As everywhere in mmsegmentation's pipelines, ``img`` is in BGR: the data preprocessor turns it
    to RGB with ``bgr_to_rgb=True``. A model of scenes reads image files by ``from_file``.
    """

    from_file = dict(type="LoadImageFromFile")

    def transform(self, results: dict) -> dict:
        image, labels = render(results["seed"], results["size"])
        results["img"] = np.ascontiguousarray(image[..., ::-1])
        results["gt_seg_map"] = labels
        results["img_shape"] = results["ori_shape"] = labels.shape
        results["seg_fields"].append("gt_seg_map")
        return results
