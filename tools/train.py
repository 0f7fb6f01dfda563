#!/usr/bin/env python3
"""Train a segmentation model from a config."""

import argparse
import importlib.util
import sys
from collections.abc import Sequence

from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from jumbo_backbone.segmentation.cli import add_config_arguments, in_users_terms, read_config, require_one_model
from jumbo_backbone.segmentation.data.check import require_datasets
from jumbo_backbone.segmentation.training.starting import choose_start

EPILOG = """examples:
  train.py seg_configs/jumbo_upernet_scenes.py                        no data needed: rendered scenes
  train.py seg_configs/jumbo_upernet_ade20k.py --amp
  train.py seg_configs/jumbo_upernet_ade20k.py --resume               go on after an interruption
  train.py my_config.py --load-from work_dirs/jumbo_upernet_ade20k/iter_160000.pth
                                                                      fine-tune a trained model, to other classes too
  train.py seg_configs/jumbo_tiny_upernet_ade20k.py --data-root /data/ADEChallengeData2016 \\
      --cfg-options train_dataloader.batch_size=8 model.backbone.with_cp=True
  torchrun --nproc-per-node 4 tools/train.py seg_configs/jumbo_upernet_ade20k.py --launcher pytorch \\
      --cfg-options train_dataloader.batch_size=4

The work dir then holds the resolved config, run.json (command, versions, seed, commit, machine), metrics.json (every
validation), the log, the last checkpoints and the best one. A new run in the same folder moves them to a folder of
their own in it, earlier_1 and so on. Exit code: 0 trained, 1 a run broke (full disk, killed
process), 2 wrong input, 130 stopped by Ctrl-C.
"""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_config_arguments(parser)
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        metavar="auto|FILE",
        help="go on from the newest checkpoint of the work dir (start anew if there is none), or from a file",
    )
    parser.add_argument(
        "--load-from",
        metavar="FILE",
        help="start from the weights of a trained segmentor, in place of init_cfg; its classes may be others",
    )
    parser.add_argument("--amp", action="store_true", help="bfloat16 autocast, on GPU and CPU")
    parser.add_argument("--seed", type=int, help="of everything random (default: the config's)")
    parser.add_argument("--deterministic", action="store_true", help="deterministic algorithms on GPU, slower")
    return parser.parse_args(argv)


def prepare(args: argparse.Namespace) -> Config:
    """The config of the run, and nothing built yet."""
    cfg = read_config(args)
    require_one_model(cfg, "trained")
    require_datasets(cfg)
    if args.amp:
        cfg.optim_wrapper.type = "AutocastOptimWrapper"
    if args.seed is not None or args.deterministic:
        randomness = dict(cfg.get("randomness", {}), deterministic=args.deterministic)
        cfg.randomness = randomness if args.seed is None else dict(randomness, seed=args.seed)
    choose_start(cfg, args.resume, args.load_from, lambda text: print(f"train.py: {text}", file=sys.stderr))
    if importlib.util.find_spec("tensorboard"):
        cfg.visualizer.vis_backends.append(dict(type="TensorboardVisBackend"))
    return cfg


def main(argv: Sequence[str] | None = None) -> Runner:
    """Train as the arguments say; returns the runner, for whoever calls this from Python."""
    args = parse(argv)
    with in_users_terms("train.py"):
        cfg = prepare(args)
    with in_users_terms("train.py", cfg):
        runner = RUNNERS.build(cfg) if "runner_type" in cfg else Runner.from_cfg(cfg)
        runner.train()
    return runner


if __name__ == "__main__":
    main()
