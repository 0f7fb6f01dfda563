"""A model from a file of weights alone."""

import json
import os
from pathlib import Path

from safetensors import SafetensorError, safe_open

from .checkpoint import SIZES, load_checkpoint
from .vit import JumboViT


def model_of_file(path: str | os.PathLike, pretrained: bool = True) -> JumboViT:
    """Build the model whose weights a file or a folder holds, in evaluation mode.

    Args:
        path: A ``.safetensors`` file of ``save_checkpoint``, such as the encoder that a pretraining leaves, or a folder
            of ``save_pretrained``.
        pretrained: False for fresh random weights in place of the file's.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read, or does not say which sizes the model has.
    """
    path = Path(path)
    if path.is_dir():
        return _of_folder(path, pretrained)
    if not path.is_file():
        raise FileNotFoundError(f"no model at {path.absolute()}: give the .safetensors file of an encoder, or a folder")
    try:
        with safe_open(path, "pt") as file:
            notes = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} cannot be read as .safetensors: {error}") from error
    if SIZES not in notes:
        raise ValueError(
            f"{path} does not say which sizes its model has, as save_checkpoint did not write it: build the model, "
            "load the file by load_checkpoint, and write it by save_checkpoint"
        )
    model = JumboViT(**json.loads(notes[SIZES]))
    if pretrained:
        load_checkpoint(model, path)
    return model.eval()


def _of_folder(path: Path, pretrained: bool) -> JumboViT:
    if not (path / "config.json").is_file():
        raise ValueError(
            f"{path} has no config.json, so it is no folder of save_pretrained: name the .safetensors file itself"
        )
    if pretrained:
        return JumboViT.from_pretrained(path).eval()
    return JumboViT(**json.loads((path / "config.json").read_text())["model_args"]).eval()
