"""Pictures in a folder per class, for a probe."""

from collections.abc import Sequence

import torch
from timm.layers import to_2tuple
from torch.utils.data import Dataset

from ...words import some
from .crops import middle_crop
from .files import PictureFile, class_of, find_pictures


class ClassPictures(Dataset):
    """Pictures whose folder is their class; samples are the middle of a picture, float (3, H, W), and the number of its
    class.

    Args:
        files: The pictures.
        classes: Names of the classes, in the order of their numbers.
        img_size: In pixels, int or (H, W).
        mean, std: Of RGB, in shares of 255.

    Raises:
        ValueError: From a sample, if the picture is broken; the message names it.
    """

    def __init__(
        self,
        files: Sequence[PictureFile],
        classes: Sequence[str],
        img_size: int | tuple[int, int],
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        self.files, self.size = files, to_2tuple(img_size)
        numbers = {name: number for number, name in enumerate(classes)}
        self.labels = [numbers[class_of(file)] for file in files]
        self.mean, self.std = (255 * torch.tensor(x).view(3, 1, 1) for x in (mean, std))

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        pixels = torch.from_numpy(middle_crop(self.files[index].read(), self.size).copy()).permute(2, 0, 1)
        return (pixels - self.mean) / self.std, self.labels[index]


def train_and_test(
    data: str, test: str | None, hold_out_every: int = 10
) -> tuple[list[PictureFile], list[PictureFile], list[str]]:
    """Pictures to train on, pictures to test on, and the names of their classes.

    Args:
        data: See ``find_pictures``; a folder per class.
        test: The same of the test part; None to hold out pictures of ``data``: of so many in the order of their paths,
            the last.
        hold_out_every: How many.

    Raises:
        FileNotFoundError: If there are no pictures.
        ValueError: If there is one class alone, or the classes of the parts differ; the message names them.
    """
    train = find_pictures(data)
    if test is None:
        last = hold_out_every - 1
        held = [file for i, file in enumerate(train) if i % hold_out_every == last]
        train = [file for i, file in enumerate(train) if i % hold_out_every != last]
        test = f"the pictures of {data} that are held out"
    else:
        held = find_pictures(test)
    classes, others = (sorted({class_of(file) for file in part}) for part in (train, held))
    if len(classes) < 2:
        raise ValueError(
            f"{data} has pictures of {len(classes)} class ({some(classes)}): give a folder with a folder per class"
        )
    if unknown := sorted(set(others) - set(classes)):
        raise ValueError(f"{test} has classes that {data} lacks: {some(unknown)}")
    if lacking := sorted(set(classes) - set(others)):
        raise ValueError(f"{test} lacks classes that {data} has: {some(lacking)}")
    return train, held, classes
