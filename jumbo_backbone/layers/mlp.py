"""The feed-forward network of a patch token."""

import torch
from torch import nn

from .fast.dropout import Dropout
from .fast.gelu import gelu_of_fresh
from .fast.linear import Linear
from .fast.watched import fresh


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
        self.drop = Dropout(drop, inplace=True)  # of a tensor just made

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(…, dim) to (…, dim)."""
        return self.drop(fresh(self.fc2, self.drop(gelu_of_fresh(fresh(self.fc1, x)))))
