"""What `jumbo pretrain` does: a training like any other, of a model that needs no labels."""

import argparse
import copy

import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmseg.registry import DATASETS, MODELS

from ..configs.registered import is_of
from ..data.loaders import datasets_of
from ..pretraining.model import MaskedImageModel
from ..pretraining.pictures import PictureDataset
from . import train


def prepare(args: argparse.Namespace) -> Config:
    """The config of the run. What a user can have wrong in it is told before anything is trained."""
    cfg = train.prepare(args)
    if not is_of(cfg.model, MaskedImageModel):
        raise ValueError(
            f"{args.config} trains a {cfg.model.type}, which needs labels: jumbo train {args.config.stem}; jumbo "
            "pretrain takes pretrain_mae_pico and configs like it"
        )
    model = MODELS.build(copy.deepcopy(cfg.model))
    for dataset in datasets_of(cfg):
        if DATASETS.get(dataset["type"]) is PictureDataset:
            pictures = DATASETS.build(dict(copy.deepcopy(dataset), keep_side=None))  # lists files, reads none
            with torch.no_grad():
                model.loss(torch.zeros(1, 3, *pictures.size))
    return cfg


def run(args: argparse.Namespace) -> Runner:
    """Pretrain as the arguments say; returns the runner, for callers from Python."""
    return train.run(args, prepare)
