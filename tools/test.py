#!/usr/bin/env python3
"""Measure a trained segmentation model."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.runner import Runner
from torch.utils.data import Dataset

from jumbo_backbone.files import write_atomically
from jumbo_backbone.segmentation.cli import (
    add_budget_arguments,
    add_config_arguments,
    in_users_terms,
    read_config,
    use_budget,
    use_windows,
)
from jumbo_backbone.segmentation.configs.evaluators import keep_predictions
from jumbo_backbone.segmentation.configs.tta import use_tta
from jumbo_backbone.segmentation.data.check import datasets_by_split, require_datasets
from jumbo_backbone.segmentation.data.consistency import require_as_trained
from jumbo_backbone.segmentation.models.cascade import CascadeSegmentor
from jumbo_backbone.segmentation.models.segmentors import JumboSegmentor
from jumbo_backbone.segmentation.training.loading import load_strictly
from jumbo_backbone.segmentation.training.metrics import of_classes, to_json
from jumbo_backbone.segmentation.training.work_dir import RECORDS

EPILOG = """examples:
  test.py seg_configs/jumbo_upernet_ade20k.py work_dirs/jumbo_upernet_ade20k/best_mIoU_iter_160000.pth
  test.py CONFIG CHECKPOINT --tta                   several scales, and each mirrored
  test.py CONFIG CHECKPOINT --slide --max-batch 4   windows of the training size, four at a time
  test.py CONFIG CHECKPOINT --keep-rate 0.7          less computed, of any checkpoint
  test.py seg_configs/jumbo_cascade_camvid.py work_dirs/jumbo_cascade_camvid/calibration.json
  test.py CONFIG CHECKPOINT --out predictions --show-dir pictures
"""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_config_arguments(parser)
    parser.add_argument("checkpoint", type=Path, help="a .pth that train.py left, or a cascade's calibration.json")
    parser.add_argument("--tta", action="store_true", help="average over the scales and flips of the config")
    parser.add_argument("--slide", action="store_true", help="overlapping windows of the training size")
    parser.add_argument("--max-batch", type=int, help="most windows in one pass of --slide; bounds memory (default: 8)")
    add_budget_arguments(parser)
    parser.add_argument(
        "--out", type=Path, help="folder for metrics.json (test_metrics.json in a training's work dir) and label maps"
    )
    parser.add_argument("--show-dir", type=Path, help="folder for pictures of the predictions")
    parser.add_argument("--bands", type=int, nargs=3, metavar=("R", "G", "B"), help="what pictures show, from 0 on")
    return parser.parse_args(argv)


def prepare(args: argparse.Namespace) -> Config:
    """The config of the test, and nothing built yet."""
    cfg = read_config(args)
    cfg.resume, cfg.load_from = False, None  # the checkpoint is the one given
    cfg.work_dir = str(Path(cfg.work_dir, "test"))  # what training left in the work dir stays as it is
    require_datasets(cfg, splits=("test",))
    if args.slide or args.max_batch is not None:
        use_windows(cfg, args.max_batch)
    use_budget(cfg, args.keep_rate, args.resolution)
    if args.tta:
        use_tta(cfg, [dataset for _, dataset in datasets_by_split(cfg, splits=("test",))])
    if args.out is not None:
        keep_predictions(cfg, args.out / "labels")
    if args.show_dir is not None:
        cfg.setdefault("custom_hooks", []).append(
            dict(type="PictureHook", out_dir=str(args.show_dir), bands=args.bands)
        )
    return cfg


def require_distinct_names(dataset: Dataset) -> None:
    """Raise a ValueError if two images would have their labels written to one file."""
    places: dict[str, str] = {}
    for i in range(len(dataset)):
        path = dataset.get_data_info(i)["img_path"]
        if (other := places.setdefault(Path(path).stem, path)) != path:
            raise ValueError(
                f"--out names labels after images, and {other} and {path} have one name: rename one of them"
            )


def record_path(folder: Path) -> Path:
    """Where the results go: ``metrics.json``, but in the work dir of a training that name is taken."""
    path = folder / "metrics.json"
    of_training = any((folder / name).exists() for name in RECORDS if name != path.name)
    of_training = of_training or (
        path.exists() and path.read_bytes().lstrip().startswith(b"[")
    )  # a list of validations
    return folder / "test_metrics.json" if of_training else path


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Test as the arguments say; returns the metrics."""
    args = parse(argv)
    with in_users_terms("test.py"):
        cfg = prepare(args)
        runner = Runner.from_cfg(cfg)
        if args.out is not None:
            require_distinct_names(runner.test_dataloader.dataset)
        model = getattr(runner.model, "module", runner.model)
        if args.tta and model.out_channels == 1 and not isinstance(model, JumboSegmentor):
            raise ValueError(
                f"--tta takes the sigmoid of one channel twice with {type(model).__name__}: set model.type to "
                "JumboSegmentor, which has the same weights"
            )
        require_as_trained(cfg, load_strictly(model, args.checkpoint))
        metrics = {name: float(value) for name, value in runner.test().items()}
        told = {}
        if isinstance(model, CascadeSegmentor):
            told["answered"] = dict(zip(model.cascade.names, model.answered, strict=True))
            print(f"answered by: {', '.join(f'{name} {count}' for name, count in told['answered'].items())}")
        if args.out is not None and is_main_process():
            args.out.mkdir(parents=True, exist_ok=True)
            record = dict(config=str(args.config), checkpoint=str(args.checkpoint), tta=args.tta, **metrics, **told)
            record |= of_classes(runner.test_evaluator.metrics)
            write_atomically(to_json(record), record_path(args.out))
            print(record_path(args.out))
        return metrics


if __name__ == "__main__":
    main()
