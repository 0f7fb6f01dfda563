"""Values of a config that are out of range or do not fit each other are refused before anything is built."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from mmengine.config import Config
from timm.layers import to_2tuple


def require_possible(cfg: Config) -> None:
    """Check a config's lengths of training, and that its images have whole patches.

    Raises:
        ValueError: If a value is not allowed; the message names the key, its value and the values that are.
    """
    train = cfg.get("train_cfg") or {}
    for key in ("max_iters", "max_epochs", "val_interval"):
        value = train.get(key, 1)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            also = "; to leave validation out give one above the length of training" * (key == "val_interval")
            raise ValueError(f"train_cfg.{key}={value!r}: give a whole number from 1{also}")
    model = cfg.get("model") or {}
    backbone = model.get("backbone") or {}
    if backbone.get("type") == "JumboViTBackbone":
        _require_whole_patches(model, to_2tuple(backbone.get("patch_size", 16)))


def _require_whole_patches(model: dict[str, Any], patch: tuple[int, int]) -> None:
    for key, size in _sizes(model):
        sides = to_2tuple(size)
        if any(side % p for side, p in zip(sides, patch, strict=True)):
            several = [math.lcm(side, p) for side, p in zip(sides, patch, strict=True)]
            near = (
                several if "divisor" in key else [max(1, round(s / p)) * p for s, p in zip(sides, patch, strict=True)]
            )
            raise ValueError(
                f"{key}={_told(sides)}: patches of {_told(patch)} (model.backbone.patch_size) do not divide it; give "
                f"{_told(near)}, or another patch_size"
            )


def _sizes(model: dict[str, Any]) -> Iterator[tuple[str, int | Sequence[int]]]:
    """The size to which images are cut or padded before the backbone sees them, and the key of the config that sets
    it."""
    preprocessor, test = model.get("data_preprocessor") or {}, model.get("test_cfg") or {}
    if isinstance(preprocessor, dict):
        at_test = preprocessor.get("test_cfg") or {}
        for place, node in (("model.data_preprocessor", preprocessor), ("model.data_preprocessor.test_cfg", at_test)):
            for key in ("size", "size_divisor"):
                if node.get(key):
                    yield f"{place}.{key}", node[key]
    if test.get("mode") == "slide" and test.get("crop_size"):
        yield "model.test_cfg.crop_size", test["crop_size"]


def _told(sides: Sequence[int]) -> str:
    return "x".join(map(str, sides)) if len(set(sides)) > 1 else str(sides[0])
