"""`jumbo infer`."""

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
  {prog} jumbo_upernet_ade20k best.pth photo.jpg
  {prog} CONFIG CHECKPOINT photos/ more/*/ --out pictures --opacity 0.5 --labels
  {prog} CONFIG CHECKPOINT aerial.png --slide --max-batch 4     windows of the training size, four at a time
  {prog} CONFIG CHECKPOINT foggy/ --adapt sar           adapt to the images, in their order
  {prog} CONFIG CHECKPOINT frames/ --batch-size 16 --device cuda
  {prog} CONFIG CHECKPOINT field.tif --bands 3 2 1      which of many bands the pictures show
  {prog} CONFIG CHECKPOINT my_data/images/validation --errors my_data/annotations/validation

For a folder, all images in it are read, but not those in its subfolders, nor pictures that this command wrote. Images
are read and resized as in the config's test pipeline, by its own loader (mmcv's turns photographs upright). Pictures
show the colours, or the bands given by --bands; other than 8-bit values are stretched from the least to the largest.
No data set is needed. Each image gives NAME_overlay.png: the image in full size with the colours over it and a legend.
--labels also writes NAME_labels.png, with the values of the data set's own label files, and classes_legend.png, which
tells which value is which class. --errors MASKS also writes NAME_errors.png: image, mask, prediction, and in red where
both differ, with the commonest confusions. A mask is read as the config's test data set reads it, and is called as its
image, with the data set's seg_map_suffix. Names that occur twice are numbered.

Exit code: 0 all pictures written, 1 some images were not readable, 2 nothing could be done, 130 stopped by Ctrl-C.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_arguments(parser, with_data=False)
    add = parser.add_argument
    add("checkpoint", type=Path, help="a .pth file written by training, or a cascade's calibration.json")
    add("images", nargs="+", type=Path, metavar="IMAGE|DIR", help="image files, or folders of them")
    add("--out", type=Path, default=Path("predictions"), help="folder for the pictures (default: %(default)s)")
    add("--opacity", type=float, default=0.6, help="opacity of the colours, 0 to 1 (default: %(default)s)")
    add("--bands", type=int, nargs=3, metavar=("R", "G", "B"), help="shown as red, green and blue, counted from 0")
    add("--labels", action="store_true", help="also write label maps, and a legend of their values")
    add("--errors", type=Path, metavar="MASKS", help="also draw where predictions and the masks in this folder differ")
    add_window_arguments(parser)
    add_budget_arguments(parser)
    add_int8_argument(parser)
    add_adapt_arguments(parser)
    add("--batch-size", type=int, default=1, help="most images at once (default: %(default)s)")
    add("--device", default="auto", choices=("auto", "cpu", "cuda"), help="default: cuda where there is one")


COMMAND = Command(
    "infer",
    "Paint the predicted classes over images, with a legend.",
    "jumbo_backbone.segmentation.cli.infer:run",
    add_arguments,
    epilog=EPILOG,
    **SEG,
)
