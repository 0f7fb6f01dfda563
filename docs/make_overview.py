#!/usr/bin/env python3
"""Draw docs/overview.png: a rendered scene and its segmentation, and a forecast of the airline series with intervals.

The segmentor is that of `make demo`: give its checkpoint, such as demo/scenes/iter_1200.pth.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from matplotlib import pyplot as plt
from matplotlib.patches import Patch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from sktime.datasets import load_airline

from jumbo_backbone.segmentation.data.scenes import CLASSES, PALETTE, render
from jumbo_backbone.segmentation.pictures.labels import overlay
from jumbo_backbone.segmentation.training.loading import load_strictly
from timeseries import JumboForecaster

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "seg_configs" / "jumbo_upernet_scenes.py"
SCENE = 7  # of the test scenes: one with many classes, 86 % of its pixels are segmented right
HELD_OUT = 24  # months


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="a .pth that `make demo` left in demo/scenes")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "overview.png", help="default: docs/overview.png")
    args = parser.parse_args(argv)
    figure, axes = plt.subplots(1, 3, figsize=(10, 2.9), layout="constrained", width_ratios=[1, 1, 2.1])
    draw_scene(args.checkpoint, *axes[:2])
    draw_forecast(axes[2])
    figure.savefig(args.out, dpi=90)


def draw_scene(checkpoint: Path, left: plt.Axes, right: plt.Axes) -> None:
    """A scene of the test, which training has not seen, and what the segmentor sees in it."""
    cfg = Config.fromfile(CONFIG)
    init_default_scope("mmseg")
    model = revert_sync_batchnorm(MODELS.build(cfg.model)).eval()
    load_strictly(model, checkpoint)
    test = cfg.test_dataloader.dataset
    image, _ = render(test.first_seed + SCENE, test.size)  # uint8 (H, W, 3), RGB
    sample = SegDataSample(metainfo=dict(ori_shape=image.shape[:2], img_shape=image.shape[:2]))
    bgr = torch.from_numpy(image[..., ::-1].transpose(2, 0, 1).copy())
    with torch.no_grad():
        (answer,) = model.test_step(dict(inputs=[bgr], data_samples=[sample]))
    labels = answer.pred_sem_seg.data[0].numpy()
    left.imshow(image)
    left.set_title("a scene", fontsize=10)
    right.imshow(overlay(image, labels, PALETTE, opacity=0.7))
    right.set_title("its segmentation", fontsize=10)
    patches = [Patch(color=[c / 255 for c in PALETTE[k]], label=CLASSES[k]) for k in sorted(set(labels.ravel()))]
    right.legend(handles=patches, fontsize=7, ncols=3, frameon=False, loc="upper center", bbox_to_anchor=(0.5, 0.0))
    for ax in (left, right):
        ax.axis("off")


def draw_forecast(ax: plt.Axes) -> None:
    """Two years of airline passengers that the forecaster has not seen, its forecast and intervals."""
    y = load_airline()
    forecaster = JumboForecaster(random_state=0).fit(y[:-HELD_OUT], fh=range(1, HELD_OUT + 1))
    forecaster.plot(ax=ax)
    truth = y[-HELD_OUT:]
    ax.plot(truth.index.to_timestamp(), truth.to_numpy(), color="#44546a", lw=1, ls=":", label="what came")
    ax.legend(frameon=False, fontsize=7, loc="upper left")
    ax.set_title("airline passengers (thousands a month): 24 months ahead", fontsize=10)


if __name__ == "__main__":
    main()
