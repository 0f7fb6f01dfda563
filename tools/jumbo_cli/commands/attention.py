"""`jumbo attention`."""

import argparse
from pathlib import Path

from ..command import Command

ENDING = "_attention.png"  # of the pictures that are written; such files are skipped when a folder is read

EPILOG = """examples:
  {prog} photo.jpg --checkpoint jumbo_small.pth --out pictures
  {prog} photos/ --checkpoint jumbo_base.pth --model jumbo_base_patch16_224 --out pictures
  {prog} photo.jpg --checkpoint jumbo_small.pth --keep-rate 0.7 --out pictures
  {prog} a.jpg b.jpg --checkpoint demo/model --block 2 --opacity 0.8 --out pictures

Exit code: 0 all pictures written, 1 some images were not readable, 2 nothing could be done, 130 stopped by Ctrl-C.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("images", nargs="+", type=Path, metavar="IMAGE", help="image files, or folders of them")
    add("--checkpoint", required=True, type=Path, help="weight file, or a folder written by model.save_pretrained")
    add("--out", required=True, type=Path, help=f"folder for the pictures, NAME{ENDING} each")
    add("--model", default="jumbo_small_patch16_224", help="preset of a weight file (default: %(default)s)")
    add("--block", default=-1, type=int, help="block whose attention is drawn, negative from the end (default: last)")
    add("--size", type=int, help="shorter side of the image in pixels (default: twice the model's own size, so 448)")
    add("--device", default="auto", choices=("auto", "cpu", "cuda"), help="default: cuda where there is one")
    add("--keep-rate", type=float, help="draw which patches are kept at this rate of the reducing blocks, up to 1")
    add("--opacity", default=0.6, type=float, help="opacity of the heat map, 0 to 1 (default: %(default)s)")


COMMAND = Command(
    "attention",
    "Draw what the Jumbo token attends to in images.",
    "jumbo_backbone.cli.attention:run",
    add_arguments,
    description="Pictures of what the Jumbo token attends to: the image, a heat map over it, and the attended parts "
    "alone. With\n--keep-rate, the third picture shows the patches that are kept to the end at this compute budget. "
    "Where attention is\nalmost even the picture says so, and does not stretch its noise to full contrast.",
    epilog=EPILOG,
    extra="pictures",
    needs=("matplotlib", "tqdm"),
)
