#!/usr/bin/env python3
"""The whole of segmentation in some minutes: train Jumbo with UPerNet on rendered scenes from random weights,
measure it on scenes it has not seen, beside three predictors that look at no shapes, and draw what it sees."""

import argparse
import json
import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, MODELS
from mmseg.structures import SegDataSample
from sklearn.ensemble import RandomForestClassifier

from jumbo_backbone.files import write_atomically
from jumbo_backbone.segmentation.cli import in_users_terms
from jumbo_backbone.segmentation.configs.schedule import options_for
from jumbo_backbone.segmentation.data.scenes import CLASSES, PALETTE, render
from jumbo_backbone.segmentation.pictures.labels import contact_sheet, save
from jumbo_cli.commands.train import COMMAND as TRAIN

CONFIG = Path(__file__).resolve().parents[1] / "seg_configs" / "jumbo_upernet_scenes.py"
SHOWN = 12  # scenes on the contact sheet
FOREST_PIXELS = 100_000
_TRIES, _PAUSE = 2, 5.0  # of measuring a slow machine again, and seconds before each


# ---- how long


def seconds_per_step(cfg: Config, steps: int = 6) -> float:
    """Of training on this machine, as it is now: the median of a few steps of a model that is thrown away."""
    init_default_scope("mmseg")
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    model = revert_sync_batchnorm(MODELS.build(cfg.model))
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
    size, taken = cfg.train_dataloader.batch_size, []
    for step in range(steps + 1):
        start = time.perf_counter()
        samples = [dataset[i] for i in range(step * size, (step + 1) * size)]
        batch = dict(inputs=[s["inputs"] for s in samples], data_samples=[s["data_samples"] for s in samples])
        model.train_step(batch, optimizer)
        taken.append(time.perf_counter() - start)
    return float(np.median(taken[1:]))


# ---- how well


def mean_iou(truth: np.ndarray, predicted: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean over the classes, and each class's, in per cent, of labels of any one shape."""
    confusion = np.bincount(truth.astype(int).ravel() * len(CLASSES) + predicted.ravel(), minlength=len(CLASSES) ** 2)
    confusion = confusion.reshape(len(CLASSES), len(CLASSES))
    hit = np.diag(confusion)
    iou = 100 * hit / np.maximum(confusion.sum(0) + confusion.sum(1) - hit, 1)
    return float(iou.mean()), iou


def trivial_predictors(
    seen: tuple[np.ndarray, np.ndarray], images: np.ndarray, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """What can be had without looking at shapes and textures.

    Args:
        seen: Images uint8 (n, H, W, 3) and labels (n, H, W) to learn from.
        images: uint8 (m, H, W, 3) to predict.
        rng: Chooses the pixels that the forest learns from.

    Returns:
        Labels (m, H, W) by name: the commonest class; the commonest at each pixel's place; a random forest of each
        pixel's colour.
    """
    colours, labels = seen
    counts = np.stack([(labels == k).sum(axis=0) for k in range(len(CLASSES))])  # (K, H, W)
    pixels = rng.choice(labels.size, min(FOREST_PIXELS, labels.size), replace=False)
    forest = RandomForestClassifier(n_estimators=50, min_samples_leaf=20, n_jobs=-1, random_state=0)
    forest.fit(colours.reshape(-1, 3)[pixels], labels.ravel()[pixels])
    palette, inverse = np.unique(images.reshape(-1, 3), axis=0, return_inverse=True)
    return {
        "the commonest class": np.full(images.shape[:3], counts.sum(axis=(1, 2)).argmax()),
        "the commonest at each place": np.broadcast_to(counts.argmax(axis=0), images.shape[:3]),
        "a forest of each pixel's colour": forest.predict(palette)[inverse].reshape(images.shape[:3]),
    }


@torch.no_grad()
def predict(model: torch.nn.Module, images: np.ndarray) -> np.ndarray:
    """Labels (m, H, W) of images uint8 (m, H, W, 3) in RGB."""
    model.eval()
    found = []
    for batch in np.array_split(images, math.ceil(len(images) / 20)):
        tensors = [torch.from_numpy(np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1))) for image in batch]
        shape = dict(ori_shape=batch.shape[1:3], img_shape=batch.shape[1:3])
        data = dict(inputs=tensors, data_samples=[SegDataSample(metainfo=shape) for _ in batch])
        found += [sample.pred_sem_seg.data for sample in model.test_step(data)]
    return torch.cat(found).numpy()


def scenes(seeds: range, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    images, labels = zip(*(render(seed, size) for seed in seeds), strict=True)
    return np.stack(images), np.stack(labels)


def main(argv: Sequence[str] | None = None) -> Path:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder for all of it (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=4.8, help="of training, at most (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default: %(default)s)")
    args = parser.parse_args(argv)
    with in_users_terms("demo_scenes.py"):
        if not args.minutes > 0 or args.seed < 0:
            raise ValueError(f"--minutes {args.minutes} has to be above 0, and --seed {args.seed} at least 0")
        args.out.mkdir(parents=True, exist_ok=True)
    cfg = Config.fromfile(CONFIG)
    step = seconds_per_step(cfg)
    for _ in range(_TRIES):  # what else runs may end: a moment's load should not decide over minutes
        if 60 * args.minutes < step * cfg.train_cfg.max_iters:
            time.sleep(_PAUSE)
            step = min(step, seconds_per_step(cfg))
    iterations = max(20, min(cfg.train_cfg.max_iters, int(60 * args.minutes / step)))
    print(
        f"{step:.2f} s per step on this machine now: {iterations} of {cfg.train_cfg.max_iters} iterations", flush=True
    )

    work_dir = args.out / "scenes"
    start = time.perf_counter()
    command = [str(CONFIG), "--work-dir", str(work_dir), "--seed", str(args.seed), "--cfg-options"]
    runner = TRAIN.run([*command, *options_for(cfg, iterations)], prog="demo_scenes.py")
    minutes = (time.perf_counter() - start) / 60

    # scenes that neither training nor its validation has seen
    test = cfg.test_dataloader.dataset
    images, truth = scenes(range(test.first_seed, test.first_seed + test.length), test.size)
    predicted = predict(runner.model, images)
    ours, by_class = mean_iou(truth, predicted)
    trivial = trivial_predictors(scenes(range(400), test.size), images, np.random.default_rng(args.seed))
    results = {"Jumbo with UPerNet": ours, **{name: mean_iou(truth, p)[0] for name, p in trivial.items()}}

    print(f"\ntrained {iterations} iterations in {minutes:.1f} minutes with {torch.get_num_threads()} threads")
    print(f"mIoU on {test.length} unseen scenes:")
    for name, value in results.items():
        print(f"  {name:34s}{value:5.1f}")
    print("IoU by class: " + ", ".join(f"{name} {iou:.0f}" for name, iou in zip(CLASSES, by_class, strict=True)))
    record = dict(seed=args.seed, iterations=iterations, minutes=minutes, mIoU=results)
    write_atomically(json.dumps(record, indent=1).encode(), args.out / "results.json")

    lines = [
        f"mIoU {ours:.1f} on {test.length} unseen scenes after {minutes:.1f} minutes of training on CPU; by the "
        "commonest class {:.1f}, by place {:.1f}, by colour {:.1f}.".format(*list(results.values())[1:]),
        f"Shown are the first {SHOWN} of them, not chosen.",
    ]
    sheet = contact_sheet(
        images[:SHOWN], truth[:SHOWN], predicted[:SHOWN], CLASSES, PALETTE, "Scenes nobody trained on", lines
    )
    picture = args.out / "scenes.png"
    save(sheet, picture)
    print(picture)
    return picture


if __name__ == "__main__":
    main()
