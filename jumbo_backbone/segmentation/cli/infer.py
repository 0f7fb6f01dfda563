"""What `jumbo infer` does."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from mmengine.config import Config
from PIL import Image
from tqdm import tqdm

from jumbo_cli.failing import BROKE, DONE, WRONG_INPUT, say

from ...device import pick_device
from ...image_files import IMAGE_SUFFIXES, find_images, output_stems
from ..data.truths import Truths
from ..models.adapting import adapting, told_of
from ..pictures.errors import confusions
from ..pictures.labels import contact_sheet, labelled_picture, legend, page, save
from ..pictures.meaning import Meaning, test_dataset
from ..prediction import Photo, Predictor, in_batches, predict
from .adapting import counted, require_adaptable
from .config import read_config, use_budget, use_int8, use_windows
from .failing import in_users_terms

OVERLAY, LABELS, ERRORS, LEGEND = ENDINGS = ("_overlay.png", "_labels.png", "_errors.png", "_legend.png")


def image_suffixes(cfg: Config) -> set[str]:
    """How images in folders end: the usual ways, and the data set's own."""
    own = test_dataset(cfg).get("img_suffix")
    return IMAGE_SUFFIXES | ({own.lower()} if own else set())


def prepare(args: argparse.Namespace) -> Config:
    """The config, after a check that all the arguments can be carried out.

    Raises:
        OSError, ValueError: If one cannot.
    """
    if not 0 <= args.opacity <= 1:
        raise ValueError(f"--opacity {args.opacity} is not between 0 (the image alone) and 1 (the colours alone)")
    for name in ("batch_size", "max_batch"):
        if (number := getattr(args, name)) is not None and number < 1:
            raise ValueError(f"--{name.replace('_', '-')} {number} is below 1")
    pick_device(args.device)
    cfg = read_config(args)
    if "model" not in cfg or "test_dataloader" not in cfg:
        raise ValueError(f"{args.config} has no model, or no test_dataloader, whose pipeline prepares images")
    require_adaptable(args, cfg)
    if args.slide or args.max_batch is not None:
        use_windows(cfg, args.max_batch)
    use_budget(cfg, args.keep_rate, args.resolution)
    if args.int8_jumbo:
        use_int8(cfg)
    if args.bands is not None:
        cfg.picture_bands = args.bands
    return cfg


def run(args: argparse.Namespace) -> int:
    """Paint as the arguments say; returns the exit code."""
    with in_users_terms(args.prog):
        cfg = prepare(args)
        images = find_images(args.images, ENDINGS, image_suffixes(cfg))
        predictor = Predictor.load(cfg, args.checkpoint, args.device, warn=partial(say, args.prog))
        truths = None if args.errors is None else Truths(args.errors, cfg, predictor.meaning.classes)
        args.out.mkdir(parents=True, exist_ok=True)
        if args.adapt is None:
            return paint(args, predictor, images, truths)
        with adapting(predictor.model, args.adapt, args.episodic, **dict(args.adapt_options)) as adapter:
            code = paint(args, predictor, images, truths)
            say(args.prog, f"adapted by {args.adapt}: {counted(told_of(adapter)) or 'all images counted'}")
            return code


def paint(args: argparse.Namespace, predictor: Predictor, images: Sequence[Path], truths: Truths | None) -> int:
    """Read, predict and write, a batch at a time; returns the exit code."""
    meaning = predictor.meaning
    written = whole = 0
    quiet = len(images) == 1 or not sys.stderr.isatty()
    with tqdm(total=len(images), unit="image", disable=quiet) as progress:

        def photos() -> Iterator[Photo]:
            for path, stem in zip(images, output_stems(images, args.out, (OVERLAY, LABELS, ERRORS)), strict=True):
                try:
                    photo = predictor.read(path, stem)
                except Exception as error:  # of mmcv, decoders and a user's own loader, whatever they raise
                    told = " ".join(str(error).split()) or type(error).__name__
                    progress.write(f"{args.prog}: {path}: {told}; skipped", file=sys.stderr)
                    progress.update()
                else:
                    yield photo

        for batch in in_batches(photos(), args.batch_size):
            for photo, labels in zip(batch, predict(predictor.model, batch), strict=True):
                name = photo.stem.name
                picture = labelled_picture(photo.image, labels, meaning.classes, meaning.palette, args.opacity, name)
                _write(picture, f"{photo.stem}{OVERLAY}", progress)
                if args.labels:
                    _write(meaning.label_picture(labels), f"{photo.stem}{LABELS}", progress)
                written += 1
                whole += truths is None or _compare(args, photo, labels, meaning, truths, progress)
                progress.update()
            del batch, photo, labels, picture  # before the next are read
        if args.labels and written:
            names = [f"{value}  {name}" for value, name in zip(meaning.values, meaning.classes, strict=True)]
            width = 800 if len(names) > 20 else 400
            _write(page([legend(names, meaning.palette, width=width)]), args.out / f"classes{LEGEND}", progress)
    return WRONG_INPUT if not written else BROKE if whole < len(images) else DONE


def _compare(
    args: argparse.Namespace, photo: Photo, labels: np.ndarray, meaning: Meaning, truths: Truths, progress: tqdm
) -> bool:
    """Write the picture of where a prediction and its mask differ; whether there is such a mask."""
    path = Path(photo.prepared["data_samples"].img_path)
    try:
        truth = truths.of(path, labels.shape)
    except Exception as error:  # of decoders and a user's own loader, whatever they raise
        told = " ".join(str(error).split()) or type(error).__name__
        progress.write(f"{args.prog}: {path}: {told}; its errors are not drawn", file=sys.stderr)
        return False
    told = confusions(truth, labels, meaning.classes)
    maps = ([photo.image], [truth], [labels], meaning.classes, meaning.palette, photo.stem.name, [told])
    _write(contact_sheet(*maps, opacity=args.opacity, errors=True), f"{photo.stem}{ERRORS}", progress)
    return True


def _write(picture: Image.Image, path: str | os.PathLike, progress: tqdm) -> None:
    save(picture, path)
    progress.write(str(path).encode(errors="replace").decode())  # names of files may hold bytes that are no text
