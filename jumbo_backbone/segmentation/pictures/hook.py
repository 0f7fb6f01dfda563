"""A hook that draws predictions during a test."""

import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from mmseg.structures import SegDataSample

from ..data.image_input import ImageReader
from .bands import as_picture
from .labels import contact_sheet, save


@HOOKS.register_module()
class PictureHook(Hook):
    """Draws image, truth and prediction of every test sample into ``out_dir``, as large as the original.

    Images are the inputs of the network before they are normalised, as the test pipeline resized them. So none is
    read again, and no image files are needed. A picture is named after its sample's ``img_path``.

    Args:
        out_dir: Folder, made if it does not exist.
        opacity: Opacity of the colours, 0 to 1.
        bands: Bands of the image that are shown as red, green and blue; None for the config's ``picture_bands``, or
            else the bands that are colours.
    """

    priority = "LOW"

    def __init__(self, out_dir: str | os.PathLike, opacity: float = 0.6, bands: Sequence[int] | None = None) -> None:
        if not 0 <= opacity <= 1:
            raise ValueError(f"PictureHook's opacity {opacity} is not between 0 and 1")
        self.out_dir, self.opacity, self.bands = Path(out_dir), opacity, bands
        self._reader: ImageReader | None = None
        self._drawn: dict[str, str] = {}

    def before_test(self, runner: Runner) -> None:
        self._drawn.clear()
        self.out_dir.mkdir(parents=True, exist_ok=True)
        self._reader = None

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[SegDataSample] | None = None,
    ) -> None:
        meta = runner.test_dataloader.dataset.metainfo
        self._reader = self._reader or ImageReader.of(runner.cfg)
        bands = runner.cfg.get("picture_bands") if self.bands is None else self.bands
        assert data_batch is not None and outputs is not None  # mmengine gives both
        for tensor, sample in zip(_images(data_batch), outputs, strict=True):
            prediction = _labels(sample.pred_sem_seg.data)
            height, width = prediction.shape
            order = self._reader.facts_of(sample.img_path).order
            image = cv2.resize(picture_of(tensor, order, bands), (width, height))
            truths = [_labels(sample.gt_sem_seg.data)] if "gt_sem_seg" in sample else None
            name = self._name(sample.img_path)
            sheet = contact_sheet(
                [image], truths, [prediction], meta["classes"], meta["palette"], name, opacity=self.opacity
            )
            save(sheet, self.out_dir / f"{name}.png")

    def _name(self, img_path: str) -> str:
        """The name of a picture; files with one name from several folders are numbered from the second on."""
        stem = name = Path(img_path).stem
        number = 1
        while self._drawn.setdefault(name, img_path) != img_path:
            number += 1
            name = f"{stem}-{number}"
        return name


def _images(batch: dict) -> Sequence[torch.Tensor]:
    """Images (C, H, W) of a batch. With augmentation at test time there is a batch for each augmentation: the largest
    images that are not mirrored are taken."""
    inputs, samples = batch["inputs"], batch["data_samples"]
    if isinstance(samples[0], (list, tuple)):
        best = max(
            range(len(samples)), key=lambda i: (not samples[i][0].metainfo.get("flip", False), inputs[i][0].numel())
        )
        inputs = inputs[best]
    return inputs


def picture_of(image: torch.Tensor, order: str | None, bands: Sequence[int] | None = None) -> np.ndarray:
    """The image (C, H, W) that a pipeline packed, as a picture uint8 (H, W, 3), see ``as_picture``."""
    return as_picture(image.cpu().numpy().transpose(1, 2, 0), order, bands)


def _labels(data: torch.Tensor) -> np.ndarray:
    """(1, H, W) to uint8 (H, W)."""
    return data[0].cpu().numpy().astype(np.uint8)
