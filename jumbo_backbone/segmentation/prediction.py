"""Label maps of image files: the files are read as in a config's test pipeline and predicted in batches; the maps
have the images' sizes."""

import contextlib
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.models import BaseSegmentor
from mmseg.models.utils import resize
from mmseg.registry import MODELS

from ..budgets.budget import ComputeBudget
from ..device import pick_device
from ..image_header import lost_in_reading, read_header
from .data.consistency import require_as_trained
from .data.image_input import ImageReader, bands_of
from .models.segmentors import named
from .pictures.bands import as_picture
from .pictures.meaning import Meaning, meaning_of
from .training.loading import load_strictly


@dataclass
class Photo:
    """An image to predict: the path of its pictures, the image as a picture uint8 (H, W, 3), and the input of the
    network."""

    stem: Path
    image: np.ndarray
    prepared: dict


class Reader:
    """Reads images as the config's test pipeline does, without annotations.

    Args:
        cfg: Config with a test data loader; its ``picture_bands`` are those that pictures show as red, green and blue.
        bands: Number of bands that the model takes.
        warn: Called once for each kind of information that is lost when a file is read.
    """

    def __init__(self, cfg: Config, bands: int = 3, warn: Callable[[str], None] = warnings.warn) -> None:
        self._reader = ImageReader.of(cfg)
        self._bands, self._shown = bands, cfg.get("picture_bands")
        self._warn = warn
        self._told: set[str] = set()  # what files lose when they are read

    def __call__(self, path: Path, stem: Path) -> Photo:
        loaded = self._reader.load(path)
        image = np.asarray(loaded["img"])
        if (lost := lost_in_reading(read_header(path), image)) and lost not in self._told:
            self._told.add(lost)
            self._warn(f"{path}: {lost} by the config's {self._reader.loader}, as in training")
        prepared = self._reader.prepare(loaded)
        if (found := len(prepared["inputs"])) not in (self._bands, 1 if self._bands == 3 else self._bands):
            raise ValueError(f"it is read with {found} bands, but the model takes {self._bands}")
        return Photo(stem, as_picture(image, self._reader.facts_of(path).order, self._shown), prepared)


@dataclass
class Predictor:
    """A trained segmentor, and what is needed to predict image files with it.

    Attributes:
        model: In evaluation mode, on its device.
        meaning: What its outputs stand for.
        read: Reads files as in the test pipeline.
    """

    model: BaseSegmentor
    meaning: Meaning
    read: Reader

    @classmethod
    def load(
        cls,
        cfg: Config,
        checkpoint: str | os.PathLike,
        device: str | torch.device = "auto",
        warn: Callable[[str], None] = warnings.warn,
    ) -> "Predictor":
        """Build the model of a config, and load a checkpoint strictly, or a cascade's calibration.

        Args:
            cfg: With a test data loader.
            checkpoint: Path of the file.
            device: See ``pick_device``.
            warn: See ``Reader``.

        Raises:
            FileNotFoundError, ValueError: If there is no such file or device, or it does not fit the config.
        """
        init_default_scope(cfg.get("default_scope", "mmseg"))
        with contextlib.redirect_stdout(sys.stderr):  # libraries print there, where only our files are listed
            model = MODELS.build(cfg.model).eval()
            meta = load_strictly(model, checkpoint)
            require_as_trained(cfg, meta, classes=False)  # which are the checkpoint's own
            meaning = meaning_of(meta, cfg, max(model.out_channels, 2))
            read = Reader(cfg, bands_of(model), warn=warn)
        return cls(model.to(pick_device(device)), meaning, read)


def in_batches(photos: Iterable[Photo], size: int) -> Iterator[list[Photo]]:
    """Batches of photos that have one size once prepared; at most ``size`` photos of all sizes are held at a time."""
    waiting: dict[tuple, list[Photo]] = {}
    for photo in photos:
        waiting.setdefault(tuple(photo.prepared["inputs"].shape), []).append(photo)
        if sum(map(len, waiting.values())) == size:
            yield waiting.pop(max(waiting, key=lambda shape: len(waiting[shape])))
    yield from waiting.values()


@torch.inference_mode()
def predict(model: BaseSegmentor, batch: Sequence[Photo], budget: ComputeBudget | None = None) -> list[np.ndarray]:
    """Label maps uint8 (H, W) of the images' own sizes, as mmsegmentation's ``predict`` gives them.

    Args:
        model: The segmentor.
        batch: Photos of one size once prepared.
        budget: How much to compute, for a ``JumboSegmentor``; None for the model's own.
    """
    inputs, samples = ([photo.prepared[key] for photo in batch] for key in ("inputs", "data_samples"))
    data = model.data_preprocessor(dict(inputs=inputs, data_samples=samples))
    metas = [dict(sample.metainfo, ori_shape=sample.img_shape) for sample in data["data_samples"]]
    results, answers = [], model.inference(data["inputs"], metas, **named(budget=budget))
    for photo, meta, logits in zip(batch, metas, answers, strict=True):
        h, w = meta["img_shape"]  # what is beyond, on the right and below, is padding
        results.append(labels_at(model, logits[:, :h, :w], photo.image.shape[:2]).cpu().numpy())
    return results


def labels_at(model: BaseSegmentor, logits: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """The class of the largest of the logits (K, h, w), enlarged to ``size``: uint8 (H, W). Enlarging all classes of
    a large photograph at once would take gigabytes, so they are enlarged one by one."""

    def enlarged(k: int) -> torch.Tensor:
        return resize(logits[None, k : k + 1], size, None, "bilinear", model.align_corners, warning=False)[0, 0]

    highest = enlarged(0)
    if len(logits) == 1:
        return (highest.sigmoid() > model.decode_head.threshold).byte()
    labels = torch.zeros(size, dtype=torch.uint8, device=logits.device)
    for k in range(1, len(logits)):
        value = enlarged(k)
        labels.masked_fill_(value > highest, k)
        highest = torch.maximum(highest, value)
    return labels
