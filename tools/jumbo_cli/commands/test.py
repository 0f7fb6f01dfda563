"""`jumbo test`."""

import argparse
from pathlib import Path

from ..command import Command
from ..config_arguments import (
    SEG,
    add_adapt_arguments,
    add_budget_arguments,
    add_config_arguments,
    add_int8_argument,
    add_window_arguments,
)

EPILOG = """examples:
  {prog} jumbo_upernet_ade20k work_dirs/jumbo_upernet_ade20k/best_mIoU_iter_160000.pth
  {prog} CONFIG CHECKPOINT --tta                    several scales, and each mirrored
  {prog} CONFIG CHECKPOINT --slide --max-batch 4    windows of the training size, four at a time
  {prog} CONFIG CHECKPOINT --keep-rate 0.7          compute less, with any checkpoint
  {prog} CONFIG CHECKPOINT --adapt sar              twice: as trained, and adapting to the images
  {prog} jumbo_cascade_camvid work_dirs/jumbo_cascade_camvid/calibration.json
  {prog} CONFIG CHECKPOINT --out predictions --show-dir pictures

Exit code: 0 tested, 1 the run broke (full disk, killed process), 2 wrong input, 130 stopped by Ctrl-C.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_arguments(parser)
    add = parser.add_argument
    add("checkpoint", type=Path, help="a .pth file written by training, or a cascade's calibration.json")
    add("--tta", action="store_true", help="average over the scales and flips of the config")
    add_window_arguments(parser)
    add_budget_arguments(parser)
    add_int8_argument(parser)
    add_adapt_arguments(parser)
    add("--out", type=Path, help="folder for metrics.json (test_metrics.json in a training's work dir) and label maps")
    add("--show-dir", type=Path, help="folder for pictures of the predictions")
    add("--bands", type=int, nargs=3, metavar=("R", "G", "B"), help="bands that pictures show, counted from 0")


COMMAND = Command(
    "test",
    "Measure a trained segmentation model on its test images.",
    "jumbo_backbone.segmentation.cli.test:run",
    add_arguments,
    epilog=EPILOG,
    **SEG,
)
