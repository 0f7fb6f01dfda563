"""`jumbo prepare`."""

import argparse
from pathlib import Path
from typing import Any

from ..command import Command
from ..config_arguments import SEG
from .check import add_reading_arguments

TOP = "ADEChallengeData2016"  # the folder in the zip, and in --out
URL = "http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip"

EPILOG = f"""examples:
  {{prog}} {TOP}.zip           unpack and check; again: only what is missing
  {{prog}} /data/{TOP}         use a folder unpacked elsewhere
  {{prog}} --check jumbo_upernet_ade20k --data-root /data/{TOP}
                               the same as jumbo check

The zip (0.9 GB) is at {URL}
It is unpacked into OUT/{TOP}/{{images,annotations}}/{{training,validation}}, where the configs of this
project look for it. A folder that is elsewhere is not copied: OUT/{TOP} becomes a symbolic link to it.
Files that are there and equal those of the zip are left alone, so an interrupted run goes on where it was.

Every image and mask is then read. If all are sound, OUT/.{TOP}.json notes it, and they are not read again
until a file changes or --recheck is given.

Exit code: 0 sound, 1 problems found, 2 it could not be done (wrong input, damaged zip, full disk), 130 stopped by
Ctrl-C.
"""


class Parser(argparse.ArgumentParser):
    """Knows which arguments go together."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        found = super().parse_args(args, namespace)
        if (found.source is None) == (found.check is None):
            self.error("give a zip or folder of ADE20K, or --check CONFIG")
        if found.data_root is not None and found.check is None:
            self.error("--data-root belongs to --check; where ADE20K goes is said by --out")
        return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("source", nargs="?", type=Path, metavar="ZIP|DIR", help=f"{TOP}.zip, the folder it unpacks to, or its parent")
    add("--out", type=Path, default=Path("data/ade"), help=f"folder for {TOP} (default: %(default)s)")
    add("--check", type=Path, metavar="CONFIG", help="instead: read all data sets of a config, change nothing")
    add("--data-root", metavar="DIR", help="with --check: folder of the data set (default: the config's)")
    add("--recheck", action="store_true", help="read all files, even if nothing changed since they were found sound")
    add_reading_arguments(parser)


COMMAND = Command(
    "prepare",
    "Unpack ADE20K's official zip, or link a folder of it, and check it.",
    "jumbo_backbone.segmentation.cli.prepare:run",
    add_arguments,
    epilog=EPILOG,
    parser=Parser,
    **SEG,
)
