"""Reads checkpoint files: whole or not at all, and without running code that may be in them."""

import os
import re
import textwrap
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.runner.checkpoint import CheckpointLoader, get_torch_safe_globals
from safetensors.torch import load_file

from ...words import some

# In the message hub and the meta of a checkpoint there are numbers and arrays of numpy, which hold no code.
# mmengine's own list of what may be unpickled lacks most of them: it would warn, and load the file unsafely.
torch.serialization.add_safe_globals([kind for kind in vars(np.dtypes).values() if isinstance(kind, type)])


@dataclass
class CheckpointFile:
    """What a file holds.

    Attributes:
        path: Where it is.
        weights: Tensors by name, without the prefix of a wrapper for several processes.
        meta: What training noted beside them: iteration, epoch, seed, config, classes; empty for weights alone.
        rest: What else training saved to go on from: ``optimizer``, ``param_schedulers``, ``message_hub``.
    """

    path: Path
    weights: dict[str, torch.Tensor]
    meta: dict[str, Any] = field(default_factory=dict)
    rest: dict[str, Any] = field(default_factory=dict)

    @property
    def lacking(self) -> list[str]:
        """What it has not and an interrupted training needs to go on."""
        needed = {
            "the optimiser's state": self.rest.get("optimizer"),
            "the running averages of the log": self.rest.get("message_hub"),
            "the iteration": self.meta.get("iter"),
            "the epoch": self.meta.get("epoch"),
        }
        kinds = dict.fromkeys(needed, int) | dict.fromkeys(list(needed)[:2], Mapping)
        return [what for what, value in needed.items() if not isinstance(value, kinds[what])]


def read_checkpoint(path: str | os.PathLike) -> CheckpointFile:
    """Read a ``.pth`` of a training, or weights alone: a bare state_dict, or ``.safetensors``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is cut off, damaged, would have to run code, or holds no weights by name.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {path.absolute()}: give a .pth file that `jumbo train` wrote")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty (0 bytes): what wrote or copied it did not finish")
    try:
        content = _read(path)
    except PermissionError:
        raise
    except Exception as error:  # of zip, pickle, safetensors, torch, the system: each has its own kinds
        if foreign := re.search(r"GLOBAL \S+|Unsupported class \S+", str(error)):
            raise ValueError(
                f"{path} holds more than weights and numbers, and reading it could run code ({foreign[0]}): save its "
                "weights alone, torch.save(model.state_dict(), path)"
            ) from error
        told = textwrap.shorten(str(error) or type(error).__name__, 200, placeholder=" …")
        raise ValueError(
            f"{path} cannot be read as a checkpoint: it is cut off, damaged, or none at all ({told})"
        ) from error
    if not isinstance(content, Mapping):
        raise ValueError(f"{path} holds a {type(content).__name__}, and no weights by name: expected a state_dict")
    parts = dict(content) if "state_dict" in content else dict(state_dict=content)
    weights, meta = parts.pop("state_dict"), parts.pop("meta", None)
    return CheckpointFile(path, _tensors(path, weights), dict(meta) if isinstance(meta, Mapping) else {}, parts)


def _read(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return load_file(path)
    if zipfile.is_zipfile(path):  # as torch.save writes them; torch itself does not look at the sums
        with zipfile.ZipFile(path) as records:
            if (name := records.testzip()) is not None:
                raise ValueError(f"the check sum of its record {name} is wrong")
    with torch.serialization.safe_globals(get_torch_safe_globals()):
        return torch.load(path, map_location="cpu", weights_only=True)


def _tensors(path: Path, weights: Any) -> dict[str, torch.Tensor]:
    if not isinstance(weights, Mapping) or not weights:
        raise ValueError(f"{path} holds no weights by name: expected a state_dict")
    other = [
        str(name)
        for name, value in weights.items()
        if not (isinstance(name, str) and isinstance(value, torch.Tensor) and _has_numbers(value))
    ]
    if other:
        raise ValueError(f"{path} holds no weights by name, but {some(other)}: expected a state_dict")
    return {name.removeprefix("module."): value for name, value in weights.items()}


def _has_numbers(tensor: torch.Tensor) -> bool:
    return tensor.layout == torch.strided and not tensor.is_meta and not tensor.is_quantized


@CheckpointLoader.register_scheme(prefixes=r".*\.safetensors$")
def load_from_safetensors(filename: str, map_location: Any = None) -> dict[str, torch.Tensor]:
    """Have mmengine read ``.safetensors`` wherever it takes a checkpoint: ``load_from``, ``init_cfg``."""
    return read_checkpoint(filename).weights
