"""Pretrained weights of the classifier: the encoder that reads the channels of a series."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from ..networks.series_reader import SeriesReader
from .files import CLASSIFY, VERSION, about_weights, check_version, found, halves_of, with_halves, write_weights


def save_reader(model: SeriesReader, made: dict[str, Any], path: str | Path) -> None:
    """Save a reader, and how it was made, for ``load_reader``."""
    write_weights(model, _about(model), made, path)


def _about(model: SeriesReader) -> dict[str, Any]:
    return dict(version=VERSION, task=CLASSIFY, sizes=model.sizes)


def content_of_reader(model: SeriesReader) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """The content from which ``reader_from`` builds the same reader: JSON, and tensors in half precision."""
    return _about(model), halves_of(model)


def load_reader(source: str | Path) -> SeriesReader:
    """A pretrained reader: that of the package ("synthetic"), of a file, or of a repository on the hub that holds
    classify.safetensors. Calls with the same source return the same object: do not change it.

    Raises:
        FileNotFoundError: If there is no such file or repository.
        ValueError: If the file is damaged, or was made by another version.
    """
    return _load(str(source))


@lru_cache(maxsize=8)
def _load(source: str) -> SeriesReader:
    path = found(source, CLASSIFY)
    return reader_from(*about_weights(path, CLASSIFY), str(path))


def reader_from(about: dict[str, Any], tensors: dict[str, torch.Tensor], where: str) -> SeriesReader:
    """Undo ``content_of_reader``.

    Raises:
        ValueError: If the content, which lies at ``where``, was made by another version.
    """
    check_version(about, where)
    with torch.random.fork_rng():
        model = SeriesReader(**about["sizes"])
    return with_halves(model, tensors, where)
