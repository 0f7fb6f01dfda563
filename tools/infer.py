#!/usr/bin/env python3
"""Paint what a trained segmentation model sees in images: its classes in colour over each, with a legend."""

import argparse
import contextlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.models import BaseSegmentor
from mmseg.models.utils import resize
from mmseg.registry import DATASETS, MODELS
from PIL import Image
from tqdm import tqdm

from jumbo_backbone.image_files import IMAGE_SUFFIXES, find_images, output_stems
from jumbo_backbone.image_header import lost_in_reading, read_header
from jumbo_backbone.segmentation.cli import (
    add_budget_arguments,
    add_config_arguments,
    datasets_of,
    in_users_terms,
    read_config,
    use_budget,
    use_windows,
)
from jumbo_backbone.segmentation.data.consistency import require_as_trained
from jumbo_backbone.segmentation.data.image_input import ImageReader, bands_of
from jumbo_backbone.segmentation.pictures.bands import as_picture
from jumbo_backbone.segmentation.pictures.labels import labelled_picture, legend, page, save
from jumbo_backbone.segmentation.training.loading import load_strictly

OVERLAY, LABELS, LEGEND = ENDINGS = ("_overlay.png", "_labels.png", "_legend.png")

EPILOG = """examples:
  infer.py seg_configs/jumbo_upernet_ade20k.py best.pth photo.jpg
  infer.py CONFIG CHECKPOINT photos/ more/*/ --out pictures --opacity 0.5 --labels
  infer.py CONFIG CHECKPOINT aerial.png --slide --max-batch 4     windows of the training size, four at a time
  infer.py CONFIG CHECKPOINT frames/ --batch-size 16 --device cuda
  infer.py CONFIG CHECKPOINT field.tif --bands 3 2 1      which of many bands the pictures show

Of a folder the images in it are taken, not those of folders below it, nor what this tool wrote. They are read and
resized as the config's test pipeline does it, by its own loader (mmcv's turns them upright where the camera noted how
it was held). Pictures show the colours, or of other bands those of --bands, from the least value to the largest where
they are not of 8 bits. No data set is needed. For each image there is NAME_overlay.png, the image in full size with the
colours over it and a legend. With --labels there is also NAME_labels.png, one value per pixel as in the data set's own
label files, and classes_legend.png says which value is which class. Names that occur twice are numbered.

Exit code: 0 all pictures written, 1 some images were not readable, 2 nothing could be done, 130 stopped by Ctrl-C.
"""


# ---- what the labels mean


@dataclass
class Meaning:
    """What a model's outputs stand for.

    Attributes:
        classes: Names.
        palette: uint8 (K, 3), RGB.
        values: uint8 (K,), what the data set's label files hold for each class.
    """

    classes: Sequence[str]
    palette: np.ndarray
    values: np.ndarray

    def label_picture(self, labels: np.ndarray) -> Image.Image:
        """Label map (H, W) as a picture with a palette, in the data set's encoding; what is no class is black."""
        picture = Image.fromarray(self.values[labels])
        table = np.zeros((256, 3), dtype=np.uint8)
        table[self.values] = self.palette
        picture.putpalette(table.tobytes())
        return picture


def meaning_of(meta: dict, cfg: Config, num_classes: int) -> Meaning:
    """From a checkpoint's ``meta``; what it does not tell, from the config's data set.

    Raises:
        ValueError: If neither names as many classes as the model has, or a value does not fit in a label file.
    """
    told = dict(meta.get("dataset_meta") or {})
    if not {"classes", "palette", "reduce_zero_label"} <= told.keys():
        dataset = _test_dataset(cfg)
        told = {**DATASETS.build({**dataset, "pipeline": [], "lazy_init": True}).metainfo, **told}
    classes, palette = told.get("classes", ()), told.get("palette", ())
    if not len(classes) == len(palette) == num_classes:
        raise ValueError(
            f"the model tells {num_classes} classes apart, but {len(classes)} names and {len(palette)} colours are in "
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


def image_suffixes(cfg: Config) -> set[str]:
    """How images in folders end: the usual ways, and the data set's own."""
    own = _test_dataset(cfg).get("img_suffix")
    return IMAGE_SUFFIXES | ({own.lower()} if own else set())


def _test_dataset(cfg: Config) -> dict:
    return datasets_of(Config(dict(test_dataloader=cfg.test_dataloader)))[0]


# ---- reading, predicting


@dataclass
class Photo:
    """An image on its way: where its pictures go, itself as a picture uint8 (H, W, 3), and what the network gets."""

    stem: Path
    image: np.ndarray
    prepared: dict


class Reader:
    """Reads images as the config's test pipeline does, annotations left out.

    Args:
        cfg: Config with a test data loader; its ``picture_bands`` are those that pictures show as red, green and blue.
        bands: That the model takes.
    """

    def __init__(self, cfg: Config, bands: int = 3) -> None:
        self._reader = ImageReader.of(cfg)
        self._bands, self._shown = bands, cfg.get("picture_bands")
        self._told: set[str] = set()  # what files lose when they are read

    def __call__(self, path: Path, stem: Path) -> Photo:
        loaded = self._reader.load(path)
        image = np.asarray(loaded["img"])
        if (lost := lost_in_reading(read_header(path), image)) and lost not in self._told:
            self._told.add(lost)
            print(f"infer.py: {path}: {lost} by the config's {self._reader.loader}, as in training", file=sys.stderr)
        prepared = self._reader.prepare(loaded)
        if (found := len(prepared["inputs"])) not in (self._bands, 1 if self._bands == 3 else self._bands):
            raise ValueError(f"it is read with {found} bands, but the model takes {self._bands}")
        return Photo(stem, as_picture(image, self._reader.facts_of(path).order, self._shown), prepared)


def in_batches(photos: Iterable[Photo], size: int) -> Iterator[list[Photo]]:
    """Photos that are equally large once prepared, together; never holds more than ``size`` of all sizes."""
    waiting: dict[tuple, list[Photo]] = {}
    for photo in photos:
        waiting.setdefault(tuple(photo.prepared["inputs"].shape), []).append(photo)
        if sum(map(len, waiting.values())) == size:
            yield waiting.pop(max(waiting, key=lambda shape: len(waiting[shape])))
    yield from waiting.values()


@torch.inference_mode()
def predict(model: BaseSegmentor, batch: Sequence[Photo]) -> list[np.ndarray]:
    """Label maps uint8 (H, W) of the images' own sizes, as mmsegmentation's ``predict`` gives them."""
    inputs, samples = ([photo.prepared[key] for photo in batch] for key in ("inputs", "data_samples"))
    data = model.data_preprocessor(dict(inputs=inputs, data_samples=samples))
    metas = [dict(sample.metainfo, ori_shape=sample.img_shape) for sample in data["data_samples"]]
    results = []
    for photo, meta, logits in zip(batch, metas, model.inference(data["inputs"], metas), strict=True):
        h, w = meta["img_shape"]  # what is beyond, on the right and below, is padding
        results.append(labels_at(model, logits[:, :h, :w], photo.image.shape[:2]).cpu().numpy())
    return results


def labels_at(model: BaseSegmentor, logits: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Which of the logits (K, h, w), enlarged to ``size``, is largest: uint8 (H, W). Of a large photograph all classes'
    would take gigabytes, so they are enlarged one by one."""

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


# ---- command line


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_config_arguments(parser, with_data=False)
    add = parser.add_argument
    add("checkpoint", type=Path, help="a .pth that train.py left, or a cascade's calibration.json")
    add("images", nargs="+", type=Path, metavar="IMAGE|DIR", help="image files, or folders of them")
    add("--out", type=Path, default=Path("predictions"), help="folder for what is written (default: %(default)s)")
    add("--opacity", type=float, default=0.6, help="of the colours, 0 to 1 (default: %(default)s)")
    add("--bands", type=int, nargs=3, metavar=("R", "G", "B"), help="shown as red, green and blue, counted from 0")
    add("--labels", action="store_true", help="also label maps, and what their values mean")
    add("--slide", action="store_true", help="overlapping windows of the training size")
    add("--max-batch", type=int, help="most windows in one pass of --slide; bounds memory (default: 8)")
    add_budget_arguments(parser)
    add("--batch-size", type=int, default=1, help="most images at once (default: %(default)s)")
    add("--device", default="auto", choices=("auto", "cpu", "cuda"), help="default: cuda where there is one")
    return parser.parse_args(argv)


def prepare(args: argparse.Namespace) -> Config:
    """The config, once all that the arguments say is known to be possible.

    Raises:
        OSError, ValueError: If it is not.
    """
    if not 0 <= args.opacity <= 1:
        raise ValueError(f"--opacity {args.opacity} is not between 0 (the image alone) and 1 (the colours alone)")
    for name in ("batch_size", "max_batch"):
        if (number := getattr(args, name)) is not None and number < 1:
            raise ValueError(f"--{name.replace('_', '-')} {number} is below 1")
    if args.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: torch finds no CUDA device here; use --device cpu or auto")
    cfg = read_config(args)
    if "model" not in cfg or "test_dataloader" not in cfg:
        raise ValueError(f"{args.config} has no model, or no test_dataloader, whose pipeline prepares images")
    if args.slide or args.max_batch is not None:
        use_windows(cfg, args.max_batch)
    use_budget(cfg, args.keep_rate, args.resolution)
    if args.bands is not None:
        cfg.picture_bands = args.bands
    return cfg


def main(argv: Sequence[str] | None = None) -> int:
    """Paint as the arguments say; returns the exit code."""
    args = parse(argv)
    with in_users_terms("infer.py"):
        cfg = prepare(args)
        images = find_images(args.images, ENDINGS, image_suffixes(cfg))
        init_default_scope(cfg.get("default_scope", "mmseg"))
        with contextlib.redirect_stdout(sys.stderr):  # libraries print there, where only our files are listed
            model = MODELS.build(cfg.model).eval()
            meta = load_strictly(model, args.checkpoint)
            require_as_trained(cfg, meta, classes=False)  # which are the checkpoint's own
            meaning = meaning_of(meta, cfg, max(model.out_channels, 2))
            read = Reader(cfg, bands_of(model))
        model.to("cuda" if args.device != "cpu" and torch.cuda.is_available() else "cpu")
        args.out.mkdir(parents=True, exist_ok=True)
        return paint(args, model, meaning, read, images)


def paint(
    args: argparse.Namespace, model: BaseSegmentor, meaning: Meaning, read: Reader, images: Sequence[Path]
) -> int:
    """Read, predict and write, a batch at a time; returns the exit code."""
    written = 0
    quiet = len(images) == 1 or not sys.stderr.isatty()
    with tqdm(total=len(images), unit="image", disable=quiet) as progress:

        def photos() -> Iterator[Photo]:
            for path, stem in zip(images, output_stems(images, args.out, (OVERLAY, LABELS)), strict=True):
                try:
                    photo = read(path, stem)
                except Exception as error:  # of mmcv, decoders and a user's own loader, whatever they raise
                    told = " ".join(str(error).split()) or type(error).__name__
                    progress.write(f"infer.py: {path}: {told}; skipped", file=sys.stderr)
                    progress.update()
                else:
                    yield photo

        for batch in in_batches(photos(), args.batch_size):
            for photo, labels in zip(batch, predict(model, batch), strict=True):
                name = photo.stem.name
                picture = labelled_picture(photo.image, labels, meaning.classes, meaning.palette, args.opacity, name)
                _write(picture, f"{photo.stem}{OVERLAY}", progress)
                if args.labels:
                    _write(meaning.label_picture(labels), f"{photo.stem}{LABELS}", progress)
                written += 1
                progress.update()
            del batch, photo, labels, picture  # before the next are read
        if args.labels and written:
            names = [f"{value}  {name}" for value, name in zip(meaning.values, meaning.classes, strict=True)]
            width = 800 if len(names) > 20 else 400
            _write(page([legend(names, meaning.palette, width=width)]), args.out / f"classes{LEGEND}", progress)
    return 2 if not written else 1 if written < len(images) else 0


def _write(picture: Image.Image, path: str | os.PathLike, progress: tqdm) -> None:
    save(picture, path)
    progress.write(str(path).encode(errors="replace").decode())  # names of files may hold bytes that are no text


if __name__ == "__main__":
    sys.exit(main())
