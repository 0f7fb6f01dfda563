"""What the members of a cascade of segmentors answer on validation images, for the choice of its thresholds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmseg.utils import SampleList
from tqdm import tqdm

from ..committees.outcomes import Outcomes, all_groups, stage_groups, tally
from ..committees.temperature import fit_temperatures
from .contents import of_dataset, of_values
from .data.image_input import ImageReader
from .data.required import datasets_by_split
from .models.cascade import CascadeSegmentor, valid_pixels
from .pictures.hook import picture_of

PIXELS = 2000  # of an image, for the temperatures


@dataclass
class Piece:
    """Images that a cascade decides about at once.

    Attributes:
        inputs: What the members get (B, C, H, W).
        valid: Pixels that are not padding; None if all are.
        labels: Maps of the sizes of ``samples``.
        samples: Of the images.
        images: In RGB, uint8, of the sizes of their labels.
    """

    inputs: torch.Tensor
    valid: torch.Tensor | None
    labels: list[torch.Tensor]
    samples: SampleList
    images: Sequence[np.ndarray]


def pieces(cfg: Config, model: CascadeSegmentor, device: str) -> Iterator[Piece]:
    """The validation images, a batch at a time."""
    loader = Runner.build_dataloader(cfg.val_dataloader, seed=0)
    order = ImageReader.of(cfg, "val_dataloader").facts.order
    for data in tqdm(loader, desc="images", disable=None):
        images = [picture_of(image, order, cfg.get("picture_bands")) for image in data["inputs"]]
        data = model.data_preprocessor(data, False)
        inputs, samples = data["inputs"].to(device), data["data_samples"]
        labels = [sample.gt_sem_seg.data[0].to(device) for sample in samples]
        sizes = [label.shape[::-1] for label in labels]  # OpenCV's order: width, height
        images = [cv2.resize(image, tuple(size)) for image, size in zip(images, sizes, strict=True)]
        yield Piece(inputs, valid_pixels(inputs, [s.metainfo for s in samples]), labels, samples, images)


@torch.inference_mode()
def ask(cfg: Config, model: CascadeSegmentor, device: str, ensembles: bool) -> Outcomes:
    """Every member about all the validation images, once."""
    cascade, members = model.cascade, len(model.cascade.members)
    together = stage_groups(members, cascade.ensemble)
    groups = all_groups(members) if ensembles else list(dict.fromkeys([*stage_groups(members, False), *together]))
    parts = []
    for piece in pieces(cfg, model, device):
        scores = [cascade.ask(number, piece.inputs) for number in range(members)]

        def predict(answer: torch.Tensor, samples: SampleList = piece.samples) -> Sequence[torch.Tensor]:
            return [s.pred_sem_seg.data[0] for s in model.postprocess_result(answer, [s.clone() for s in samples])]

        confidence = cascade.confidence
        parts.append(tally(scores, piece.labels, groups, confidence, valid=piece.valid, predict=predict))
    return Outcomes.concatenate(parts)


@torch.inference_mode()
def temperatures(cfg: Config, model: CascadeSegmentor, device: str) -> list[float]:
    """Of each member, by some pixels of every image."""
    members, generator = len(model.cascade.members), torch.Generator().manual_seed(0)
    found: list[list[torch.Tensor]] = [[] for _ in range(members)]
    labels = []
    for piece in pieces(cfg, model, device):
        scores = [model.cascade.ask(number, piece.inputs) for number in range(members)]
        for i, label in enumerate(piece.labels):
            rows, columns = (label != 255).nonzero(as_tuple=True)
            some = torch.randperm(len(rows), generator=generator)[:PIXELS].to(rows.device)
            labels.append(label[rows[some], columns[some]])
            # a label's pixel is where it lies in the map of scores, which may be of another size
            height, width = piece.samples[i].img_shape
            y, x = rows[some] * height // label.shape[0], columns[some] * width // label.shape[1]
            for member, score in zip(found, scores, strict=True):
                member.append(score[i, :, y, x].T)
    return fit_temperatures([torch.cat(f) for f in found], torch.cat(labels))


def went_on(cfg: Config, model: CascadeSegmentor, outcomes: Outcomes, device: str, most: int) -> list[tuple]:
    """Image, truth and the first member's labels of the images it is least sure of and that go on, and how sure."""
    first = outcomes.of((0,))[0]
    least_sure = [i for i in first.argsort().tolist() if first[i] < model.cascade.thresholds[0]][:most]
    found, number = {}, 0
    for piece in pieces(cfg, model, device):
        here = range(number, number + len(piece.labels))
        number = here.stop
        if not set(here) & set(least_sure):
            continue
        assert piece.samples is not None  # whole images
        with torch.inference_mode():
            answer = model.cascade.ask(0, piece.inputs)
            results = model.postprocess_result(answer, [s.clone() for s in piece.samples])
        for i, image, label, result in zip(here, piece.images, piece.labels, results, strict=True):
            maps = (x.cpu().numpy().astype(np.uint8) for x in (label, result.pred_sem_seg.data[0]))
            found[i] = (image, *maps, float(first[i]))
    return [found[i] for i in least_sure]


def fingerprint(cfg: Config, model: CascadeSegmentor, with_temperatures: bool) -> str:
    """Of all that the members' answers depend on: their content, the data's, and how they are asked."""
    how = {key: value for key, value in cfg.model.to_dict().items() if key not in ("members", "thresholds")}
    data = [of_dataset(dataset) for _, dataset in datasets_by_split(cfg, splits=("val",))]
    return of_values(model.contents(), how, cfg.val_dataloader.to_dict(), data, with_temperatures)
