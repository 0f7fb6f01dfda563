"""Short hashes of the content of a segmentor, a data set or a file, because names and dates say too little."""

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

import torch
from mmseg.registry import DATASETS
from torch import nn


def of_values(*values: Any) -> str:
    """Hash of plain values, such as those of a resolved config; equal values have equal hashes."""
    return hashlib.sha256(json.dumps(values, default=str, sort_keys=True).encode()).hexdigest()[:16]


def of_file(path: str | os.PathLike) -> str:
    """Hash of the bytes of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def of_weights(model: nn.Module) -> str:
    """Hash of the names, shapes, types and numbers of a model's tensors."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype} ".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


def of_dataset(dataset: Mapping[str, Any]) -> str:
    """Hash of a data set's config, without wrappers, and of all files that it reads, in its order. Files that only
    its pipeline reads do not count.

    Rendered scenes have no files: their config says all.
    """
    built = DATASETS.build({**dataset, "pipeline": []})
    files = []
    for i in range(len(built)):
        paths = [value for value in built.get_data_info(i).values() if isinstance(value, str) and os.path.isfile(value)]
        files.append([of_file(path) for path in paths])
    return of_values(dataset, files)
