"""What the tools for segmentation share: reading a config with a user's changes, and failing in a user's terms."""

import argparse
import contextlib
import errno
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, DictAction

from ..budgets.budget import ComputeBudget
from .configs.keys import TOP_LEVEL, require_known
from .configs.values import require_possible
from .configs.variables import require_keys, require_read, without_variables
from .training.work_dir import Checkpoints

CASCADE = "CascadeSegmentor"
LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")


class KeysAndValues(DictAction):
    """mmengine's KEY=VALUE options; what is none is an argument error, and not a traceback."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        for text in values or ():
            key, equals, value = text.partition("=")
            if not equals or not all(key.split(".")):
                parser.error(f"{option_string}: {text!r} is no KEY=VALUE, such as train_cfg.max_iters=100")
            if "dict(" in value or "{" in value:  # mmengine would take it for a word
                parser.error(f"{option_string}: {text!r}: a dict is set key by key, as {key}.type=…, or in the config")
        try:
            super().__call__(parser, namespace, values, option_string)
        except (AssertionError, ValueError, RecursionError) as error:
            parser.error(f"{option_string}: {' '.join(values)} cannot be read ({error}); put quotes around brackets")


def add_config_arguments(parser: argparse.ArgumentParser, with_data: bool = True) -> None:
    """The arguments of every tool that reads a config; those of a run on its data set may be left out."""
    parser.add_argument("config", type=Path, help="config file, such as seg_configs/jumbo_upernet_ade20k.py")
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=KeysAndValues,
        default={},
        metavar="KEY=VALUE",
        help="changes to the config, such as train_cfg.max_iters=100 model.backbone.with_cp=True",
    )
    if not with_data:
        parser.set_defaults(data_root=None, work_dir=None, launcher="none", local_rank=0)
        return
    parser.add_argument("--data-root", help="folder of the data set, for all its splits (default: the config's)")
    parser.add_argument("--work-dir", type=Path, help="what is left goes here (default: work_dirs/NAME OF THE CONFIG)")
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0, help=argparse.SUPPRESS)


def read_config(args: argparse.Namespace) -> Config:
    """The config that ``add_config_arguments``' arguments ask for.

    It has the keys alone that have an effect: variables of its files have been used.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read, with the config's own error as message; if a key or an option has no effect,
            with the nearest that has one; if numbers cannot be.
    """
    if not args.config.is_file():
        raise FileNotFoundError(f"no config at {args.config.absolute()}: give one of seg_configs/*.py or your own")
    try:
        cfg = Config.fromfile(args.config)
        require_read(args.config, TOP_LEVEL)
        require_keys([key.split(".")[0] for key in args.cfg_options], cfg, TOP_LEVEL)
        cfg.merge_from_dict(args.cfg_options)
        cfg = without_variables(cfg, TOP_LEVEL, args.config)
    except (SyntaxError, NameError, KeyError, TypeError, AttributeError, ImportError) as error:
        raise ValueError(f"{args.config} with {args.cfg_options or 'no changes'}: {error}") from error
    require_known(cfg)
    require_possible(cfg)
    if args.data_root is not None:
        _use_data_root(cfg, args.data_root)
    cfg.work_dir = str(args.work_dir or cfg.get("work_dir") or Path("work_dirs") / args.config.stem)
    cfg.launcher = args.launcher
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    if not torch.cuda.is_available():
        _on_cpu(cfg)
    return cfg


def use_windows(cfg: Config, max_batch: int | None) -> None:
    """Have a config's model predict by overlapping windows: its own where it does so already, or of the training size.

    Args:
        max_batch: Most windows in one pass; None for the config's, or 8.

    Raises:
        ValueError: If the config does not say how large the training size is.
    """
    if cfg.model.type == CASCADE:
        raise ValueError(
            "--slide and --max-batch: the members of a cascade predict as their own configs say, set it there"
        )
    own = cfg.model.get("test_cfg") or {}
    if own.get("mode") != "slide":
        if not (crop := cfg.model.get("data_preprocessor", {}).get("size")):
            raise ValueError("windows have the training size, and model.data_preprocessor.size does not say it: set it")
        own = dict(mode="slide", crop_size=tuple(crop), stride=tuple(side * 2 // 3 for side in crop))
    cfg.model.test_cfg = own if max_batch is None else {**own, "max_batch": max_batch}


def require_one_model(cfg: Config, what: str) -> None:
    """Raise a ValueError for a cascade, of which ``what`` cannot be had."""
    if cfg.model.type == CASCADE:
        members = ", ".join(dict.fromkeys(str(member["config"]) for member in cfg.model.members))
        raise ValueError(f"a cascade cannot be {what}: give the config of a member ({members})")


def add_budget_arguments(parser: argparse.ArgumentParser) -> None:
    """How much the backbone computes."""
    parser.add_argument("--keep-rate", type=float, help="share of the patches each reducing block keeps, up to 1")
    parser.add_argument(
        "--resolution", type=_resolution, help="read images at: a scale (0.7), pixels (384), or both sides (384x512)"
    )


def _resolution(text: str) -> float | int | tuple[int, ...]:
    try:
        if "x" in text:
            return tuple(int(side) for side in text.split("x"))
        return float(text) if "." in text else int(text)
    except ValueError:
        way_out = "give a scale (0.7), pixels (384), or both sides (384x512)"
        raise argparse.ArgumentTypeError(f"{text!r} is no size: {way_out}") from None


def use_budget(cfg: Config, keep_rate: float | None, resolution: float | int | tuple[int, ...] | None) -> None:
    """Have a config's backbone compute as much as this, where it is not None.

    Raises:
        ValueError: If the backbone has no budget, or none like this.
    """
    changes = {k: v for k, v in dict(keep_rate=keep_rate, resolution=resolution).items() if v is not None}
    if not changes:
        return
    if cfg.model.type == CASCADE:
        raise ValueError(
            "--keep-rate and --resolution: the members of a cascade have budgets of their own in its config"
        )
    if (kind := cfg.model.backbone.type) != "JumboViTBackbone":
        raise ValueError(f"{kind} computes all it has: --keep-rate and --resolution need a JumboViTBackbone")
    budget = {**(cfg.model.backbone.get("budget") or {}), **changes}
    ComputeBudget(**budget)  # says what is wrong with it
    cfg.model.backbone.budget = budget


def datasets_of(cfg: Config) -> list[dict]:
    """The innermost data sets of all loaders of a config, each once."""
    found: list[dict] = []

    def visit(dataset: dict) -> None:
        inner = [dataset["dataset"]] if "dataset" in dataset else dataset.get("datasets", [])
        for child in inner:
            visit(child)
        if not inner and not any(dataset is other for other in found):
            found.append(dataset)

    for name in LOADERS:
        if cfg.get(name):
            visit(cfg[name].dataset)
    return found


def _use_data_root(cfg: Config, folder: str) -> None:
    datasets = datasets_of(cfg)
    for dataset in datasets:
        if not {"data_root", "data_prefix"} & set(dataset):
            raise ValueError(f"--data-root {folder}: {dataset['type']} has no files, so leave it out")
    roots = {dataset.get("data_root") or "" for dataset in datasets}
    if len(roots) > 1:
        told = ", ".join(repr(root) for root in sorted(roots))
        raise ValueError(
            f"--data-root {folder}: the config's data sets are in {len(roots)} folders ({told}), so one folder would "
            "be wrong for some: change data_root of each in the config"
        )
    for dataset in datasets:
        dataset.data_root = folder


def _on_cpu(cfg: Config) -> None:
    """Several processes without a GPU: gloo, no device for each, and batch norms of their own."""
    if cfg.launcher == "none":
        return
    if not torch.distributed.is_initialized():  # mmengine would ask for a GPU
        torch.distributed.init_process_group("gloo")
    cfg.setdefault("model_wrapper_cfg", dict(type="MMDistributedDataParallel", broadcast_buffers=False))
    cfg.model_wrapper_cfg["device_ids"] = None

    def replace(node: Any) -> None:
        if isinstance(node, dict):
            if node.get("type") == "SyncBN":
                node["type"] = "BN"
            for child in node.values():
                replace(child)
        elif isinstance(node, list):
            for child in node:
                replace(child)

    replace(cfg.model)


@contextlib.contextmanager
def in_users_terms(tool: str, run: Config | None = None) -> Iterator[None]:
    """Exit with a message, and not with a traceback, on what a user can cause: 2 for wrong input, 130 for Ctrl-C, and 1
    for what breaks a run. ``run`` is the config of a training, which may leave something to go on from."""
    try:
        yield
    except (KeyboardInterrupt, SyntaxError) as error:
        # mmengine formats the config for every checkpoint, and takes a Ctrl-C in that moment for a wrong config
        if isinstance(error, SyntaxError) and not isinstance(error.__cause__ or error.__context__, KeyboardInterrupt):
            raise
        _exit(tool, "stopped by Ctrl-C" + _how_to_go_on(run), 130)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            _exit(tool, f"the disk is full ({error}); make room" + _how_to_go_on(run), 1)
        _exit(tool, str(error), 2)
    except (ValueError, TypeError) as error:
        if run is not None:  # within a run it may be a defect of ours: say where it came from
            traceback.print_exc()
        _exit(tool, str(error), 2)
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        killed = f"a data-loading process was killed, often for want of memory ({error})"
        _exit(tool, killed + _how_to_go_on(run), 1)


def _how_to_go_on(run: Config | None) -> str:
    if run is None or not (checkpoints := Checkpoints(run)).saved():
        return ""
    return f". What was saved is in {checkpoints.folder}; the same command with --resume goes on from there"


def _exit(tool: str, message: str, code: int) -> None:
    print(f"{tool}: {message}", file=sys.stderr)
    sys.exit(code)
