"""Reading a config with a user's changes."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from ...budgets.budget import ComputeBudget
from ..configs.keys import TOP_LEVEL, require_known
from ..configs.registered import is_of
from ..configs.shipped import find_config
from ..configs.values import require_possible
from ..configs.variables import require_keys, require_read, without_variables
from ..configs.widths import follow_backbone
from ..data.loaders import datasets_of
from ..models.backbone import JumboViTBackbone
from ..models.cascade import CascadeSegmentor


def read_config(args: argparse.Namespace) -> Config:
    """The config that the arguments of ``add_config_arguments`` ask for; ``args.config`` becomes its path.

    It holds only keys that have an effect: the variables of its files have been used and are removed.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read (the message is the config's own error); if a key or an option has no effect
            (the message names the nearest key that has one); if a number is out of range; if a width that the user
            chose does not fit the backbone's.
            Widths that the user did not change follow the backbone; a line on stderr says so.
    """
    args.config = find_config(args.config)
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
    for told in follow_backbone(cfg, args.config, args.cfg_options):
        print(told, file=sys.stderr)
    if args.data_root is not None:
        _use_data_root(cfg, args.data_root)
    cfg.work_dir = str(args.work_dir or cfg.get("work_dir") or Path("work_dirs") / args.config.stem)
    cfg.launcher = args.launcher
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    if not torch.cuda.is_available():
        _on_cpu(cfg)
    return cfg


def use_windows(cfg: Config, max_batch: int | None) -> None:
    """Make a config's model predict by overlapping windows: the windows it already has, or windows of the training
    size.

    Args:
        max_batch: The largest number of windows in one pass; None for the config's number, or else 8.

    Raises:
        ValueError: If the config does not say how large the training size is.
    """
    if is_of(cfg.model, CascadeSegmentor):
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
    """Raise a ValueError for a cascade, which does not support ``what``."""
    if is_of(cfg.model, CascadeSegmentor):
        members = ", ".join(dict.fromkeys(str(member["config"]) for member in cfg.model.members))
        raise ValueError(f"a cascade cannot be {what}: give the config of a member ({members})")


def use_budget(cfg: Config, keep_rate: float | None, resolution: float | int | tuple[int, ...] | None) -> None:
    """Set the budget of a config's backbone; a None leaves the config's value.

    Raises:
        ValueError: If the backbone has no compute budget, or does not accept this one.
    """
    changes = {k: v for k, v in dict(keep_rate=keep_rate, resolution=resolution).items() if v is not None}
    if not changes:
        return
    if is_of(cfg.model, CascadeSegmentor):
        raise ValueError(
            "--keep-rate and --resolution: the members of a cascade have budgets of their own in its config"
        )
    if not is_of(cfg.model.backbone, JumboViTBackbone):
        raise ValueError(
            f"{cfg.model.backbone.type} has no compute budget: --keep-rate and --resolution need a JumboViTBackbone"
        )
    budget = {**(cfg.model.backbone.get("budget") or {}), **changes}
    ComputeBudget(**budget)  # says what is wrong with it
    cfg.model.backbone.budget = budget


def use_int8(cfg: Config) -> None:
    """Keep the FFN of the Jumbo token in 8 bits.

    Raises:
        ValueError: If the model is a cascade, or its backbone has no Jumbo token.
    """
    if is_of(cfg.model, CascadeSegmentor):
        raise ValueError("--int8-jumbo: set model.backbone.int8_jumbo=True in the configs of the cascade's members")
    if not is_of(cfg.model.backbone, JumboViTBackbone):
        raise ValueError(f"--int8-jumbo needs a JumboViTBackbone, not {cfg.model.backbone.type}")
    cfg.model.backbone.int8_jumbo = True


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
        dataset["data_root"] = folder


def _on_cpu(cfg: Config) -> None:
    """Set up several processes without a GPU: the gloo backend, no device per process, batch norms not
    synchronised."""
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
