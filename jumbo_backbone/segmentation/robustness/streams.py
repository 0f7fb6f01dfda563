"""Pictures with classes in the order, and with the corruptions, in which a classifier meets them."""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from timm.data import create_transform, resolve_data_config
from torch import nn
from torch.utils.data import Dataset

from ..data.corruptions import corrupted, seed_of
from ..pretraining.files import PictureFile, class_of, find_pictures

STREAMS = ("shuffled", "sorted", "mixed")


class Item(NamedTuple):
    """A picture, its class, its corruption (None for none), and how severely it is to be corrupted (0 if the file is
    as it should be)."""

    file: PictureFile
    label: int
    corruption: str | None = None
    severity: int = 0


class Pictures:
    """Pictures of a folder per class, a random part of them, as ``Item``.

    Args:
        data: See ``find_pictures``.
        classes: How many there should be; their numbers follow the names of the folders.
        most: How many pictures, drawn at random; None for all.
        seed: Decides which, and their order.
        ready: A folder CORRUPTION/SEVERITY/CLASS of pictures that are corrupted already, such as ImageNet-C; None to
            corrupt those of ``data``.

    Raises:
        FileNotFoundError: If there are no pictures.
        ValueError: If there are not as many classes.
    """

    def __init__(
        self, data: str, classes: int, most: int | None = None, seed: int = 0, ready: str | None = None
    ) -> None:
        self.most, self.seed, self.ready = most, seed, ready
        files = find_pictures(data)
        self.names = sorted({class_of(file) for file in files})
        if len(self.names) != classes:
            raise ValueError(
                f"{data} has {len(self.names)} folders with pictures, but the model tells {classes} classes: give a "
                "folder with one folder for each of its classes"
            )
        self.clean = self._some(files)

    def stream(self, kind: str, corruptions: Sequence[str], severity: int) -> list[Item]:
        """The pictures in the order of a stream.

        Args:
            kind: "shuffled"; "sorted", one class after the other; or "mixed", shuffled, where one picture after the
                other gets the next of the corruptions.
            corruptions: One for all pictures, or for "mixed" several; none for clean pictures.
            severity: Of all of them.

        Raises:
            ValueError: If corrupted pictures that should be ready lack a class.
        """
        if not corruptions:
            items = self.clean
        elif self.ready is None:
            items = [
                item._replace(corruption=corruptions[i % len(corruptions)], severity=severity)
                for i, item in enumerate(self.clean)
            ]
        else:
            each = [
                [
                    item._replace(corruption=name)
                    for item in self._some(find_pictures(f"{self.ready}/{name}/{severity}"))
                ]
                for name in corruptions
            ]
            items = [each[i % len(each)][i] for i in range(min(map(len, each)))]
        return sorted(items, key=lambda item: item.label) if kind == "sorted" else items

    def _some(self, files: Sequence[PictureFile]) -> list[Item]:
        numbers = {name: number for number, name in enumerate(self.names)}
        if unknown := {class_of(file) for file in files} - set(self.names):
            raise ValueError(f"{files[0]} and others are of classes that the clean pictures lack: {min(unknown)}, …")
        order = torch.randperm(len(files), generator=torch.Generator().manual_seed(self.seed)).tolist()
        return [Item(files[i], numbers[class_of(files[i])]) for i in order[: self.most]]


class PictureStream(Dataset):
    """Samples are a picture as the model expects it, float (3, H, W), and the number of its class.

    Args:
        items: The pictures.
        model: Whose ``pretrained_cfg`` says how pictures are resized and normalised (see ``preprocessing_of``).
        seed: Of the corruptions.
    """

    def __init__(self, items: Sequence[Item], model: nn.Module, seed: int = 0) -> None:
        self.items, self.seed = items, seed
        how = preprocessing_of(model)
        self.fit: Callable[[Image.Image], Any] = create_transform(**how, normalize=False)  # to uint8 (3, H, W)
        self.mean, self.std = (255 * torch.tensor(how[key]).view(3, 1, 1) for key in ("mean", "std"))

    def __len__(self) -> int:
        return len(self.items)

    def picture(self, index: int) -> np.ndarray:
        """A picture as it is before it is normalised, uint8 (H, W, 3)."""
        item = self.items[index]
        pixels = self.fit(Image.fromarray(item.file.read())).permute(1, 2, 0).numpy()
        if item.corruption is None or not item.severity:
            return pixels
        seed = seed_of(item.corruption, name_of(item.file), self.seed)
        return corrupted(np.ascontiguousarray(pixels), item.corruption, item.severity, seed)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        pixels = torch.from_numpy(self.picture(index).copy()).permute(2, 0, 1)
        return (pixels - self.mean) / self.std, self.items[index].label


def preprocessing_of(model: nn.Module) -> dict[str, Any]:
    """Size, crop, interpolation, mean and std by which a model's pictures are prepared, as the model itself tells
    timm."""
    return resolve_data_config({}, model=model)


def name_of(file: PictureFile) -> str:
    """Folder and name of a picture, wherever the folder lies."""
    return "/".join(re.split(r"[/\\]", file.member or file.path)[-2:])
