"""Reading what training left, strictly."""

import os
import textwrap
from pathlib import Path

import numpy as np
import torch
from mmengine.runner.checkpoint import _load_checkpoint
from torch import nn

# In the message hub of every checkpoint there are metrics of this type, which mmengine's own list of what may be
# unpickled lacks: it would warn, and load the file unsafely.
torch.serialization.add_safe_globals([np.dtypes.Float32DType])


def load_strictly(model: nn.Module, path: str | os.PathLike) -> dict:
    """Load a segmentor's checkpoint, or a cascade's calibration; mmengine's own loading passes over what does not fit.

    Returns:
        The checkpoint's ``meta``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read or does not fit the model.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no checkpoint at {Path(path).absolute()}: give a .pth that tools/train.py left")
    if hasattr(model, "load_calibration"):  # a cascade: its members have loaded theirs
        return model.load_calibration(path)
    try:
        checkpoint = _load_checkpoint(str(path), map_location="cpu")
    except Exception as error:  # zip, pickle and torch each raise their own kinds on a bad file
        told = textwrap.shorten(str(error), 200, placeholder=" …")
        raise ValueError(f"{path} cannot be read as a checkpoint: it is cut off, or none at all ({told})") from error
    try:
        model.load_state_dict(checkpoint.get("state_dict", checkpoint), strict=True)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:]]
        told = " ".join(line if len(line) < 300 else line[:300] + " …" for line in lines[:4])
        more = f" (and {len(lines) - 4} more)" if len(lines) > 4 else ""
        message = f"{path} does not fit this config's model: {told}{more} Give the config it was trained with."
        raise ValueError(message) from None
    return checkpoint.get("meta", {})
