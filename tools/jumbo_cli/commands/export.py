"""`jumbo export`."""

import argparse
from pathlib import Path

from ..command import Command
from ..config_arguments import SEG, add_budget_arguments, add_config_arguments

EPILOG = """examples:
  {prog} jumbo_upernet_ade20k best_mIoU_iter_160000.pth --size 512 512 --out jumbo.onnx
  {prog} CONFIG CHECKPOINT --keep-rate 0.7 --out faster.onnx

Input "images": float32 (batch, bands, H, W) with the values of the image files; three bands are RGB, others come in
the order in which the config's loader gives them. Output: logits (batch, classes, H, W). Resize images to H x W
yourself. The file's metadata describes its input: bands, channel_order, values, mean and std (which it applies
itself), classes. Needs the extra "onnx" as well: pip install 'jumbo-backbone[seg,onnx]'.

Exit code: 0 exported, 2 wrong input, 130 stopped by Ctrl-C.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_arguments(parser)
    add = parser.add_argument
    add("checkpoint", type=Path, help="a .pth file written by training")
    add("--size", type=int, nargs=2, metavar=("H", "W"), help="pixels (default: the training size)")
    add("--out", type=Path, default=Path("segmentor.onnx"), help="the file to write (default: %(default)s)")
    add_budget_arguments(parser)


COMMAND = Command(
    "export",
    "Export a trained segmentation model to ONNX: fixed image size, free batch.",
    "jumbo_backbone.segmentation.cli.export:run",
    add_arguments,
    epilog=EPILOG,
    extra="seg,onnx",
    needs=(*SEG["needs"], "onnx", "onnxscript"),
)
