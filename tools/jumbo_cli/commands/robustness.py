"""`jumbo robustness`."""

import argparse
from pathlib import Path

from ..arguments import number
from ..command import Command
from ..config_arguments import KeysAndValues, add_adapt_arguments

DESCRIPTION = """Measure a trained model on corrupted images: noise, blur, weather, compression, in five severities.

Prints a table of the figures, their mean, and how much of the clean figure they retain. With --adapt the model adapts
to the images while it answers them (docs/adaptation.md); the unadapted figures always stand beside. Each cell is kept
when it is done: the same command again goes on where it was stopped.
"""

EPILOG = """examples:
  {prog} pico.safetensors data/flowers
      a classifier, on pictures in a folder per class: all 15 corruptions at severities 1, 3 and 5
  {prog} jumbo_small_patch16_224 imagenet/val --severities 5 --adapt sar tent --device cuda
  {prog} jumbo_small_patch16_224 imagenet/val --corrupted imagenet-c --severities 5 --adapt sar
      pictures that are corrupted already: imagenet-c/CORRUPTION/SEVERITY/CLASS/…
  {prog} jumbo_upernet_camvid best.pth --data-root data/camvid --corruptions fog snow --severities 3 --adapt sar
      a segmentation model: CONFIG and CHECKPOINT

--out gets robustness.json (all figures, settings, versions, the machine), corruptions.png and robustness.png.

Exit code: 0 done, 1 the run broke (full disk, killed process), 2 wrong input, 130 stopped by Ctrl-C.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add, count = parser.add_argument, number(int, 1)
    add(
        "model",
        metavar="MODEL|CONFIG",
        help="classifier: .safetensors, folder of save_pretrained, timm's name; or config",
    )
    add(
        "data",
        metavar="DATA|CHECKPOINT",
        help="folder (or tar file) with a folder per class; of a config, its checkpoint",
    )
    names = "all (the 15 of ImageNet-C), extra (four others), or names, such as fog snow (all)"
    add("--corruptions", nargs="+", default=["all"], metavar="NAME", help=names)
    add("--severities", nargs="+", type=int, choices=range(1, 6), default=[1, 3, 5], metavar="N", help="1 to 5 (1 3 5)")
    add_adapt_arguments(parser, several=True)
    add("--stream", choices=["shuffled", "sorted", "mixed"], help="order of a classifier's pictures (shuffled)")
    add("--corrupted", metavar="FOLDER", help="corrupted pictures that are ready, in place of corrupting those of DATA")
    add("--images", type=count, metavar="N", help="so many images alone, of a classifier drawn at random (all)")
    add("--batch-size", type=count, default=64, metavar="N", help="of a classifier (64)")
    add("--out", type=Path, default=Path("robustness"), metavar="FOLDER", help="for what is left (robustness)")
    add("--data-root", help="of a config: folder of the data set (the config's)")
    add("--cfg-options", nargs="+", action=KeysAndValues, default={}, metavar="KEY=VALUE", help="changes to a config")
    add("--workers", type=number(int, 0), default=1, metavar="N", help="processes that read and corrupt images (1)")
    add("--seed", type=number(int, 0), default=0, metavar="N", help="of corruptions, and of which pictures (0)")
    add("--device", default="auto", help="auto (a GPU if there is one), cpu, cuda, … (auto)")
    add("--threads", type=count, metavar="N", help="CPU threads (torch's own choice)")


COMMAND = Command(
    "robustness",
    "Measure a model on corrupted images, also while it adapts.",
    "jumbo_backbone.segmentation.cli.robustness:run",
    add_arguments,
    description=DESCRIPTION,
    epilog=EPILOG,
    extra="seg,robustness",
    needs=("mmengine", "mmcv", "mmseg", "cv2", "imagecorruptions", "matplotlib", "tqdm"),
)
