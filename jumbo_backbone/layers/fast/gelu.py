"""GELU without a second tensor of the hidden layer's size."""

import torch
import torch.nn.functional as F

from .recording import recording


def gelu_of_fresh(h: torch.Tensor) -> torch.Tensor:
    """Exact GELU of a tensor that the caller has just made and does not use again.

    In inference it is computed in place. The hidden activations are the largest tensor of the model, and on CPU a
    second one of that size costs more in fresh memory pages than in arithmetic.
    """
    if recording():
        return F.gelu(h)
    return torch.ops.aten.gelu_(h)
