"""How a training starts: from an interrupted run, from the weights of a trained segmentor, or anew."""

import copy
import os
from pathlib import Path

from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch import nn

from .checkpoint_files import CheckpointFile, read_checkpoint
from .loading import require_resumable, start_from
from .work_dir import Checkpoints, Tell


def choose_start(cfg: Config, resume: str | None, load_from: str | None, tell: Tell) -> None:
    """Set ``resume`` and ``load_from`` of a config, after a check that the file fits its model and optimiser.

    A new training in a folder with the checkpoints of an earlier one moves those into a subfolder. Temporary files
    that a killed run left are removed.

    Args:
        resume: A file, or "auto": the newest checkpoint that is whole, or a new start if there is none. None for the
            config's setting.
        load_from: A file of a trained segmentor whose weights a new training starts from (see ``start_from``). None
            for the config's setting.
        tell: Called with each decision, as one line.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read or does not fit, or a new training would overwrite ``load_from``.
    """
    if resume is None and cfg.get("resume"):
        resume = cfg.get("load_from") or "auto"
    elif load_from is None and not cfg.get("resume"):
        load_from = cfg.get("load_from")
    cfg.resume, cfg.load_from = False, None
    checkpoints = Checkpoints(cfg)
    if is_first_process():
        for path in checkpoints.remove_leftovers():
            tell(f"removed {path}, which a run that was killed did not finish")
    if resume is not None:
        file = checkpoints.newest_whole(tell) if resume == "auto" else read_checkpoint(resume)
        if file is not None:
            _go_on(cfg, file, tell)
            if file.path.parent.resolve() != checkpoints.folder.resolve():
                _set_apart(cfg, checkpoints, tell)
            return
        tell(f"nothing to resume in {checkpoints.folder}, starting anew")
    if load_from is not None:
        if Path(os.path.abspath(load_from)) in checkpoints.of_earlier_runs():
            raise ValueError(
                f"{load_from} is of an earlier run in {cfg.work_dir}, which a new run would replace: give another "
                "--work-dir"
            )
        _start(cfg, load_from, tell)
    _set_apart(cfg, checkpoints, tell)


def _set_apart(cfg: Config, checkpoints: Checkpoints, tell: Tell) -> None:
    if is_first_process() and (folder := checkpoints.set_apart()) is not None:
        tell(
            f"{cfg.work_dir} held an earlier run, which is now in {folder}; "
            "with --resume, this run would have continued it"
        )


def is_first_process() -> bool:
    """Whether this is the only process of a run, or the first of several, before the processes are connected."""
    ranks = (os.environ.get(name) for name in ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK"))
    return next((rank for rank in ranks if rank is not None), "0") == "0"


def without_pretraining(model: dict) -> None:
    """Remove from a model's config the weights that it would start from, since another file gives all of them."""
    backbone = model.get("backbone") or {}
    backbone.pop("init_cfg", None)
    for key in ("pretrained", "checkpoint_path"):
        backbone.pop(key, None)
        model.pop(key, None)


def _go_on(cfg: Config, file: CheckpointFile, tell: Tell) -> None:
    without_pretraining(cfg.model)
    model = _built(cfg)
    optim_wrapper = None
    if "runner_type" not in cfg:  # whose strategy has optimisers of its own
        optim_wrapper = build_optim_wrapper(model, copy.deepcopy(cfg.optim_wrapper))
    require_resumable(model, optim_wrapper, cfg.get("param_scheduler"), file)
    for unit in ("iter", "epoch"):
        end = cfg.train_cfg.get(f"max_{unit}s")
        if end is not None and file.meta[unit] >= end:
            tell(f"{file.path} is at {unit} {file.meta[unit]} of {end}: nothing is left to train")
    cfg.resume, cfg.load_from = True, str(file.path)


def _start(cfg: Config, load_from: str, tell: Tell) -> None:
    without_pretraining(cfg.model)
    cfg.load_from = load_from
    if "://" in load_from:  # fetched by mmengine, and looked at then
        return
    report = start_from(_built(cfg), read_checkpoint(load_from))
    tell(f"starting from {load_from}: {report}")


def _built(cfg: Config) -> nn.Module:
    init_default_scope(cfg.get("default_scope", "mmseg"))
    return MODELS.build(copy.deepcopy(cfg.model))
