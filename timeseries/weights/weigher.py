"""Pretrained weights of the forecaster: the Jumbo token that weighs experts."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from ..experts import NAMES
from ..networks.weighing import LEVELS, ExpertWeigher
from .files import FORECAST, VERSION, about_weights, check_version, found, halves_of, with_halves, write_weights


def save_weigher(model: ExpertWeigher, made: dict[str, Any], path: str | Path) -> None:
    """Save a weigher, and how it was made, for ``load_weigher``."""
    write_weights(model, _about(model), made, path)


def _about(model: ExpertWeigher) -> dict[str, Any]:
    return dict(version=VERSION, task=FORECAST, experts=list(NAMES), levels=list(LEVELS), sizes=model.sizes)


def content_of(model: ExpertWeigher) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """The content from which ``weigher_from`` builds the same weigher: JSON, and tensors in half precision."""
    return _about(model), halves_of(model)


def load_weigher(source: str | Path) -> ExpertWeigher:
    """A pretrained weigher: that of the package ("synthetic"), of a file, or of a repository on the hub that holds
    forecast.safetensors. Calls with the same source return the same object: do not change it.

    Raises:
        FileNotFoundError: If there is no such file or repository.
        ValueError: If the file is damaged, or was made for other experts, quantiles or by a later version.
    """
    return _load(str(source))


@lru_cache(maxsize=8)
def _load(source: str) -> ExpertWeigher:
    path = found(source, FORECAST)
    return weigher_from(*about_weights(path, FORECAST), str(path))


def weigher_from(about: dict[str, Any], tensors: dict[str, torch.Tensor], where: str) -> ExpertWeigher:
    """Undo ``content_of``.

    Raises:
        ValueError: If the content, which lies at ``where``, was made for other experts or by another version.
    """
    check_version(about, where)
    if tuple(about["experts"]) != NAMES or tuple(about["levels"]) != LEVELS:
        raise ValueError(
            f"{where} weighs the experts {', '.join(about['experts'])}, this package has {', '.join(NAMES)}: pretrain "
            "anew with `jumbo pretrain-series forecast`"
        )
    with torch.random.fork_rng():
        model = ExpertWeigher(len(NAMES), **about["sizes"])
    return with_halves(model, tensors, where)
