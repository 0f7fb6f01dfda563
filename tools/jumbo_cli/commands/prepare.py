"""`jumbo prepare`."""

import argparse
from pathlib import Path
from typing import Any

from ..command import Command
from ..config_arguments import SEG
from .check import add_reading_arguments

TOP = "ADEChallengeData2016"  # the folder in the zip, and in --out
URL = "http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip"
OF_MASKS = ("classes", "ignore", "nearest", "val", "seed", "scenes", "scene_pattern", "base", "overwrite")
OF_ADE20K = ("check", "data_root", "recheck", "json")

EPILOG = f"""examples:
  {{prog}} photos masks --out my_data
                               a folder to train on, and my_data/config.py
  {{prog}} photos masks --out my_data --classes ground=#787878 box=#e63c3c
                               masks of these colours
  {{prog}} photos masks --out my_data --scene-pattern '^[^_]+'
                               what stands before _ in a name says the scene
  {{prog}} {TOP}.zip           unpack and check; again: only what is missing
  {{prog}} /data/{TOP}         use a folder unpacked elsewhere
  {{prog}} --check jumbo_upernet_ade20k --data-root /data/{TOP}
                               the same as jumbo check

PHOTOS MASKS: a photo and its mask have the same path within their folders, whatever their suffixes; the mask's
name may end in _mask, _label, _labels, _gt, _seg and the like. Masks of one channel show classes by numbers (those of
a palette keep them; 0 and 255 alone are background and foreground; else 255 is ignored), others by colours.
The originals are only read: OUT gets hard links, or copies, of the photos.

ZIP|DIR: the zip (0.9 GB) is at {URL}
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
            self.error("give PHOTOS MASKS, or give a zip or folder of ADE20K, or --check CONFIG")
        foreign = OF_ADE20K if found.masks else OF_MASKS
        given = [f"--{name.replace('_', '-')}" for name in foreign if getattr(found, name) != self.get_default(name)]
        if given and found.masks:
            self.error(f"{given[0]} does not go with PHOTOS MASKS: jumbo check reads what was prepared")
        if given:
            self.error(f"{given[0]} belongs to PHOTOS MASKS, two folders")
        if found.masks and found.out is None:
            self.error("say where the folder to train on goes: --out my_data")
        if found.data_root is not None and found.check is None:
            self.error("--data-root belongs to --check; where ADE20K goes is said by --out")
        found.out = found.out or Path("data/ade")
        return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "source",
        nargs="?",
        type=Path,
        metavar="PHOTOS|ZIP|DIR",
        help=f"folder of photos; or {TOP}.zip, the folder it unpacks to, or its parent",
    )
    add("masks", nargs="?", type=Path, metavar="MASKS", help="folder of the photos' masks")
    add("--out", type=Path, metavar="DIR", help=f"folder to make; of {TOP} its parent (default: data/ade)")
    own = parser.add_argument_group("of PHOTOS MASKS")
    own.add_argument(
        "--classes",
        nargs="+",
        metavar="CLASS",
        help="NAME=#rrggbb, NAME=NUMBER or NAME (of 0, 1, …), or a file with one a line (default: what masks show)",
    )
    own.add_argument(
        "--ignore", nargs="+", metavar="VALUE", help="numbers or #rrggbb that count for nothing, or none (default: 255)"
    )
    own.add_argument("--nearest", action="store_true", help="other colours become the nearest one of --classes")
    own.add_argument(
        "--val", type=float, default=0.2, help="share of the pictures for validation (default: %(default)s)"
    )
    own.add_argument("--seed", type=int, default=0, help="of the split (default: %(default)s)")
    together = own.add_mutually_exclusive_group()
    together.add_argument(
        "--scenes",
        choices=["auto", "folder", "name", "none"],
        default="auto",
        help="pictures of one scene stay on one side: those of one folder, or whose names differ in the number at the "
        "end; auto: by folder if there are several, else by name if several share one (default: %(default)s)",
    )
    together.add_argument(
        "--by-scene", action="store_const", const="name", dest="scenes", help="the same as --scenes name"
    )
    together.add_argument(
        "--scene-pattern",
        metavar="REGEX",
        help="what it finds in the path without suffix (or its first group) is the scene",
    )
    own.add_argument(
        "--base",
        type=Path,
        default=Path("masks_small"),
        help="config to build on, such as masks_upernet (default: %(default)s)",
    )
    own.add_argument("--overwrite", action="store_true", help="make a folder anew that this command made")
    ade = parser.add_argument_group("of ADE20K")
    ade.add_argument(
        "--check", type=Path, metavar="CONFIG", help="instead: read all data sets of a config, change nothing"
    )
    ade.add_argument("--data-root", metavar="DIR", help="with --check: folder of the data set (default: the config's)")
    ade.add_argument(
        "--recheck", action="store_true", help="read all files, even if nothing changed since they were found sound"
    )
    add_reading_arguments(parser)


COMMAND = Command(
    "prepare",
    "Make a folder to train on from photos and masks, or from ADE20K's zip.",
    "jumbo_backbone.segmentation.cli.prepare:run",
    add_arguments,
    epilog=EPILOG,
    parser=Parser,
    **SEG,
)
