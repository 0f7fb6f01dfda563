#!/usr/bin/env python3
"""Draw docs/reconstructions.png: pretrain on rendered scenes, and show what the decoder guesses of six that were held
out. It takes some 10 minutes of one core, and goes on where it was interrupted."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from jumbo_backbone.segmentation.data.scenes.scene import render
from jumbo_cli.main import main as jumbo

ROOT = Path(__file__).resolve().parents[1]
WORK_DIR = ROOT / "work_dirs" / "reconstructions"
SIDE = 64


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=4000)
    parser.add_argument("--iterations", type=int, default=700)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "reconstructions.png")
    args = parser.parse_args(argv)
    scenes = WORK_DIR / "scenes"
    scenes.mkdir(parents=True, exist_ok=True)
    for seed in range(args.scenes):
        if not (path := scenes / f"{seed:05d}.png").exists():
            Image.fromarray(render(seed, (SIDE, SIDE))[0]).save(path)
    warm_up, end = args.iterations // 10, args.iterations
    options = [f"train_cfg.max_iters={end}", f"train_cfg.val_interval={end}", "default_hooks.pretrained.pictures=6"]
    options += [
        f"param_scheduler.0.end={warm_up}",
        f"param_scheduler.1.begin={warm_up}",
        f"param_scheduler.1.end={end}",
    ]
    told = ["--data-root", str(scenes), "--work-dir", str(WORK_DIR), "--resume", "--cfg-options", *options]
    if code := jumbo(["pretrain", "pretrain_mae_pico", *told]):
        return code
    with Image.open(WORK_DIR / "reconstructions" / f"iter_{end}.png") as picture:
        picture.save(args.out, optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
