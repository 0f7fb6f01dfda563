"""Multi-head self-attention that can also return the attention that the first tokens pay to the others."""

import torch
import torch.nn.functional as F
from torch import nn

from .fast.dropout import Dropout
from .fast.linear import Linear
from .fast.narrow_attention import NARROW, SHORT, narrow_attention
from .fast.recording import tracing
from .fast.watched import fresh, untouched, watched


class Attention(nn.Module):
    """Multi-head self-attention over (B, L, D), on torch's fused kernel.

    Its probabilities (B, heads, L, L) pass through ``attn_drop`` while there is a hook on that module, as in timm's
    ``AttentionExtract(model, method="hook")``; otherwise they are never stored.

    Args:
        dim: Token width D.
        num_heads: Number of heads; has to divide D.
        qkv_bias: Learn a bias for queries, keys and values.
        attn_drop: Dropout on the attention probabilities.
        proj_drop: Dropout on the output.

    Raises:
        ValueError: If ``dim`` is not a multiple of ``num_heads``.
    """

    def __init__(
        self, dim: int, num_heads: int, qkv_bias: bool = True, attn_drop: float = 0.0, proj_drop: float = 0.0
    ) -> None:
        super().__init__()
        if num_heads < 1 or dim % num_heads:
            raise ValueError(
                f"embed_dim {dim} is not divisible by num_heads {num_heads}: "
                "choose num_heads among the divisors of embed_dim"
            )
        self.num_heads = num_heads
        self.qkv = Linear(dim, 3 * dim, bias=qkv_bias)
        self.attn_drop = nn.Dropout(attn_drop)
        self.proj = Linear(dim, dim)
        self.proj_drop = Dropout(proj_drop, inplace=True)  # of a tensor just made

    def forward(
        self, x: torch.Tensor, key_mask: torch.Tensor | None = None, score_rows: int = 0
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Attend.

        Args:
            x: Tokens (B, L, D).
            key_mask: Bool (B, L), True for tokens that may be attended to.
            score_rows: Also return the probabilities of this many leading query tokens. Only these
                rows are ever computed: no (L, L) matrix is stored.

        Returns:
            Output (B, L, D), and probabilities (B, score_rows, L) averaged over the heads, or None.
        """
        B, L, D = x.shape
        dropout_p = self.attn_drop.p if self.training else 0.0
        # tracing is asked first: a graph must not depend on the number of tokens
        graph = tracing()
        asked = not graph and watched(self.attn_drop)
        narrow = not graph and not asked and x.is_cpu and not dropout_p and L <= SHORT
        scores: torch.Tensor | None
        if narrow and D // self.num_heads <= NARROW and untouched(self.qkv):
            out, scores = narrow_attention(x, self.qkv, self.num_heads, key_mask, score_rows)
        else:
            q, k, v = self.qkv(x).view(B, L, 3, self.num_heads, D // self.num_heads).permute(2, 0, 3, 1, 4).unbind(0)
            mask = None if key_mask is None else key_mask[:, None, None, :]  # (B, 1, 1, L)
            if asked:
                out = self.attn_drop(_scores(q, k, mask).softmax(dim=-1)) @ v
            else:
                out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout_p)
            out = out.transpose(1, 2).reshape(B, L, D)  # from (B, heads, L, D/heads)
            scores = _leading_scores(q, k, mask, score_rows)
        return self.proj_drop(fresh(self.proj, out)), scores if score_rows else None


def _leading_scores(q: torch.Tensor, k: torch.Tensor, mask: torch.Tensor | None, rows: int) -> torch.Tensor | None:
    """Attention of the leading queries (B, rows, L), computed anew: the fused kernel stores none."""
    if not rows:
        return None
    return _scores(q[:, :, :rows], k, mask).softmax(dim=-1, dtype=torch.float32).mean(dim=1)


def _scores(q: torch.Tensor, k: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Scaled products of queries (B, heads, rows, d) and keys (B, heads, L, d): (B, heads, rows, L)."""
    scores = q * q.shape[-1] ** -0.5 @ k.transpose(-2, -1)
    return scores if mask is None else scores.masked_fill(~mask, float("-inf"))
