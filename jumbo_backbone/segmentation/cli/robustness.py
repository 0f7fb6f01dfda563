"""What `jumbo robustness` does."""

import argparse
from pathlib import Path

import torch
from tqdm import tqdm

from jumbo_cli.failing import DONE

from ...benchmarking.report import aligned
from ...device import pick_device
from ...words import some
from ..configs.shipped import find_config
from ..data.corruptions import COMMON, EXTRA, require_corruption
from ..robustness.adapters import methods_of
from ..robustness.classifier import ClassifierTest, classifier_of
from ..robustness.pictures import draw_corruptions, plot_figures
from ..robustness.record import CLEAN, Record, cell_of, summary_of, table_of
from ..robustness.segmentor import SegmentorTest
from ..robustness.streams import Pictures
from .config import read_config, require_one_model
from .failing import in_users_terms

GROUPS = {"all": COMMON, "extra": EXTRA}
RECORD = "robustness.json"


def run(args: argparse.Namespace) -> int:
    """Test as the arguments say; prints a table, and returns the exit code."""
    with in_users_terms(args.prog):
        if args.threads:
            torch.set_num_threads(args.threads)
        args.threads = torch.get_num_threads()
        device = pick_device(args.device)
        args.device = device.type
        corruptions = chosen(args.corruptions)
        args.out.mkdir(parents=True, exist_ok=True)
        test = _segmentor(args, device) if _is_config(args.model) else _classifier(args, device)
        methods = methods_of(args.adapt)
        about = dict(model=str(args.model), data=str(args.data), metric=test.metric, options=dict(args.adapt_options))
        about["episodic"] = args.episodic
        record = Record(args.out / RECORD, args, about | test.settings())
        cells: list[tuple[str, list[str], int]] = [(CLEAN, [], 0)]
        if mixed := args.stream == "mixed":
            cells += [(cell_of("mixed", severity), corruptions, severity) for severity in args.severities]
        else:
            cells += [(cell_of(name, s), [name], s) for name in corruptions for s in args.severities]
        for cell, names, severity in tqdm(cells, "cells", disable=None):
            if not record.has(cell, methods):
                record.add(cell, test.measure(names, severity))
        shape = (["mixed"] if mixed else corruptions, args.severities)
        record.write(summary=summary_of(record.cells, test.metric, *shape))
        print("\n".join(aligned(table_of(record.cells, test.metric, *shape, methods))))
        draw_corruptions(test.example, corruptions, args.severities, args.out / "corruptions.png")
        plot_figures(record.cells, test.metric, *shape, methods, args.out / "robustness.png")
        print(record.path)
    return DONE


def chosen(names: list[str]) -> list[str]:
    """Names of corruptions, where "all" are the 15 and "extra" the other four."""
    found = [name for given in names for name in GROUPS.get(given, (given,))]
    for name in found:
        require_corruption(name, 1)
    return list(dict.fromkeys(found))


def _is_config(model: str) -> bool:
    try:
        return find_config(Path(model)).suffix == ".py"
    except FileNotFoundError:
        if model.endswith(".py"):
            raise
        return False


def _classifier(args: argparse.Namespace, device: torch.device) -> ClassifierTest:
    if args.cfg_options or args.data_root:
        raise ValueError(f"--cfg-options and --data-root change a config, and {args.model} is none: leave them out")
    model = classifier_of(args.model)
    return ClassifierTest(
        model,
        Pictures(args.data, model.num_classes, args.images, args.seed, args.corrupted),
        adapt=args.adapt,
        options=dict(args.adapt_options, episodic=args.episodic),
        stream=args.stream or "shuffled",
        batch_size=args.batch_size,
        workers=args.workers,
        seed=args.seed,
        device=device,
    )


def _segmentor(args: argparse.Namespace, device: torch.device) -> SegmentorTest:
    given = [f"--{name}" for name in ("stream", "corrupted") if getattr(args, name) is not None]
    if given:
        raise ValueError(f"{some(given)}: of a segmentation config the images come in their order; leave it out")
    args.config, args.work_dir, args.launcher, args.local_rank = Path(args.model), None, "none", 0
    cfg = read_config(args)
    if args.adapt:
        require_one_model(cfg, "adapted, as its thresholds are chosen for the trained weights")
    cfg.test_dataloader.update(num_workers=args.workers, persistent_workers=False)
    options = dict(args.adapt_options, episodic=args.episodic)
    how = dict(adapt=args.adapt, options=options, seed=args.seed, most=args.images, device=device)
    return SegmentorTest(cfg, args.data, **how)
