"""The config of a prepared folder: the shipped one for masks, with the folder's classes."""

from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

from ...configs.shipped import find_config, shipped_folder


def config_text(
    base: Path, name: str, classes: Sequence[str], palette: Sequence[Sequence[int]], suffix: str, told: str
) -> str:
    """What the file ``config.py`` of a prepared folder holds.

    It finds a shipped base wherever the package is installed, and its data in the folder where it lies itself.

    Args:
        base: A config file, or the name of a shipped one, that reads folders of masks.
        name: Of the work dir.
        classes, palette: In the order of the labels.
        suffix: Of the photos.
        told: What made the folder, for the first line.

    Raises:
        FileNotFoundError: If there is no such base.
        ValueError: If it reads no folders of masks, or has no head.
    """
    path = find_config(base)
    cfg = Config.fromfile(path)
    dataset = (cfg.get("train_dataloader") or {}).get("dataset") or {}
    heads = [key for key in ("decode_head", "auxiliary_head") if isinstance((cfg.get("model") or {}).get(key), dict)]
    if dataset.get("type") != "BaseSegDataset" or "decode_head" not in heads:
        raise ValueError(
            f"{base} cannot be the base of a config for masks, as its data set is no BaseSegDataset, or it has no "
            "decode_head: take masks_small"
        )
    if path.parent == shipped_folder():
        found = f'__import__("jumbo_backbone.segmentation").segmentation.shipped_config("{path.stem}")'
        lines = [f"# {path.name} of jumbo_backbone, wherever that is installed", f"_base_ = {found}"]
    else:
        lines = [f"_base_ = {str(path.absolute())!r}"]
    colours = [f"        {list(colour)},  # {name!r}" for name, colour in zip(classes, palette, strict=True)]
    return "\n".join(
        [
            f"# {told}",
            *lines,
            "metainfo = dict(",
            "    classes=(",
            *(f"        {name!r}," for name in classes),
            "    ),",
            "    palette=[",
            *colours,
            "    ],",
            ")",
            "# the folder of this file; --data-root gives another",
            'dataset = dict(data_root="{{ fileDirname }}", metainfo=metainfo, '
            f"img_suffix={suffix!r}, reduce_zero_label=False)",
            "train_dataloader = dict(dataset=dataset)",
            "val_dataloader = dict(dataset=dataset)",
            "test_dataloader = val_dataloader",
            f"model = dict({', '.join(f'{head}=dict(num_classes={len(classes)})' for head in heads)})",
            f"work_dir = {f'work_dirs/{name}'!r}",
            "",
        ]
    )
