"""``Block.forward`` for inference: the same sums, in place where no other code holds the tensor, and on CPU for a few
samples at a time."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
from torch import nn

from .watched import watched

# The largest activation of a few samples has about this many numbers (20 MiB in float32). The allocator reuses the
# pages of such tensors. Those of a larger tensor go back to the system after each use, and fetching them anew costs up
# to a fifth of a forward pass.
_PIECE = 5 * 2**20


class _Block(Protocol):
    """The attributes of ``Block``, which this file, being below it, cannot import."""

    jumbo_multiplier: int
    hidden_dim: int
    norm1: nn.LayerNorm
    norm2: nn.LayerNorm
    norm3: nn.LayerNorm
    attn: Any
    mlp: Any
    drop_path: Any
    jumbo_lora: Any

    def split(self, s: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]: ...

    def modules(self) -> Iterator[nn.Module]: ...


def block_in_inference(
    block: _Block,
    s: torch.Tensor,
    jumbo_ffn: Callable[..., torch.Tensor] | None,
    key_mask: torch.Tensor | None,
    on_attention: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None,
) -> torch.Tensor:
    """The result of ``Block.forward``, without gradients.

    Args:
        block: A ``Block``.
        s: Tokens (B, J+N, D); they are not written to.
        jumbo_ffn: FFN of the Jumbo token, None if it has none.
        key_mask, on_attention: As in ``Block.forward``.
    """
    s, scores = _attend(block, s, key_mask, 0 if on_attention is None else block.jumbo_multiplier)
    if on_attention is not None:
        assert scores is not None  # they were asked for
        s = on_attention(s, scores)

    # a tensor that an observer of the attention or a hook of a norm has seen is theirs
    norms = (block.norm2,) if jumbo_ffn is None else (block.norm2, block.norm3)
    seen = on_attention is not None or any(map(watched, norms))
    out = torch.empty_like(s) if seen else s
    (z, x), (new_z, new_x) = block.split(s), block.split(out)
    if jumbo_ffn is not None:
        wide = z.flatten(1)
        new_z.copy_((wide + block.drop_path(jumbo_ffn(block.norm3(wide), block.jumbo_lora))).view_as(z))
    elif seen:
        new_z.copy_(z)
    for part in pieces(block, x):
        torch.add(x[part], block.drop_path(block.mlp(block.norm2(x[part]))), out=new_x[part])
    return out


def _attend(
    block: _Block, s: torch.Tensor, key_mask: torch.Tensor | None, score_rows: int
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """``s + attention(s)`` as a fresh tensor, and the requested scores."""
    out, scores = torch.empty_like(s), []
    for part in pieces(block, s):
        mask = None if key_mask is None else key_mask[part]
        attended, part_scores = block.attn(block.norm1(s[part]), mask, score_rows)
        torch.add(s[part], block.drop_path(attended), out=out[part])
        scores.append(part_scores)
    return out, torch.cat(scores) if score_rows else None


def pieces(block: _Block, x: torch.Tensor) -> list[slice]:
    """Runs of samples of x (B, N, D) whose largest activation, the FFN's hidden layer, has about ``_PIECE`` numbers.
    If a part of the block has a hook or was replaced, the whole batch at once."""
    B, N = x.shape[:2]
    samples = max(1, _PIECE // max(1, N * block.hidden_dim)) if x.is_cpu else B
    if samples < B and any(map(watched, block.modules())):
        samples = B
    return [slice(i, i + samples) for i in range(0, B, samples)]
