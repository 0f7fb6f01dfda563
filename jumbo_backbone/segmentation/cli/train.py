"""What `jumbo train` does."""

import argparse
import importlib.util
import sys
from collections.abc import Callable
from contextlib import ExitStack

from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from ..data.required import require_datasets
from ..training.console import QuietRunner
from ..training.one_at_a_time import alone_in
from ..training.starting import choose_start, is_first_process
from .config import read_config, require_one_model
from .failing import in_users_terms


def prepare(args: argparse.Namespace) -> Config:
    """The config of the run, before it is decided from which weights the run starts."""
    cfg = read_config(args)
    require_one_model(cfg, "trained")
    if (cfg.model.get("backbone") or {}).get("int8_jumbo"):
        raise ValueError(
            "model.backbone.int8_jumbo=True is for inference: an FFN of 8 bits does not learn; leave it out"
        )
    require_datasets(cfg)
    if args.amp:
        cfg.optim_wrapper.type = "AutocastOptimWrapper"
    if args.seed is not None or args.deterministic:
        randomness = dict(cfg.get("randomness", {}), deterministic=args.deterministic)
        cfg.randomness = randomness if args.seed is None else dict(randomness, seed=args.seed)
    if importlib.util.find_spec("tensorboard"):
        cfg.visualizer.vis_backends.append(dict(type="TensorboardVisBackend"))
    return cfg


def run(args: argparse.Namespace, prepare: Callable[[argparse.Namespace], Config] = prepare) -> Runner:
    """Train as the arguments say, by the config that ``prepare`` makes of them; returns the runner, for callers from
    Python."""
    with ExitStack() as stack:
        with in_users_terms(args.prog):
            cfg = prepare(args)
            if is_first_process():
                stack.enter_context(alone_in(cfg.work_dir))
            choose_start(cfg, args.resume, args.load_from, lambda text: print(f"{args.prog}: {text}", file=sys.stderr))
        with in_users_terms(args.prog, cfg):
            runner = RUNNERS.build(cfg) if "runner_type" in cfg else QuietRunner.from_cfg(cfg)
            runner.train()
    return runner
