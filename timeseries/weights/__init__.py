"""Pretrained weights: those in the package, and others in the same format, a safetensors file with its own history."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from jumbo_backbone.files import replacing

from ..experts import NAMES
from ..networks.weighing import LEVELS, ExpertWeigher

SYNTHETIC = "synthetic"  # names what ships with the package
_SHIPPED = Path(__file__).parent / "forecast.safetensors"
_VERSION = 1
_HUB_FILE = "forecast.safetensors"


def save_weigher(model: ExpertWeigher, made: dict[str, Any], path: str | Path) -> None:
    """Save a weigher in half precision.

    Args:
        model: What is saved.
        made: How it was made: seed, recipe, command, figures.
        path: Of the file.
    """
    about, halves = content_of(model)
    with replacing(path) as temporary:
        save_file(halves, temporary, metadata=dict(jumbo=json.dumps(about | dict(made=made))))


def content_of(model: ExpertWeigher) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """The content from which ``weigher_from`` builds the same weigher: JSON, and tensors in half precision."""
    about = dict(version=_VERSION, experts=list(NAMES), levels=list(LEVELS), sizes=model.sizes)
    return about, {name: t.detach().cpu().half().contiguous() for name, t in model.state_dict().items()}


def load_weigher(source: str | Path) -> ExpertWeigher:
    """A pretrained weigher: that of the package ("synthetic"), of a file, or of a repository on the hub that holds
    forecast.safetensors. Calls with the same source return the same object: do not change it.

    Raises:
        FileNotFoundError: If there is no such file or repository.
        ValueError: If the file is damaged, or was made for other experts, quantiles or by a later version.
    """
    return _load(str(_SHIPPED if source == SYNTHETIC else source))


@lru_cache(maxsize=8)
def _load(source: str) -> ExpertWeigher:
    path = Path(source)
    if not path.is_file():
        path = _from_hub(source)
    return weigher_from(*about_weights(path), str(path))


def weigher_from(about: dict[str, Any], tensors: dict[str, torch.Tensor], where: str) -> ExpertWeigher:
    """Undo ``content_of``.

    Raises:
        ValueError: If the content, which lies at ``where``, was made for other experts or by another version.
    """
    if about.get("version") != _VERSION:
        raise ValueError(f"{where} has version {about.get('version')} of the format, this package reads {_VERSION}")
    if tuple(about["experts"]) != NAMES or tuple(about["levels"]) != LEVELS:
        raise ValueError(
            f"{where} weighs the experts {', '.join(about['experts'])}, this package has {', '.join(NAMES)}: pretrain "
            "anew with `jumbo pretrain-series forecast`"
        )
    with torch.random.fork_rng():
        model = ExpertWeigher(len(NAMES), **about["sizes"])
    try:
        model.load_state_dict({name: t.float() for name, t in tensors.items()})
    except RuntimeError as error:
        raise ValueError(f"{where} does not hold the weights that its header describes: {error}") from None
    return model.eval().requires_grad_(False)


def about_weights(path: str | Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """What a file of weights says of itself, and its tensors.

    Raises:
        ValueError: If it is damaged, or no file of weights.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get("jumbo", "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is damaged or no safetensors file ({error}): get it again") from None
    if about is None:
        raise ValueError(f"{path} holds no weights for forecasts: `jumbo pretrain-series forecast` makes some")
    return about, tensors


def _from_hub(source: str) -> Path:
    if source.count("/") != 1 or Path(source).suffix:
        raise FileNotFoundError(
            f"pretrained={source!r} is no file: give 'synthetic', None, the path of a file that "
            "`jumbo pretrain-series forecast` made, or the name of a repository of the hub, such as 'user/name'"
        )
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(source, _HUB_FILE))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise FileNotFoundError(f"pretrained={source!r}: {_HUB_FILE} could not be had from the hub ({error})") from None
