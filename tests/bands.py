"""A data set of a few images of any bands and bits, and a config that trains on it in a second."""

from pathlib import Path

import cv2
import numpy as np

from tests.conftest import write_config, write_pairs


def write_band_pairs(folder: Path, count: int, bands: int, dtype: type = np.uint16) -> None:
    """The images of ``write_pairs`` as arrays, or of 1, 3 and 4 bands as PNG; of 16 bits with values far above 255. The
    last band is the mask's, so that it takes that band to learn."""
    write_pairs(folder, count)
    for path in sorted((folder / "images").rglob("*.png")):
        mask = cv2.imread(str(path).replace("images", "annotations"), cv2.IMREAD_UNCHANGED)
        grey = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., :1]
        image = np.concatenate([np.roll(grey, band, axis=1) for band in range(bands)], axis=2)
        image[..., -1] = 80 * mask
        image = image.astype(dtype) * dtype(150 if dtype == np.uint16 else 1)
        if bands in (1, 3, 4):
            cv2.imwrite(str(path), image)
        else:
            path.unlink()
            np.save(path.with_suffix(".npy"), image)


def write_band_config(folder: Path, bands: int, dtype: type = np.uint16) -> Path:
    """``write_config`` for them, with a mean and a deviation for each band."""
    write_config(folder)
    png = bands in (1, 3, 4)
    load = dict(type="LoadImageFromFile", color_type="unchanged") if png else dict(type="LoadImageFromNpyFile")
    scale = 150 if dtype == np.uint16 else 1
    steps = [dict(type="LoadAnnotations"), dict(type="PackSegInputs")]
    crop = [dict(type="RandomCrop", crop_size=(32, 32)), dict(type="RandomFlip", prob=0.5)]
    resizes = [dict(type="Resize", scale_factor=r, keep_ratio=True) for r in (1.0, 1.5)]
    flips = [dict(type="RandomFlip", prob=p, direction="horizontal") for p in (0.0, 1.0)]
    augment = dict(type="TestTimeAug", transforms=[resizes, flips, *([step] for step in steps)])
    dataset = dict(img_suffix=".png" if png else ".npy")
    changes = dict(
        model=dict(
            data_preprocessor=dict(
                mean=[(100.0 + 5 * band) * scale for band in range(bands)],
                std=[(50.0 + 5 * band) * scale for band in range(bands)],
                bgr_to_rgb=bands == 3,
            ),
            backbone=dict(in_channels=bands),
        ),
        train_dataloader=dict(
            dataset=dict(pipeline=[dict(type="SeedAugmentation"), load, steps[0], *crop, steps[1]], **dataset)
        ),
        val_dataloader=dict(dataset=dict(pipeline=[load, *steps], **dataset)),
        test_dataloader=dict(dataset=dict(pipeline=[load, *steps], **dataset)),
        tta_pipeline=[load, augment],
    )
    path = folder / f"bands{bands}.py"
    lines = ["_base_ = ['tiny.py']", *(f"{name} = {value!r}" for name, value in changes.items())]
    path.write_text("\n".join(lines) + "\n")
    return path
