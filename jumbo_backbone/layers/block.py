"""One pre-norm transformer block on the sequence [J slices of the Jumbo token, N patch tokens]."""

from collections.abc import Callable

import torch
from timm.layers import DropPath
from torch import nn

from .attention import Attention
from .fast.block import block_in_inference
from .fast.recording import recording
from .jumbo import JumboLoRA, JumboMlp
from .mlp import Mlp

OnAttention = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Block(nn.Module):
    """Attention over all tokens, then one FFN for the joined Jumbo token and one for the patch tokens.

    Args:
        dim: Token width D.
        num_heads: Attention heads.
        jumbo_multiplier: Number of slices J of the Jumbo token.
        mlp_ratio: Hidden width of an FFN over its input width.
        qkv_bias: Bias of the query, key and value maps.
        jumbo_ffn: "shared" (the caller passes the FFN), "per_layer" (own FFN), "none" (no FFN for the Jumbo token) or
            "patch" (the slices pass through the patches' FFN: they are registers).
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
        jumbo_mlp: Callable[..., torch.Tensor] | None = None,
        key_mask: torch.Tensor | None = None,
        on_attention: OnAttention | None = None,
    ) -> torch.Tensor:
        """Map the sequence (B, J+N, D) to the next one.

        Args:
            s: J slices, then N patch tokens.
            jumbo_mlp: The FFN that all blocks share; None for the other kinds.
            key_mask: Bool (B, J+N), False for padded tokens.
            on_attention: Called as ``on_attention(s, scores)`` between attention and the FFNs, with the probabilities
                (B, J, J+N) that the slices pay to each token here. Its result takes the place of ``s``. The tensors
                it was given are never written to afterwards.

        Raises:
            TypeError: If all blocks share the FFN and ``jumbo_mlp`` is not given.
        """
        jumbo_ffn = self._jumbo_ffn(jumbo_mlp)
        if not recording():
            return block_in_inference(self, s, jumbo_ffn, key_mask, on_attention)

        attended, scores = self.attn(self.norm1(s), key_mask, 0 if on_attention is None else self.jumbo_multiplier)
        s = s + self.drop_path(attended)
        if on_attention is not None:  # the place of token reduction
            s = on_attention(s, scores)
        z, x = self.split(s)
        if jumbo_ffn is not None:
            wide = z.flatten(1)  # (B, J*D)
            z = (wide + self.drop_path(jumbo_ffn(self.norm3(wide), self.jumbo_lora))).view_as(z)
        x = x + self.drop_path(self.mlp(self.norm2(x)))
        return torch.cat([z, x], dim=1)

    def split(self, s: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The slices, and the tokens that pass through the patches' FFN: with ``jumbo_ffn="patch"`` all tokens."""
        first = 0 if self.jumbo_ffn == "patch" else self.jumbo_multiplier
        return s[:, :first], s[:, first:]

    def _jumbo_ffn(self, shared: Callable[..., torch.Tensor] | None) -> Callable[..., torch.Tensor] | None:
        if self.jumbo_ffn in ("none", "patch"):
            return None
        if self.jumbo_ffn == "per_layer":
            return self.jumbo_mlp
        if shared is None:
            raise TypeError(
                "a block does not hold the FFN that all blocks share: call block(tokens, model.jumbo_mlp), or let "
                "model.forward_intermediates run the blocks"
            )
        return shared
