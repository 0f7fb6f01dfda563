"""The Jumbo token's feed-forward network, and its low-rank update per block (Jumbo, ICLR 2026).

The J slices of the Jumbo token are joined to one vector of width J*D, which has an FFN of its own. All blocks share the
weights of that FFN. ``JumboLoRA`` gives each block a rank-r update of them; in the paper it wins back the accuracy that
sharing loses.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from .fast.gathered import gathered, worth_gathering
from .fast.gelu import gelu_of_fresh
from .fast.watched import fresh, watched
from .mlp import Mlp

Map = Callable[[torch.Tensor], torch.Tensor]
JUMBO_FFN_KINDS = ("shared", "per_layer", "none", "patch")


class JumboLoRA(nn.Module):
    """Rank-``rank`` update of both linear maps of a ``JumboMlp``; zero at first."""

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
    """FFN of the joined Jumbo token: J*D -> hidden -> J*D, one row per sample."""

    def forward(self, z: torch.Tensor, lora: JumboLoRA | None = None) -> torch.Tensor:
        """Map joined Jumbo tokens (B, J*D) to (B, J*D); ``lora`` is the calling block's update."""
        return self.with_maps(z, lora, partial(fresh, self.fc1), partial(fresh, self.fc2))

    def with_maps(self, z: torch.Tensor, lora: JumboLoRA | None, fc1: Map, fc2: Map) -> torch.Tensor:
        """The same with these in the place of both maps."""
        h = fc1(z)
        if lora is not None:
            h = h + lora.fc1_up(lora.fc1_down(z))
        h = self.drop(gelu_of_fresh(h))
        out = fc2(h)
        if lora is not None:
            out = out + lora.fc2_up(lora.fc2_down(h))
        return self.drop(out)


def for_blocks(mlp: Callable[..., torch.Tensor], count: int) -> Callable[..., torch.Tensor]:
    """The FFN for one forward pass through so many blocks that share it: the same numbers, and a faster backward pass
    where ``fast.gathered`` can help."""
    if type(mlp) is not JumboMlp or watched(mlp) or not all(map(worth_gathering, (mlp.fc1, mlp.fc2))):
        return mlp
    fc1, fc2 = gathered(mlp.fc1, count), gathered(mlp.fc2, count)
    return lambda z, lora=None: mlp.with_maps(z, lora, fc1, fc2)
