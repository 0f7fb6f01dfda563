"""`jumbo train`."""

import argparse

from ..command import Command
from ..config_arguments import SEG, add_config_arguments

EPILOG = """examples:
  {prog} jumbo_upernet_scenes                        needs no data: it renders scenes
  {prog} jumbo_upernet_ade20k --amp
  {prog} jumbo_upernet_ade20k --resume               go on after an interruption
  {prog} my_config.py --load-from work_dirs/jumbo_upernet_ade20k/iter_160000.pth
                                                     fine-tune a trained model, to other classes too
  {prog} jumbo_tiny_upernet_ade20k --data-root /data/ADEChallengeData2016 \\
      --cfg-options train_dataloader.batch_size=8 model.backbone.with_cp=True
  torchrun --nproc-per-node 4 -m jumbo_cli train jumbo_upernet_ade20k --launcher pytorch \\
      --cfg-options train_dataloader.batch_size=4

The work dir then holds the resolved config, run.json (command, versions, seed, commit, machine), metrics.json (every
validation), the log, the last checkpoints and the best one. A new run in the same folder first moves the files of the
run before into a subfolder: earlier_1 and so on.

Exit code: 0 trained, 1 a run broke (full disk, killed process), 2 wrong input, 130 stopped by Ctrl-C.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
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
    parser.add_argument("--seed", type=int, help="seed of all random numbers (default: the config's)")
    parser.add_argument("--deterministic", action="store_true", help="deterministic algorithms on GPU, slower")


COMMAND = Command(
    "train",
    "Train a segmentation model from a config.",
    "jumbo_backbone.segmentation.cli.train:run",
    add_arguments,
    epilog=EPILOG,
    **SEG,
)
