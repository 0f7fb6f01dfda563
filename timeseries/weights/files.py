"""Files of pretrained weights: safetensors in half precision, whose header says how they were made."""

import json
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from jumbo_backbone.files import replacing

Network = TypeVar("Network", bound=nn.Module)

SYNTHETIC = "synthetic"  # names what ships with the package
VERSION = 1
FORECAST, CLASSIFY = "forecast", "classify"  # tasks of `jumbo pretrain-series`, and what their files are named after
_FOR = {FORECAST: "forecasts", CLASSIFY: "classification"}


def shipped(task: str) -> Path:
    """The file in the package."""
    return Path(__file__).parent / f"{task}.safetensors"


def write_weights(model: nn.Module, about: dict[str, Any], made: dict[str, Any], path: str | Path) -> None:
    """Write a model in half precision.

    Args:
        model: What is written.
        about: What is needed to build it again.
        made: How it was made: seed, recipe, command, figures.
        path: Of the file.
    """
    with replacing(path) as temporary:
        save_file(halves_of(model), temporary, metadata=dict(jumbo=json.dumps(about | dict(made=made))))


def halves_of(model: nn.Module) -> dict[str, torch.Tensor]:
    """The weights of a model in half precision."""
    return {name: t.detach().cpu().half().contiguous() for name, t in model.state_dict().items()}


def with_halves(model: Network, tensors: dict[str, torch.Tensor], where: str) -> Network:
    """A model with the weights that ``halves_of`` gave, in evaluation mode, not to be trained.

    Raises:
        ValueError: If the weights, which lie at ``where``, are not those of the model.
    """
    try:
        model.load_state_dict({name: t.float() for name, t in tensors.items()})
    except RuntimeError as error:
        raise ValueError(f"{where} does not hold the weights that its header describes: {error}") from None
    return model.eval().requires_grad_(False)


def check_version(about: dict[str, Any], where: str) -> None:
    """Raise ValueError if another version of this package wrote the file."""
    if about.get("version") != VERSION:
        raise ValueError(f"{where} has version {about.get('version')} of the format, this package reads {VERSION}")


def about_weights(path: str | Path, task: str = FORECAST) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """What a file of weights for a task says of itself, and its tensors.

    Raises:
        ValueError: If it is damaged, or no file of weights for this task.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get("jumbo", "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is damaged or no safetensors file ({error}): get it again") from None
    if not isinstance(about, dict) or about.get("task", FORECAST) != task:
        raise ValueError(f"{path} holds no weights for {_FOR[task]}: `jumbo pretrain-series {task}` makes some")
    return about, tensors


def found(source: str | Path, task: str) -> Path:
    """The file that ``pretrained=source`` names: that of the package ("synthetic"), a path, or a repository on the hub
    that holds TASK.safetensors.

    Raises:
        FileNotFoundError: If there is no such file or repository.
    """
    if source == SYNTHETIC:
        return shipped(task)
    path = Path(source)
    return path if path.is_file() else _from_hub(str(source), task)


def _from_hub(source: str, task: str) -> Path:
    if source.count("/") != 1 or Path(source).suffix:
        raise FileNotFoundError(
            f"pretrained={source!r} is no file: give 'synthetic', None, the path of a file that "
            f"`jumbo pretrain-series {task}` made, or the name of a repository of the hub, such as 'user/name'"
        )
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    name = f"{task}.safetensors"
    try:
        return Path(hf_hub_download(source, name))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise FileNotFoundError(f"pretrained={source!r}: {name} could not be had from the hub ({error})") from None
