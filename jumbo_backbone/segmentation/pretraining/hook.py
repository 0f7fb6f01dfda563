"""What a pretraining leaves beside its checkpoints: the encoder as a file, and pictures of what the decoder guesses."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from PIL import Image
from torch.utils.data import default_collate

from ...pretraining import Reconstruction, save_weights
from ..pictures.labels import save
from ..training.loading import unwrapped
from .model import MaskedImageModel

FOLDER = "reconstructions"
_GAP, _LEAST = 4, 128  # pixels between pictures, and the least width of one


@HOOKS.register_module()
class PretrainedFilesHook(Hook):
    """After each validation and at the end, writes ``encoder.safetensors`` and ``decoder.safetensors``; after each
    validation also ``reconstructions/iter_N.png``: in each row an image that is held out, its visible patches, and the
    image with the hidden patches as the decoder guesses them.

    Args:
        pictures: How many images, spread over those that are held out; 0 for none.
    """

    priority = "LOW"

    def __init__(self, pictures: int = 8) -> None:
        if pictures < 0:
            raise ValueError(f"pictures={pictures}: give 0 or more")
        self.pictures = pictures

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        self._save(runner)
        if self.pictures and is_main_process():
            path = Path(runner.work_dir, FOLDER, f"iter_{runner.iter}.png")
            path.parent.mkdir(exist_ok=True)
            save(self._draw(runner), path)

    def after_train(self, runner: Runner) -> None:
        self._save(runner)

    def _save(self, runner: Runner) -> None:
        if is_main_process():
            save_weights(cast(MaskedImageModel, unwrapped(runner.model)), runner.work_dir)

    def _draw(self, runner: Runner) -> Image.Image:
        dataset: Any = runner.val_dataloader.dataset
        model: Any = unwrapped(runner.model)
        count = min(self.pictures, len(dataset))
        samples = [dataset[i * len(dataset) // count] for i in range(count)]
        inputs = model.data_preprocessor(default_collate(samples))["inputs"]
        return sheet(model.reconstruct(inputs, torch.Generator().manual_seed(0)), model.data_preprocessor)


def sheet(drawn: Reconstruction, preprocessor: Any) -> Image.Image:
    """A row of three pictures for each image."""
    columns = [_pixels(images, preprocessor) for images in (drawn.images, drawn.visible, drawn.reconstruction)]
    H, W = columns[0].shape[1:3]
    zoom = max(1, -(-_LEAST // W))
    page = Image.new("RGB", (3 * (W * zoom + _GAP) - _GAP, len(columns[0]) * (H * zoom + _GAP) - _GAP), "white")
    for x, column in enumerate(columns):
        for y, pixels in enumerate(column):
            picture = Image.fromarray(pixels).resize((W * zoom, H * zoom), Image.Resampling.NEAREST)
            page.paste(picture, (x * (W * zoom + _GAP), y * (H * zoom + _GAP)))
    return page


def _pixels(images: torch.Tensor, preprocessor: Any) -> np.ndarray:
    """Images as the preprocessor gives them, to uint8 (B, H, W, 3)."""
    mean, std = getattr(preprocessor, "mean", 0.0), getattr(preprocessor, "std", 1.0)
    values = (images * std + mean).round().clamp(0, 255).to(torch.uint8)
    return values.permute(0, 2, 3, 1).cpu().numpy()
