"""Fewer patches: pure functions on the patch tokens of a sequence and the attention paid to them (EViT, ICLR 2022)."""

import math
from typing import NamedTuple

import torch


class Restore(NamedTuple):
    """How to put n live patches back among all N, one reduction after the other. Undone only when all patches are
    requested.

    Attributes:
        kept: Positions (B, n) of the kept patches among those before the reduction.
        patches: The patches (B, m, D) just before the reduction.
        earlier: How to put the patches before the reduction back among all N; None if they were all N.
    """

    kept: torch.Tensor
    patches: torch.Tensor
    earlier: "Restore | None" = None

    @property
    def places(self) -> torch.Tensor:
        """Positions (B, n) of the live patches among all N."""
        return self.kept if self.earlier is None else self.earlier.places.gather(1, self.kept)


def kept_of(n: int, keep_rate: float) -> int:
    """How many of n patches a reduction keeps."""
    return math.ceil(keep_rate * n)


def reduce_tokens(
    x: torch.Tensor,
    scores: torch.Tensor,
    keep_rate: float,
    fuse: bool,
    restore: Restore | None = None,
    key_mask: torch.Tensor | None = None,
) -> tuple[torch.Tensor, Restore | None, torch.Tensor | None]:
    """Keep the patches with the highest scores, in their order in the sequence.

    Args:
        x: Patches (B, n, D), and after them the fused token if an earlier reduction made one.
        scores: Attention that each of these tokens got (B, n or n+1). Gradients flow through the weights of the fused
            token, but not through the choice.
        keep_rate: ``ceil(keep_rate * n)`` patches are kept.
        fuse: Append the fused token: the mean of all others, and of the earlier fused token, weighted by the scores.
        restore: The result of the earlier reduction, None if this is the first.
        key_mask: Bool, False for padded tokens, as many as x. They rank last and have no weight.

    Returns:
        The kept patches, with the fused token after them; how to restore all patches; and the key mask. If all
        patches are kept, the arguments are returned as they are.
    """
    n = x.shape[1] if restore is None else restore.kept.shape[1]
    count = kept_of(n, keep_rate)
    if count >= n:
        return x, restore, key_mask
    if key_mask is not None:
        scores = scores.masked_fill(~key_mask, 0.0)
    ranking = scores.detach()[:, :n]
    if key_mask is not None:
        ranking = ranking.masked_fill(~key_mask[:, :n], -1.0)
    kept = ranking.topk(count, dim=1).indices.sort(dim=1).values  # (B, count)

    patches = x[:, :n]
    tokens = patches.gather(1, _wide(kept, x))
    mask = None if key_mask is None else key_mask.gather(1, kept)
    if fuse:
        weights = scores.scatter(1, kept, 0.0)  # (B, n or n+1)
        total = weights.sum(dim=1, keepdim=True)
        share = (weights / total.clamp(min=torch.finfo(weights.dtype).tiny)).to(x.dtype)
        tokens = torch.cat([tokens, share.unsqueeze(1) @ x], dim=1)
        if mask is not None:
            mask = torch.cat([mask, total > 0], dim=1)
    return tokens, Restore(kept, patches, restore), mask


def restore_patches(x: torch.Tensor, restore: Restore) -> torch.Tensor:
    """All patches (B, N, D): the live ones, first in x (B, n or n+1, D), back at their positions."""
    n = restore.kept.shape[1]
    before = restore.patches.scatter(1, _wide(restore.kept, x), x[:, :n])
    return before if restore.earlier is None else restore_patches(before, restore.earlier)


def _wide(index: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Index (B, n) for every channel of x."""
    return index.unsqueeze(2).expand(-1, -1, x.shape[2])
