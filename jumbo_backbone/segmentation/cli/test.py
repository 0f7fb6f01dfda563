"""What `jumbo test` does."""

import argparse
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import is_main_process

from ...files import write_atomically
from ..configs.evaluators import keep_predictions
from ..configs.tta import use_tta
from ..data.consistency import require_as_trained
from ..data.required import datasets_by_split, require_datasets
from ..models.adapting import adapting, told_of
from ..models.cascade import CascadeSegmentor
from ..models.segmentors import JumboSegmentor
from ..training.console import QuietRunner
from ..training.loading import load_strictly
from ..training.metrics import of_classes, to_json
from ..training.work_dir import RECORDS
from .adapting import compared, counted, require_adaptable
from .config import read_config, use_budget, use_int8, use_windows
from .failing import in_users_terms


def prepare(args: argparse.Namespace) -> Config:
    """The config of the test; nothing is built yet."""
    cfg = read_config(args)
    cfg.resume, cfg.load_from = False, None  # the checkpoint is the one given
    cfg.work_dir = str(Path(cfg.work_dir, "test"))  # what training left in the work dir stays as it is
    require_adaptable(args, cfg)
    require_datasets(cfg, splits=("test",))
    if args.slide or args.max_batch is not None:
        use_windows(cfg, args.max_batch)
    use_budget(cfg, args.keep_rate, args.resolution)
    if args.int8_jumbo:
        use_int8(cfg)
    if args.tta:
        use_tta(cfg, [dataset for _, dataset in datasets_by_split(cfg, splits=("test",))])
    if args.out is not None:
        keep_predictions(cfg, args.out / "labels")
    if args.show_dir is not None:
        cfg.setdefault("custom_hooks", []).append(
            dict(type="PictureHook", out_dir=str(args.show_dir), bands=args.bands)
        )
    return cfg


def require_distinct_names(dataset: Any) -> None:
    """Raise a ValueError if two images would have their labels written to one file."""
    places: dict[str, str] = {}
    for i in range(len(dataset)):
        path = dataset.get_data_info(i)["img_path"]
        if (other := places.setdefault(Path(path).stem, path)) != path:
            raise ValueError(
                f"--out names labels after images, and {other} and {path} have one name: rename one of them"
            )


def record_path(folder: Path) -> Path:
    """The file of the results: ``metrics.json``, or another name in the work dir of a training, which has a
    ``metrics.json`` already."""
    path = folder / "metrics.json"
    of_training = any((folder / name).exists() for name in RECORDS if name != path.name)
    of_training = of_training or (
        path.exists() and path.read_bytes().lstrip().startswith(b"[")
    )  # a list of validations
    return folder / "test_metrics.json" if of_training else path


def run(args: argparse.Namespace) -> dict[str, float]:
    """Test as the arguments say; returns the metrics."""
    with in_users_terms(args.prog):
        cfg = prepare(args)
        runner = QuietRunner.from_cfg(cfg)
        if args.out is not None:
            require_distinct_names(runner.test_dataloader.dataset)
        model = getattr(runner.model, "module", runner.model)
        if args.tta and model.out_channels == 1 and not isinstance(model, JumboSegmentor):
            raise ValueError(
                f"--tta takes the sigmoid of one channel twice with {type(model).__name__}: set model.type to "
                "JumboSegmentor, which has the same weights"
            )
        require_as_trained(cfg, load_strictly(model, args.checkpoint))
        metrics = measured(runner)
        told = of_classes(runner.test_evaluator.metrics)
        if isinstance(model, CascadeSegmentor):
            told["answered"] = dict(zip(model.cascade.names, model.answered, strict=True))
            print(f"answered by: {', '.join(f'{name} {count}' for name, count in told['answered'].items())}")
        if args.adapt:
            told["adapted"] = adapted(args, runner, model)
            print("\n".join(compared(metrics, told["adapted"], args.adapt)))
            print(counted(told["adapted"]) or "all images counted")
        if args.out is not None and is_main_process():
            args.out.mkdir(parents=True, exist_ok=True)
            record = dict(config=str(args.config), checkpoint=str(args.checkpoint), tta=args.tta, **metrics, **told)
            write_atomically(to_json(record), record_path(args.out))
            print(record_path(args.out))
        return metrics


def measured(runner: QuietRunner) -> dict[str, float]:
    """The metrics of a test."""
    return {name: float(value) for name, value in runner.test().items()}


def adapted(args: argparse.Namespace, runner: QuietRunner, model: Any) -> dict[str, Any]:
    """Test once more, adapting to the images in their order; the metrics and what was counted. Label maps and pictures
    of the first test are replaced."""
    with adapting(model, args.adapt, args.episodic, **dict(args.adapt_options)) as adapter:
        metrics = measured(runner)
        how = dict(method=args.adapt, options=dict(args.adapt_options), episodic=args.episodic, **told_of(adapter))
    return dict(metrics, **how, **of_classes(runner.test_evaluator.metrics))
