"""Test-time augmentation: predictions are averaged over scales and flips of the test images."""

from collections.abc import Sequence
from typing import Any

from mmengine.config import Config

_WAY_OUT = "give a tta_pipeline of its own (docs/your_own_masks.md shows one)"


def use_tta(cfg: Config, datasets: Sequence[dict[str, Any]]) -> None:
    """Make a config's test average over the scales and flips of its ``tta_pipeline``.

    Args:
        cfg: The config, changed in place.
        datasets: The data sets of its test, without wrappers.

    Raises:
        ValueError: If it has no such pipeline, or one whose scales or loader differ from the plain test's.
    """
    for key in ("tta_pipeline", "tta_model"):
        if key not in cfg:
            raise ValueError(f"--tta needs a {key} in the config, and it has none: see seg_configs/_base_/masks.py")
    for dataset in datasets:
        _require_image_of_test(dataset["pipeline"], cfg.tta_pipeline)
        dataset["pipeline"] = cfg.tta_pipeline
    cfg.model = dict(cfg.tta_model, module=cfg.model)


def _require_image_of_test(test: Sequence[dict], tta: Sequence[dict]) -> None:
    """Raise a ValueError unless one of the augmented images is read and resized as in the plain test."""
    if test[0] != tta[0]:
        raise ValueError(
            f"tta_pipeline reads images by {dict(tta[0])}, the test by {dict(test[0])}, so --tta would see other "
            f"images: {_WAY_OUT}"
        )
    plain, before, among = _sizes(test), _sizes(tta), []
    for step in tta:
        if step["type"] == "TestTimeAug":
            among += [size for options in step["transforms"] for size in _sizes(options)]
    at_own_size = [before if size == 1 else [*before, size] for size in among] or [before]
    if plain in at_own_size:
        return
    raise ValueError(
        f"tta_pipeline has the sizes {_told(before + among)}, but the test has {_told(plain)}, so --tta "
        f"would see other images: {_WAY_OUT}"
    )


def _sizes(steps: Sequence[dict]) -> list[tuple | float]:
    """The size that each resize of a pipeline gives images: sides, or a factor."""
    resizes = [step for step in steps if step["type"] == "Resize"]
    found: list[Any] = [step.get("scale") or step.get("scale_factor") for step in resizes]
    return [tuple(size) if isinstance(size, (list, tuple)) else size for size in found]


def _told(sizes: Sequence[tuple | float]) -> str:
    parts = ["x".join(map(str, size)) if isinstance(size, tuple) else f"{size} of the image's" for size in sizes]
    return ", ".join(parts) or "of the images"
