"""`jumbo probe`."""

import argparse
from pathlib import Path

from ..arguments import number
from ..command import Command
from ..config_arguments import SEG

DESCRIPTION = """Measure what an encoder knows, on pictures in a folder per class.

Each picture goes through the encoder once. On its features a linear classifier is trained, and nearest neighbours vote.
Read-outs: "jumbo" (the slices of the Jumbo token; of registers all of them), "mean" (of the patch tokens), both, and
"token" (the first slice: of registers the class token). Encoders of other widths are compared fairly by "mean".

With --fine-tune the whole encoder is trained after that, with a classifier on top, by the recipe of the config
finetune_pico: AdamW, layer decay, label smoothing, mixup.
"""

EPILOG = """examples:
  {prog} work_dirs/pretrain_mae_pico/encoder.safetensors data/flowers
      every tenth picture is held out to measure on
  {prog} encoder.safetensors 'tiny_imagenet/train-*.tar' --test tiny_imagenet/val.tar --json probe.json
  {prog} encoder.safetensors data/flowers --random
      the same encoder with random weights, to compare
  {prog} encoder.safetensors data/flowers --fine-tune 10 --resume
      ten epochs of the whole encoder; the same command goes on after an interruption

Exit code: 0 done, 1 a training broke (full disk, killed process), 2 wrong input, 130 stopped by Ctrl-C.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add, count = parser.add_argument, number(int, 1)
    add("model", type=Path, help="encoder.safetensors of a pretraining, or a folder of save_pretrained")
    add("data", help="folder with a folder per class, a tar file of one, or several (wildcards)")
    add("--test", metavar="DATA", help="pictures to measure on (default: every tenth of DATA is held out)")
    add("--random", action="store_true", help="fresh random weights in place of the file's")
    add(
        "--read-out",
        nargs="+",
        choices=["jumbo+mean", "jumbo", "mean", "token"],
        default=["jumbo+mean", "jumbo", "mean", "token"],
        help="what of the encoder is read (all four)",
    )
    add("--epochs", type=count, default=30, metavar="N", help="passes of the linear classifier (30)")
    add("--k", type=count, default=20, metavar="K", help="neighbours that vote (20)")
    add("--fine-tune", type=count, metavar="EPOCHS", help="also train the whole encoder")
    add("--work-dir", type=Path, help="folder for what fine-tuning writes (work_dirs/fine_tune_MODEL)")
    add("--resume", nargs="?", const="auto", metavar="auto|FILE", help="go on with fine-tuning, as jumbo train does")
    add("--size", type=count, metavar="PIXELS", help="side of the images (the model's own)")
    add("--batch-size", type=count, default=128, metavar="N", help="images at a time (128)")
    add("--workers", type=number(int, 0), default=1, metavar="N", help="processes that read pictures (1)")
    add("--seed", type=number(int, 0), default=0, metavar="N", help="of random weights and of the classifier (0)")
    add("--device", default="auto", help="auto (a GPU if there is one), cpu, cuda, … (auto)")
    add("--threads", type=count, metavar="N", help="CPU threads (torch's own choice)")
    add("--json", type=Path, metavar="FILE", help="write all figures, seeds, versions and the machine")


COMMAND = Command(
    "probe",
    "Measure an encoder: linear probe, nearest neighbours, fine-tuning.",
    "jumbo_backbone.segmentation.cli.probe:run",
    add_arguments,
    description=DESCRIPTION,
    epilog=EPILOG,
    **SEG,
)
