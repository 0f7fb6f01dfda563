"""What `jumbo pretrain` does: a training like any other, of a model that needs no labels."""

import argparse
import copy
import os

from mmengine.config import Config
from mmengine.runner import Runner
from mmseg.registry import MODELS

from ..configs.registered import is_of
from ..data.loaders import datasets_of
from ..pretraining.files import find_pictures
from ..pretraining.model import MaskedImageModel
from . import train


def prepare(args: argparse.Namespace) -> Config:
    """The config of the run. What a user can have wrong in it is told before anything is trained."""
    cfg = train.prepare(args)
    if not is_of(cfg.model, MaskedImageModel):
        raise ValueError(
            f"{args.config} trains a {cfg.model.type}, which needs labels: jumbo train {args.config.stem}; jumbo "
            "pretrain takes pretrain_mae_pico and configs like it"
        )
    MODELS.build(copy.deepcopy(cfg.model))
    roots = [dataset["data_root"] for dataset in datasets_of(cfg) if "data_root" in dataset]
    for root in {root if isinstance(root, (str, os.PathLike)) else tuple(root) for root in roots}:
        find_pictures(root)
    return cfg


def run(args: argparse.Namespace) -> Runner:
    """Pretrain as the arguments say; returns the runner, for callers from Python."""
    return train.run(args, prepare)
