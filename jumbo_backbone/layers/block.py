"""One pre-norm transformer block on the sequence [J jumbo slices, N patches]."""

from collections.abc import Callable

import torch
from timm.layers import DropPath
from torch import nn

from .attention import Attention
from .jumbo import JumboLoRA, JumboMlp
from .mlp import Mlp
from .shortcuts import recording_graph, watched

# Inference on CPU works on a few samples at a time: their largest activation has about this many numbers (20 MiB in
# float32). The allocator then reuses its pages; those of a larger tensor go back to the system after every use, and to
# get them anew costs up to a fifth of a forward pass.
_PIECE = 5 * 2**20

OnAttention = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Block(nn.Module):
    """Attention over all tokens, then one FFN for the joined wide token and one for the patches.

    Args:
        dim: Token width D.
        num_heads: Attention heads.
        jumbo_multiplier: Number of slices J of the wide token.
        mlp_ratio: Hidden width of an FFN over its input width.
        qkv_bias: Bias of the query, key and value maps.
        jumbo_ffn: "shared" (the caller passes the FFN), "per_layer" (own FFN), "none" (no FFN for the
            wide token) or "patch" (the slices pass through the patch FFN: they are registers).
        jumbo_lora_rank: Rank of this block's update of the shared FFN; 0 for none.
        proj_drop: Dropout after projections and FFN layers.
        attn_drop: Dropout on attention probabilities.
        drop_path: Probability of skipping a residual branch, per sample.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        jumbo_multiplier: int,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        jumbo_ffn: str = "shared",
        jumbo_lora_rank: int = 0,
        proj_drop: float = 0.0,
        attn_drop: float = 0.0,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.jumbo_multiplier = jumbo_multiplier
        self.jumbo_ffn = jumbo_ffn
        self.norm1 = nn.LayerNorm(dim)
        self.attn = Attention(dim, num_heads, qkv_bias=qkv_bias, attn_drop=attn_drop, proj_drop=proj_drop)
        self.norm2 = nn.LayerNorm(dim)
        self.hidden_dim = int(dim * mlp_ratio)
        self.mlp = Mlp(dim, self.hidden_dim, drop=proj_drop)
        self.drop_path = DropPath(drop_path)

        wide = jumbo_multiplier * dim
        if jumbo_ffn in ("shared", "per_layer"):
            self.norm3 = nn.LayerNorm(wide)
        if jumbo_ffn == "per_layer":
            self.jumbo_mlp = JumboMlp(wide, int(wide * mlp_ratio), drop=proj_drop)
        self.jumbo_lora = JumboLoRA(wide, int(wide * mlp_ratio), jumbo_lora_rank) if jumbo_lora_rank else None

    def forward(
        self,
        s: torch.Tensor,
        jumbo_mlp: JumboMlp | None = None,
        key_mask: torch.Tensor | None = None,
        on_attention: OnAttention | None = None,
    ) -> torch.Tensor:
        """Map the sequence (B, J+N, D) to the next one.

        Args:
            s: J jumbo slices, then N patches.
            jumbo_mlp: The FFN that all blocks share; None for the other kinds.
            key_mask: Bool (B, J+N), False for padded tokens.
            on_attention: Called as ``on_attention(s, scores)`` between attention and the FFNs, with the
                probabilities (B, J, J+N) that the slices paid each token here; what it returns takes the place
                of ``s``.
        """
        J = self.jumbo_multiplier
        s, scores = self._attend(s, key_mask, score_rows=0 if on_attention is None else J)

        if on_attention is not None:  # the place of token reduction: after attention, before the FFNs
            s = on_attention(s, scores)

        first_patch = 0 if self.jumbo_ffn == "patch" else J  # to the FFN, registers are patches
        z, x = s[:, :first_patch], s[:, first_patch:]
        if self.jumbo_ffn in ("shared", "per_layer"):
            wide = z.flatten(1)  # (B, J*D)
            ffn = self.jumbo_mlp if self.jumbo_ffn == "per_layer" else jumbo_mlp
            if ffn is None:
                raise TypeError(
                    "a block does not hold the FFN that all blocks share: call block(tokens, model.jumbo_mlp), or let "
                    "model.forward_intermediates run the blocks"
                )
            z = (wide + self.drop_path(ffn(self.norm3(wide), self.jumbo_lora))).view_as(z)

        norms = (self.norm2, getattr(self, "norm3", self.norm2))  # what they read may not be written over if watched
        if _recording() or any(map(watched, norms)):
            return torch.cat([z, x + self.drop_path(self.mlp(self.norm2(x)))], dim=1)
        s[:, :first_patch] = z  # s is a fresh tensor that nobody else holds
        for part in self._pieces(x):
            x[part].add_(self.drop_path(self.mlp(self.norm2(x[part]))))  # `+=` would copy the sum onto itself
        return s

    def _attend(
        self, s: torch.Tensor, key_mask: torch.Tensor | None, score_rows: int
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """``s + attention(s)`` as a fresh tensor, and the scores asked for."""
        if _recording():
            attended, scores = self.attn(self.norm1(s), key_mask, score_rows)
            return s + self.drop_path(attended), scores
        out, scores = torch.empty_like(s), []
        for part in self._pieces(s):
            mask = None if key_mask is None else key_mask[part]
            attended, part_scores = self.attn(self.norm1(s[part]), mask, score_rows)
            torch.add(s[part], self.drop_path(attended), out=out[part])
            scores.append(part_scores)
        return out, torch.cat(scores) if score_rows else None

    def _pieces(self, x: torch.Tensor) -> list[slice]:
        """Runs of samples whose largest activation, the hidden layer of the FFN, has about ``_PIECE`` numbers; all at
        once where somebody watches a part of this block."""
        B, N = x.shape[:2]
        samples = max(1, _PIECE // max(1, N * self.hidden_dim)) if x.is_cpu else B
        if samples < B and any(map(watched, self.modules())):
            samples = B
        return [slice(i, i + samples) for i in range(0, B, samples)]


def _recording() -> bool:
    """Whether operations are being recorded, for a gradient or a graph: then nothing may be written in place."""
    return torch.is_grad_enabled() or recording_graph()
