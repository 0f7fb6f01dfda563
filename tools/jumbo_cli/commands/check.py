"""`jumbo check`."""

import argparse
import os
from pathlib import Path

from ..command import Command
from ..config_arguments import SEG

EPILOG = """examples:
  {prog} jumbo_upernet_ade20k --data-root /data/ADEChallengeData2016
  {prog} my_config.py --json report.json

Every image and mask of all splits is read. Nothing is changed.

Exit code: 0 sound, 1 problems found, 2 wrong input, 130 stopped by Ctrl-C.
"""


def add_reading_arguments(parser: argparse.ArgumentParser) -> None:
    """How files are read, and where the findings go."""
    add = parser.add_argument
    add("--json", type=Path, metavar="FILE", help="write the findings to this file, too")
    add("--workers", type=int, default=min(8, os.cpu_count() or 1), help="threads that read (default: %(default)s)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("config", type=Path, help="config file, or the name of one that comes with the package")
    add("--data-root", metavar="DIR", help="folder of the data set (default: the config's)")
    add_reading_arguments(parser)


COMMAND = Command(
    "check",
    "Read all images and masks of a config's data sets, and list what is wrong with them.",
    "jumbo_backbone.segmentation.cli.check:run",
    add_arguments,
    epilog=EPILOG,
    **SEG,
)
