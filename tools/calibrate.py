#!/usr/bin/env python3
"""Choose the thresholds of a cascade of segmentors on validation images, and draw what it reaches at which cost."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from mmseg.utils import SampleList
from tqdm import tqdm

from jumbo_backbone.committees.calibration import Calibration, calibrate
from jumbo_backbone.committees.costs import UNITS, member_costs
from jumbo_backbone.committees.outcomes import Outcomes, all_groups, stage_groups, tally
from jumbo_backbone.committees.plot import plot_committee
from jumbo_backbone.committees.temperature import fit_temperatures
from jumbo_backbone.files import replacing
from jumbo_backbone.segmentation.cli import CASCADE, add_config_arguments, in_users_terms, read_config
from jumbo_backbone.segmentation.contents import of_dataset, of_values
from jumbo_backbone.segmentation.data.check import datasets_by_split, require_datasets
from jumbo_backbone.segmentation.data.consistency import require_as_trained
from jumbo_backbone.segmentation.data.image_input import ImageReader
from jumbo_backbone.segmentation.models.cascade import CascadeSegmentor, valid_pixels
from jumbo_backbone.segmentation.models.slide import window_starts
from jumbo_backbone.segmentation.pictures.hook import picture_of
from jumbo_backbone.segmentation.pictures.labels import contact_sheet, save

EPILOG = """examples:
  calibrate.py seg_configs/jumbo_cascade_camvid.py
      thresholds at which the cascade is as good as its last member on the validation images
  calibrate.py seg_configs/jumbo_cascade_camvid.py --target 0.36 --unit ms
      at least 36 % mIoU at the least time on this machine
  calibrate.py seg_configs/jumbo_cascade_camvid.py --tolerance 0.005
      at most half a point below the last member
  test.py seg_configs/jumbo_cascade_camvid.py work_dirs/jumbo_cascade_camvid/calibration.json
      what that gives on test images; infer.py takes it as well

In the work dir: calibration.json, committee.png (every member, ensemble and cascade), went_on.png (the images of which
the first member was least sure), and outcomes_*.safetensors, with which another target takes seconds. Calibrate on
images that the members were not trained on, and test on others.
"""

MOST_GROUPS = 4  # members of which all ensembles are tried
PIXELS = 2000  # of an image, for the temperatures


# ---- validation data


@dataclass
class Piece:
    """What a cascade decides about at once: images, or windows of one.

    Attributes:
        inputs: What the members get (B, C, H, W).
        valid: Pixels that are not padding; None if all are.
        labels: Maps of the sizes of ``samples``, or of the windows.
        samples: Of whole images.
        images: In RGB, uint8, of the sizes of their labels.
    """

    inputs: torch.Tensor
    valid: torch.Tensor | None
    labels: list[torch.Tensor]
    samples: SampleList | None
    images: Sequence[np.ndarray] = ()


def pieces(cfg: Config, model: CascadeSegmentor, device: str) -> Iterator[Piece]:
    """The validation images, or their windows where these go on one by one."""
    loader = Runner.build_dataloader(cfg.val_dataloader, seed=0)
    order = ImageReader.of(cfg, "val_dataloader").facts.order
    for data in tqdm(loader, desc="images", disable=None):
        images = [picture_of(image, order, cfg.get("picture_bands")) for image in data["inputs"]]
        data = model.data_preprocessor(data, False)
        inputs, samples = data["inputs"].to(device), data["data_samples"]
        labels = [sample.gt_sem_seg.data[0].to(device) for sample in samples]
        if model.decide == "image":
            sizes = [label.shape[::-1] for label in labels]  # OpenCV's order: width, height
            images = [cv2.resize(image, tuple(size)) for image, size in zip(images, sizes, strict=True)]
            yield Piece(inputs, valid_pixels(inputs, [s.metainfo for s in samples]), labels, samples, images)
        else:
            for pixels, sample, label in zip(inputs, samples, labels, strict=True):
                yield from windows(pixels, sample, label, model.test_cfg)


def windows(pixels: torch.Tensor, sample: SegDataSample, label: torch.Tensor, test_cfg: dict) -> Iterator[Piece]:
    """The windows of one image (C, H, W), each with its labels at the image's size."""
    _, H, W = pixels.shape
    h, w = sample.img_shape
    small = torch.full((H, W), 255, device=label.device)
    small[:h, :w] = torch.nn.functional.interpolate(label[None, None].float(), (h, w), mode="nearest")[0, 0].long()
    slides = test_cfg.get("mode") == "slide"
    (tall, wide), stride = (test_cfg["crop_size"], test_cfg["stride"]) if slides else ((H, W), (H, W))
    tall, wide = min(tall, H), min(wide, W)
    for top in window_starts(H, tall, stride[0]):
        for left in window_starts(W, wide, stride[1]):
            rows, columns = slice(top, top + tall), slice(left, left + wide)
            yield Piece(pixels[None, :, rows, columns], None, [small[rows, columns]], None)


@torch.inference_mode()
def ask(cfg: Config, model: CascadeSegmentor, device: str, ensembles: bool) -> Outcomes:
    """Every member about all the validation images, once."""
    cascade, members = model.cascade, len(model.cascade.members)
    together = stage_groups(members, cascade.ensemble)
    groups = all_groups(members) if ensembles else list(dict.fromkeys([*stage_groups(members, False), *together]))
    parts = []
    for piece in pieces(cfg, model, device):
        scores = [cascade.ask(number, piece.inputs) for number in range(members)]

        def predict(answer: torch.Tensor, samples: SampleList | None = piece.samples) -> Sequence[torch.Tensor]:
            if samples is None:
                return answer.argmax(dim=1)
            return [s.pred_sem_seg.data[0] for s in model.postprocess_result(answer, [s.clone() for s in samples])]

        confidence = cascade.confidence
        parts.append(tally(scores, piece.labels, groups, confidence, valid=piece.valid, predict=predict))
    return Outcomes.concatenate(parts)


@torch.inference_mode()
def temperatures(cfg: Config, model: CascadeSegmentor, device: str) -> list[float]:
    """Of each member, by some pixels of every image."""
    members, generator = len(model.cascade.members), torch.Generator().manual_seed(0)
    found, labels = [[] for _ in range(members)], []
    for piece in pieces(cfg, model, device):
        scores = [model.cascade.ask(number, piece.inputs) for number in range(members)]
        for i, label in enumerate(piece.labels):
            rows, columns = (label != 255).nonzero(as_tuple=True)
            some = torch.randperm(len(rows), generator=generator)[:PIXELS].to(rows.device)
            labels.append(label[rows[some], columns[some]])
            # a label's pixel is where it lies in the map of scores, which may be of another size
            height, width = piece.samples[i].img_shape if piece.samples else label.shape
            y, x = rows[some] * height // label.shape[0], columns[some] * width // label.shape[1]
            for member, score in zip(found, scores, strict=True):
                member.append(score[i, :, y, x].T)
    return fit_temperatures([torch.cat(f) for f in found], torch.cat(labels))


# ---- what is left


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


def draw(outcomes: Outcomes, found: Calibration, path: Path) -> None:
    """Write committee.png."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    billions = found.unit == "FLOPs"
    costs = [c / 1e9 for c in found.costs] if billions else found.costs
    axes = plot_committee(outcomes, costs, found.names, "GFLOPs" if billions else found.unit)
    cost = found.expected_cost / 1e9 if billions else found.expected_cost
    axes.plot(cost, 100 * found.value, "*", color="black", ms=12, label="chosen")
    axes.legend(frameon=False, fontsize="small", loc="lower right")
    axes.set_title(f"on {found.samples} validation samples", fontsize="medium")
    with replacing(path) as temporary:
        axes.figure.savefig(temporary, format="png", dpi=150)
    plt.close(axes.figure)


# ---- command line


def target(text: str) -> float | str:
    """ "last", or a number from 0 to 1."""
    if text == "last":
        return text
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither 'last' nor a number") from None
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text}: an mIoU lies between 0 and 1, such as 0.36")
    return value


def tolerance(text: str) -> float:
    """A number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text}: an mIoU lies between 0 and 1, half a point is 0.005")
    return value


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_config_arguments(parser)
    add = parser.add_argument
    add(
        "--target", type=target, default="last", help="least mIoU, such as 0.36, or as good as the 'last' member (last)"
    )
    add(
        "--tolerance",
        type=tolerance,
        default=0.0,
        metavar="MIOU",
        help="how much less than the last member's will do, such as 0.005 for half a point (0)",
    )
    add("--unit", choices=UNITS, default=UNITS[0], help="of costs: counted, or measured on this machine (FLOPs)")
    add("--temperature", action="store_true", help="first bring the members' confidence to one scale")
    add("--pictures", type=int, default=8, metavar="N", help="images in went_on.png, 0 for none (8)")
    args = parser.parse_args(argv)
    if args.tolerance and args.target != "last":
        parser.error(f"--tolerance {args.tolerance} is of --target last: lower --target {args.target} itself")
    return args


def main(argv: Sequence[str] | None = None) -> Calibration:
    """Calibrate as the arguments say."""
    args = parse(argv)
    with in_users_terms("calibrate.py"):
        cfg = read_config(args)
        if cfg.model.type != CASCADE:
            raise ValueError(f"{args.config} is of a {cfg.model.type}, not a {CASCADE}: see jumbo_cascade_camvid.py")
        require_datasets(cfg, splits=("val",))
        init_default_scope(cfg.get("default_scope", "mmseg"))
        device = "cuda" if torch.cuda.is_available() else "cpu"
        model: CascadeSegmentor = MODELS.build(cfg.model).eval().to(device)
        require_as_trained(cfg, model.meta, loader="val_dataloader")
        folder = Path(cfg.work_dir)
        folder.mkdir(parents=True, exist_ok=True)
        if args.temperature:
            model.cascade.temperatures = temperatures(cfg, model, device)
        kept = folder / f"outcomes_{fingerprint(cfg, model, args.temperature)}.safetensors"
        if kept.is_file():
            print(f"what the members say is known from {kept}")
            outcomes = Outcomes.load(kept)
        else:
            outcomes = ask(cfg, model, device, ensembles=len(model.cascade.members) <= MOST_GROUPS)
            outcomes.save(kept)
        example = next(pieces(cfg, model, device))
        costs = member_costs(model.cascade, example.inputs[:1], unit=args.unit, repeats=5)
        found = calibrate(model.cascade, outcomes, costs, args.target, args.unit, tolerance=args.tolerance)
        found = replace(found, members=model.contents())
        found.save(folder / "calibration.json")
        draw(outcomes, found, folder / "committee.png")
        if args.pictures and model.decide == "image":
            scenes = went_on(cfg, model, outcomes, device, args.pictures)
            if scenes:
                images, truths, predictions, sure = zip(*scenes, strict=True)
                meta = model.meta.get("dataset_meta") or {}
                title = f"Went on: {found.names[0]} is sure by {', '.join(f'{s:.2f}' for s in sure)} of these"
                sheet = contact_sheet(images, truths, predictions, meta["classes"], meta["palette"], title)
                save(sheet, folder / "went_on.png")
        print(found)
        if found.expected_cost >= costs[-1]:
            print("that costs more than the last member alone: leave members out (see committee.png), or ask for less")
        print(f"written to {folder}: calibration.json, for test.py and infer.py; pictures beside it")
        return found


if __name__ == "__main__":
    main()
