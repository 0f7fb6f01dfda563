"""`jumbo benchmark`."""

import argparse
from pathlib import Path

from ..arguments import Parser, key_value, number, scale_or_pixels
from ..command import Command

REGISTERS = "registers_"  # before a preset's name: timm's plain ViT of its sizes, with registers

DESCRIPTION = """Measure timm models side by side: throughput, latency, peak memory, parameters and FLOPs.

Models are timed in turn, A B A B ..., and compared round by round, so that changes in the machine's speed cancel: the
ratio printed is the median of these paired ratios of images/s, with its quartiles.

A MODEL is a name of timm's, jumbo_*_patch16_224 included, or registers_{pico,nano,tiny,small,base,large}: timm's plain
ViT of that preset's width, depth and heads, with a class token and 16 registers. Name a model twice to see the noise.

With --keep-rate and --resolution each model is measured at all these compute budgets; only Jumbo models have them. With
--budgets DIR the accuracy on labelled images is measured as well, and the plot shows accuracy against time. DIR has a
folder of images for each class, in the order of the classes.

In mode "train" a step is forward, loss and backward; FLOPs are those of the step, per image. Images are random and
weights fresh. bfloat16 means weights and images cast. GFLOP/s is FLOPs times images/s.

Peak memory is that of one step in a fresh process, measured after all timings. On CUDA it is the most that torch
allocated, weights included. On CPU it is the peak of resident memory less the memory that was resident once the model
was built: so without weights, but with some 15 MiB that libraries need on their first use. Compiled models have no
such figure, since the compiler's own memory hides it.
"""

EPILOG = """examples:
  {prog} jumbo_small_patch16_224 registers_small
      the Jumbo ViT and the plain ViT with registers, here and now
  {prog} registers_base jumbo_base_patch16_224 resnet50 --img-size 224 384 512 --plot speed.png --json speed.json
      three models over image sizes, drawn, every raw timing kept
  {prog} registers_large jumbo_large_patch16_224 --device cuda --dtype bfloat16 --batch-size 64 256 --compile
      on a GPU, with the share of its matrix-product rate that each model reaches
  {prog} jumbo_small_patch16_224 --keep-rate 1 0.7 0.5 --threads 1
      what fewer patches save
  {prog} jumbo_small_patch16_224 --keep-rate 1 0.7 0.5 --resolution 1.0 0.71 --budgets imagenet/val \\
      --checkpoint jumbo_small.pth --plot budgets.png
      what they cost: accuracy against time
  {prog} jumbo_tiny_patch16_224 jumbo_tiny_patch16_224 --mode train --threads 2 --repeats 50
      training steps of one model against itself: how far from 1 the noise takes the ratio

Exit code: 0 measured, 2 wrong input, 130 stopped by Ctrl-C.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    positive = number(int, 1)
    add = parser.add_argument
    add("models", nargs="+", metavar="MODEL", help="what to measure; ratios are to the first")
    add("--batch-size", nargs="+", type=positive, default=[16], metavar="N", help="images per step (16)")
    add("--img-size", nargs="+", type=positive, default=[224], metavar="N", help="height and width in pixels (224)")
    add("--dtype", nargs="+", choices=["float32", "bfloat16"], default=["float32"], help="weights and images (float32)")
    add("--mode", choices=["inference", "train"], default="inference", help="kind of step (inference)")
    add("--compile", action="store_true", help="time torch.compile(model)")
    add("--device", choices=["auto", "cpu", "cuda"], default="auto", help="auto: CUDA if available")
    add("--repeats", type=positive, default=20, metavar="N", help="rounds, in which every model has its turn (20)")
    add(
        "--min-time",
        type=number(float, 0),
        default=0.1,
        metavar="S",
        help="steps in a turn fill this; 0: one step (0.1)",
    )
    add("--warmup", type=positive, default=3, metavar="N", help="steps before the first round (3)")
    add("--threads", type=positive, metavar="N", help="CPU threads (default: torch's own choice)")
    add("--keep-rate", nargs="+", type=float, default=[1.0], metavar="R", help="shares of the patches to keep (1)")
    add(
        "--resolution",
        nargs="+",
        type=scale_or_pixels,
        default=[None],
        metavar="S",
        help="scales (0.71) or pixels (160)",
    )
    add("--budgets", type=Path, metavar="DIR", help="measure accuracy as well, on folders of images by class")
    add("--checkpoint", type=Path, metavar="FILE", help="weights, for --budgets")
    add("--model-kwargs", nargs="+", type=key_value, default=[], metavar="K=V", help="arguments for every model")
    add("--no-memory", dest="memory", action="store_false", help="skip peak memory, which needs a process per case")
    add("--json", type=Path, metavar="FILE", help="write every raw timing, the summary and the machine's facts")
    add("--plot", type=Path, metavar="FILE.png", help="draw images/s against image size; with --budgets, accuracy")


COMMAND = Command(
    "benchmark",
    "Measure timm models side by side: throughput, latency, peak memory, FLOPs.",
    "jumbo_backbone.cli.benchmark:run",
    add_arguments,
    description=DESCRIPTION,
    epilog=EPILOG,
    extra="pictures",
    needs=("tqdm",),
    parser=Parser,
)
