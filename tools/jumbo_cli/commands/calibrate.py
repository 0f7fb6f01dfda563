"""`jumbo calibrate`."""

import argparse
from typing import Any

from ..command import Command
from ..config_arguments import SEG, add_config_arguments

UNITS = ("FLOPs", "ms")

EPILOG = """examples:
  {prog} jumbo_cascade_camvid
      thresholds at which the cascade is as good as its last member on the validation images
  {prog} jumbo_cascade_camvid --target 0.36 --unit ms
      at least 36 % mIoU in the least time on this machine
  {prog} jumbo_cascade_camvid --tolerance 0.005
      at most half a point below the last member
  jumbo test jumbo_cascade_camvid work_dirs/jumbo_cascade_camvid/calibration.json
      what these thresholds reach on test images; jumbo infer takes the file as well

The work dir then holds calibration.json, committee.png (every member, ensemble and cascade), went_on.png (the images of
which the first member was least sure), and outcomes_*.safetensors, with which another target takes seconds. Calibrate
on images that the members were not trained on, and test on others.

Exit code: 0 calibrated, 1 the run broke (full disk, killed process), 2 wrong input, 130 stopped by Ctrl-C.
"""


class Parser(argparse.ArgumentParser):
    """A parser that checks which arguments go together."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        found = super().parse_args(args, namespace)
        if found.tolerance and found.target != "last":
            self.error(f"--tolerance {found.tolerance} is of --target last: lower --target {found.target} itself")
        return found


def target(text: str) -> float | str:
    """ "last", or a number above 0 and up to 1."""
    if text == "last":
        return text
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither 'last' nor a number") from None
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text}: an mIoU lies between 0 and 1, such as 0.36")
    return value


def tolerance(text: str) -> float:
    """A number from 0 to below 1."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text}: an mIoU lies between 0 and 1, half a point is 0.005")
    return value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_arguments(parser)
    add = parser.add_argument
    add(
        "--target", type=target, default="last", help="least mIoU, such as 0.36; 'last': that of the last member (last)"
    )
    add(
        "--tolerance",
        type=tolerance,
        default=0.0,
        metavar="MIOU",
        help="how far below the last member's mIoU is allowed, such as 0.005 for half a point (0)",
    )
    add("--unit", choices=UNITS, default=UNITS[0], help="costs are counted, or measured on this machine (FLOPs)")
    add("--temperature", action="store_true", help="first bring the members' confidence to one scale")
    add("--pictures", type=int, default=8, metavar="N", help="images in went_on.png, 0 for none (8)")


COMMAND = Command(
    "calibrate",
    "Choose the thresholds of a cascade of segmentors on validation images.",
    "jumbo_backbone.segmentation.cli.calibrate:run",
    add_arguments,
    description="Choose the thresholds of a cascade of segmentors on validation images, and draw its metric against "
    "its cost.",
    epilog=EPILOG,
    parser=Parser,
    **SEG,
)
