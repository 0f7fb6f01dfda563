"""The feed-forward network of a patch token."""

import torch
import torch.nn.functional as F
from torch import nn

from .fast.dropout import Dropout
from .fast.linear import Linear
from .shortcuts import fresh, recording_graph


class Mlp(nn.Module):
    """dim -> hidden -> dim with exact GELU.

    Args:
        dim: Width of a token.
        hidden_dim: Width of the hidden layer.
        drop: Dropout after each linear map.
    """

    def __init__(self, dim: int, hidden_dim: int, drop: float = 0.0) -> None:
        super().__init__()
        self.fc1 = Linear(dim, hidden_dim)
        self.fc2 = Linear(hidden_dim, dim)
        self.drop = Dropout(drop, inplace=True)  # of what was just made

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(…, dim) to (…, dim)."""
        return self.drop(fresh(self.fc2, self.drop(gelu_of_fresh(fresh(self.fc1, x)))))


def gelu_of_fresh(h: torch.Tensor) -> torch.Tensor:
    """Exact GELU of a tensor that the caller has just made and will not use again.

    Without autograd it is computed in place: the hidden activations are the largest tensor of the model, and on CPU a
    second one of that size costs more in fresh memory pages than in arithmetic.
    """
    if torch.is_grad_enabled() or recording_graph():
        return F.gelu(h)
    return torch.ops.aten.gelu_(h)
