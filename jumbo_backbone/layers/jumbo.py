"""The wide token's feed-forward network, and its low-rank adaptation per block (Jumbo, ICLR 2026).

The J slices of the wide token are joined to one vector of width J*D, which has an FFN of its own. All
blocks share that FFN's weights. ``JumboLoRA`` gives each block a rank-r update of them, by which the
paper wins back what sharing loses.
"""

import torch
from torch import nn

from .mlp import Mlp, gelu_of_fresh
from .shortcuts import fresh, recording_graph, untouched

_ENOUGH_ROWS, _HUGE = 16, 2**20  # measured: see _few_rows_linear

JUMBO_FFN_KINDS = ("shared", "per_layer", "none", "patch")


class JumboLoRA(nn.Module):
    """Rank-``rank`` update of both linear maps of a ``JumboMlp``; starts as no update at all."""

    def __init__(self, dim: int, hidden_dim: int, rank: int) -> None:
        super().__init__()
        self.fc1_down = nn.Linear(dim, rank, bias=False)
        self.fc1_up = nn.Linear(rank, hidden_dim, bias=False)
        self.fc2_down = nn.Linear(hidden_dim, rank, bias=False)
        self.fc2_up = nn.Linear(rank, dim, bias=False)

    def init_weights(self) -> None:
        for down, up in ((self.fc1_down, self.fc1_up), (self.fc2_down, self.fc2_up)):
            nn.init.trunc_normal_(down.weight, std=0.02)
            nn.init.zeros_(up.weight)


class JumboMlp(Mlp):
    """FFN of the joined wide token: J*D -> hidden -> J*D, for one row a sample."""

    def forward(self, z: torch.Tensor, lora: JumboLoRA | None = None) -> torch.Tensor:
        """Map joined wide tokens (B, J*D) to (B, J*D); ``lora`` is the calling block's update."""
        h = _few_rows_linear(z, self.fc1)
        if lora is not None:
            h = h + lora.fc1_up(lora.fc1_down(z))
        h = self.drop(gelu_of_fresh(h))
        out = _few_rows_linear(h, self.fc2)
        if lora is not None:
            out = out + lora.fc2_up(lora.fc2_down(h))
        return self.drop(out)


def _few_rows_linear(x: torch.Tensor, linear: nn.Linear) -> torch.Tensor:
    """``linear(x)`` for x (B, D) of few rows and a huge weight.

    There is one wide token a sample, so B is the batch size, and the weight, not x, is the big operand. In training on
    CPU the matrix product is, by processor, as fast or up to twice as fast with the big operand on the left, as
    (W x^T + b)^T, from some rows on; far slower below.
    """
    # a compiler decides for itself, and must not be tied to a batch size
    training = not recording_graph() and torch.is_grad_enabled() and x.is_cpu
    if training and len(x) >= _ENOUGH_ROWS and untouched(linear) and linear.weight.numel() >= _HUGE:
        return torch.addmm(linear.bias[:, None], linear.weight, x.t().contiguous()).t()
    return fresh(linear, x)
