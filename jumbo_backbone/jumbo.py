"""The wide token's feed-forward network, and its low-rank adaptation per block (Jumbo, ICLR 2026).

The J slices of the wide token are joined to one vector of width J*D, which has an FFN of its own. All
blocks share that FFN's weights. ``JumboLoRA`` gives each block a rank-r update of them, by which the
paper wins back what sharing loses.
"""

import math

import torch
from torch import nn

from .mlp import Mlp, gelu_of_fresh

# Rows of the wide FFN's weight in one product in inference, measured. Few of them stream from memory without being
# copied first, by a kernel that small float32 batches get.
_WEIGHT_ROWS, _FEW_WEIGHT_ROWS, _SMALL_BATCH = 576, 16, 64

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

    There is one wide token a sample, so B is the batch size, and the weight, not x, is the big operand. The CPU matrix
    product is up to twice as fast with the big operand on the left, as (W x^T + b)^T, from 8 rows on, and slower below.
    In inference it is a batch of products of some rows of the weight each, faster still by a tenth to a quarter; with
    autograd that would cost copies of the gradient.
    A compiler decides for itself, and must not be tied to a batch size.
    """
    if not x.is_cpu or torch.compiler.is_compiling() or len(x) < 8:
        return linear(x)
    weight, bias = linear.weight, linear.bias[:, None]
    xt = x.t().contiguous()
    if torch.is_grad_enabled():
        return torch.addmm(bias, weight, xt).t()
    fits = x.dtype == torch.float32 and len(x) <= _SMALL_BATCH
    rows = math.gcd(len(weight), _FEW_WEIGHT_ROWS if fits else _WEIGHT_ROWS)
    pieces = len(weight) // rows
    out = torch.baddbmm(bias.view(pieces, rows, 1), weight.view(pieces, rows, -1), xt.expand(pieces, -1, -1))
    return out.view(len(weight), len(x)).t()
