"""The Jumbo encoder: tokens in, tokens out. It knows neither images nor series (Jumbo, ICLR 2026)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from ..budgets.budget import ComputeBudget
from ..budgets.has_budget import budget_of_call
from ..budgets.token_reduction import Restore, kept_of, reduce_tokens, restore_patches
from ..layers.block import Block, OnAttention
from ..layers.jumbo import JUMBO_FFN_KINDS, JumboLoRA, JumboMlp, for_blocks
from .block_indices import take_indices


class LiveTokens(NamedTuple):
    """The state of the tokens between two blocks of the encoder.

    Attributes:
        tokens: (B, J+n, D): the J slices, the patches that are still computed, and after them the fused token if
            there is one.
        key_mask: Bool (B, J+n), False for padded tokens; None if there are none.
        restore: How to put all patches back in place; None if no patch was dropped.
    """

    tokens: torch.Tensor
    key_mask: torch.Tensor | None = None
    restore: Restore | None = None

    def complete(self, J: int) -> torch.Tensor:
        """(B, J+N, D): all patches in their places; a dropped patch has its last value."""
        if self.restore is None:
            return self.tokens
        return torch.cat([self.tokens[:, :J], restore_patches(self.tokens[:, J:], self.restore)], dim=1)


class JumboEncoder(nn.Module):
    """A plain transformer encoder with narrow patch tokens and one wide global token, the Jumbo token.

    The Jumbo token has width J*D. It is split into J slices of width D for attention and joined again for its own FFN,
    which all blocks share.

    Args:
        embed_dim: Width D of a patch token.
        depth: Number of blocks L.
        num_heads: Attention heads; has to divide ``embed_dim``.
        jumbo_multiplier: J, the width of the Jumbo token over that of a patch token.
        jumbo_ffn: "shared" (the paper), "per_layer", "none" or "patch". With "patch" the slices pass through the
            patches' FFN like any token, which makes them registers.
        jumbo_lora_rank: Rank of each block's own update of the shared FFN; 0 for none.
        mlp_ratio: Hidden width of every FFN over its input width.
        qkv_bias: Bias of the query, key and value maps.
        proj_drop_rate: Dropout after projections and FFN layers.
        attn_drop_rate: Dropout on attention probabilities.
        drop_path_rate: Stochastic depth, the same in every block (as the authors train), not linear in depth.
        default_budget: The budget, or its arguments, for calls that name none; None for the full budget.

    Raises:
        ValueError: If a size is not positive, ``embed_dim`` is not divisible by ``num_heads``, ``jumbo_ffn`` is
            unknown, or a LoRA rank is given without a shared FFN.
    """

    def __init__(
        self,
        *,
        embed_dim: int = 384,
        depth: int = 12,
        num_heads: int = 6,
        jumbo_multiplier: int = 6,
        jumbo_ffn: str = "shared",
        jumbo_lora_rank: int = 0,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        proj_drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        default_budget: ComputeBudget | Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        for name, value in dict(embed_dim=embed_dim, depth=depth, jumbo_multiplier=jumbo_multiplier).items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if jumbo_ffn not in JUMBO_FFN_KINDS:
            raise ValueError(f"unknown jumbo_ffn {jumbo_ffn!r}: choose one of {', '.join(JUMBO_FFN_KINDS)}")
        if jumbo_lora_rank < 0 or (jumbo_lora_rank and jumbo_ffn != "shared"):
            raise ValueError(
                f"jumbo_lora_rank={jumbo_lora_rank} updates the shared FFN: it needs jumbo_ffn='shared' "
                f"(got {jumbo_ffn!r}) and a rank of at least 0"
            )
        self.embed_dim = embed_dim
        self.jumbo_multiplier = jumbo_multiplier
        self.num_prefix_tokens = jumbo_multiplier
        self.grad_checkpointing = False
        own = default_budget
        self.default_budget = own if isinstance(own, ComputeBudget) else ComputeBudget(**own or {})

        self.jumbo_token = nn.Parameter(torch.zeros(1, jumbo_multiplier, embed_dim))
        self.blocks = nn.ModuleList(
            Block(
                embed_dim,
                num_heads,
                jumbo_multiplier,
                mlp_ratio=mlp_ratio,
                qkv_bias=qkv_bias,
                jumbo_ffn=jumbo_ffn,
                jumbo_lora_rank=jumbo_lora_rank,
                proj_drop=proj_drop_rate,
                attn_drop=attn_drop_rate,
                drop_path=drop_path_rate,
            )
            for _ in range(depth)
        )
        self.norm: nn.Module = nn.LayerNorm(embed_dim)
        wide = jumbo_multiplier * embed_dim
        self.jumbo_mlp = JumboMlp(wide, int(wide * mlp_ratio), drop=proj_drop_rate) if jumbo_ffn == "shared" else None
        self._init_weights()

    @property
    def depth(self) -> int:
        """Number of blocks L."""
        return len(self.blocks)

    def _init_weights(self) -> None:
        """Linear maps and the Jumbo token from a truncated normal of std 0.02, biases zero."""
        nn.init.trunc_normal_(self.jumbo_token, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for module in self.modules():
            if isinstance(module, JumboLoRA):
                module.init_weights()

    def forward(
        self, x: torch.Tensor, key_mask: torch.Tensor | None = None, budget: ComputeBudget | None = None
    ) -> torch.Tensor:
        """Encode tokens.

        Args:
            x: Embedded tokens (B, N, D), positions already added.
            key_mask: Bool (B, N), False for padded tokens. They do not affect other tokens; the outputs in their own
                places have no meaning.
            budget: How much to compute; None for ``default_budget``.

        Returns:
            (B, J+N, D): the J slices, then the N tokens, after the final norm. At every budget all N tokens are
            there.
        """
        live, _ = self.encode(x, key_mask=key_mask, budget=budget)
        return self.norm(live.complete(self.jumbo_multiplier))

    def forward_intermediates(
        self,
        x: torch.Tensor,
        indices: int | Sequence[int] | None = None,
        *,
        key_mask: torch.Tensor | None = None,
        norm: bool = False,
        stop_early: bool = False,
        intermediates_only: bool = False,
        budget: ComputeBudget | None = None,
    ) -> tuple[torch.Tensor | None, list[torch.Tensor]]:
        """Encode tokens and keep the sequences after chosen blocks.

        Args:
            x: Embedded tokens (B, N, D).
            indices: None for all blocks, n for the last n, or block numbers (negative from the end).
            key_mask: As in ``forward``.
            norm: Apply the final norm to the intermediates too.
            stop_early: Skip the blocks after the last chosen one.
            intermediates_only: Do not compute the final sequence; None takes its place.
            budget: As in ``forward``.

        Returns:
            The final sequence (B, J+N, D) after the norm, and a list of (B, J+N, D).
        """
        take, last = take_indices(self.depth, indices)
        stop = last + 1 if stop_early else None
        live, taken = self.encode(x, key_mask=key_mask, take=take, stop=stop, budget=budget)
        taken = [self.norm(t) if norm else t for t in taken]
        return None if intermediates_only else self.norm(live.complete(self.jumbo_multiplier)), taken

    def encode(
        self,
        x: torch.Tensor,
        *,
        key_mask: torch.Tensor | None = None,
        take: Sequence[int] = (),
        on_attention: dict[int, OnAttention] | None = None,
        stop: int | None = None,
        budget: ComputeBudget | None = None,
    ) -> tuple[LiveTokens, list[torch.Tensor]]:
        """Run the blocks. This is the only loop over them.

        Args:
            x: Embedded tokens (B, N, D).
            key_mask: Bool (B, N), False for padded tokens.
            take: Block numbers whose output is kept, in this order.
            on_attention: By block number, a function to call between attention and the FFNs (see ``Block.forward``);
                in a block that reduces, before the reduction.
            stop: Number of blocks to run; all if None.
            budget: How much to compute; None for ``default_budget``.

        Returns:
            The tokens before the final norm, and the complete sequences (B, J+N, D) taken, also before it.

        Raises:
            ValueError: If the budget names blocks that do not exist.
        """
        B, J = x.shape[0], self.jumbo_multiplier
        budget = budget_of_call(self, budget)
        reducing = budget.reducing_blocks(self.depth)
        if key_mask is not None:
            key_mask = torch.cat([key_mask.new_ones(B, J), key_mask], dim=1)  # (B, J+N)
        live = LiveTokens(torch.cat([self.jumbo_token.expand(B, -1, -1), x], dim=1), key_mask)
        on_attention = on_attention or {}
        jumbo_mlp = None if self.jumbo_mlp is None else for_blocks(self.jumbo_mlp, len(self.blocks[:stop]))
        taken = {}
        for i, block in enumerate(self.blocks[:stop]):
            args = (block, jumbo_mlp, live, budget if i in reducing else None, on_attention.get(i))
            if self.grad_checkpointing and torch.is_grad_enabled():
                live = checkpoint(self._run, *args, use_reentrant=False)
            else:
                live = self._run(*args)
            if i in take:
                taken[i] = live.complete(J)
        return live, [taken[i] for i in take]

    def _run(
        self,
        block: nn.Module,
        jumbo_mlp: Callable[..., torch.Tensor] | None,
        live: LiveTokens,
        budget: ComputeBudget | None,
        on_attention: OnAttention | None,
    ) -> LiveTokens:
        """Run one block; if it is given a budget, it reduces the patches."""
        s, key_mask, restore = live
        if budget is None:
            return LiveTokens(block(s, jumbo_mlp, key_mask, on_attention), key_mask, restore)
        J = self.jumbo_multiplier

        def reduce(s: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            nonlocal key_mask, restore
            if on_attention is not None:
                s = on_attention(s, scores)
            paid = scores.mean(dim=1)[:, J:]  # (B, n), as in patch_attention
            if budget.ranking == "random":
                paid = torch.rand_like(paid)
            mask = None if key_mask is None else key_mask[:, J:]
            patches, restore, mask = reduce_tokens(s[:, J:], paid, budget.keep_rate, budget.fuse, restore, mask)
            if mask is not None:
                assert key_mask is not None
                key_mask = torch.cat([key_mask[:, :J], mask], dim=1)
            return torch.cat([s[:, :J], patches], dim=1)

        s = block(s, jumbo_mlp, key_mask, reduce)
        return LiveTokens(s, key_mask, restore)

    def patch_attention(self, x: torch.Tensor, block: int = -1, key_mask: torch.Tensor | None = None) -> torch.Tensor:
        """Attention that the Jumbo token pays each patch in one block.

        Args:
            x: Embedded tokens (B, N, D).
            block: Block number, negative from the end.
            key_mask: As in ``forward``.

        Returns:
            (B, N): softmax probabilities over all J+N tokens, mean over heads and slices.

        Raises:
            ValueError: If there is no such block.
        """
        (index,), _ = take_indices(self.depth, [block])
        seen = []

        def keep(s: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            seen.append(scores)  # (B, J, J+N)
            return s

        self.encode(x, key_mask=key_mask, on_attention={index: keep}, stop=index + 1, budget=ComputeBudget())
        return seen[0][:, :, self.jumbo_multiplier :].mean(dim=1)

    def patch_depths(
        self, x: torch.Tensor, budget: ComputeBudget | None = None, key_mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """How far each patch gets at a compute budget.

        Args:
            x: Embedded tokens (B, N, D).
            budget: None for ``default_budget``.
            key_mask: As in ``forward``.

        Returns:
            (B, N), int64: the number of blocks that a patch went through, the depth if it was never dropped.
        """
        budget = budget_of_call(self, budget)
        depths = torch.full(x.shape[:2], self.depth, device=x.device)
        live, reduced = x.shape[1], []
        for block in budget.reducing_blocks(self.depth):
            before, live = live, kept_of(live, budget.keep_rate)
            reduced += [block] * (live < before)
        if not reduced:
            return depths
        (_, _, restore), _ = self.encode(x, key_mask=key_mask, stop=reduced[-1] + 1, budget=budget)
        for block in reversed(reduced):
            assert restore is not None
            dropped = torch.ones_like(depths, dtype=torch.bool).scatter(1, restore.places, False)
            depths[dropped] = block
            restore = restore.earlier
        return depths

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Recompute each block in the backward pass instead of storing its activations."""
        self.grad_checkpointing = enable

    def no_weight_decay(self) -> set[str]:
        """Names of the parameters of two or more dimensions that take no weight decay."""
        return {"jumbo_token"}

    def get_layer_depth(self, name: str) -> tuple[int, int]:
        """Depth of a parameter, for layer-wise learning-rate decay.

        Layer 0 is the stem (embedding, positions, Jumbo token), layers 1 … L the blocks, the final norm going with
        the last of them, and L+1 whatever comes after. The FFN that all blocks share counts as the middle block: its
        rate is then the geometric mean of the rates of the blocks that use it.

        Args:
            name: A name from ``named_parameters()``.

        Returns:
            The layer, and the number of layers, L+2.
        """
        L = self.depth
        if name.startswith(("jumbo_token", "pos_embed", "patch_embed")):
            layer = 0
        elif name.startswith("blocks."):
            layer = int(name.split(".")[1]) + 1
        elif name.startswith("jumbo_mlp"):
            layer = (L + 1) // 2
        elif name.startswith("norm."):
            layer = L
        else:
            layer = L + 1
        return layer, L + 2
