"""Feature maps and attention maps of a ``JumboViT``, with the arguments of timm's plain ViT."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from timm.models._features import FeatureGetterNet
from torch import nn

from ..budgets.budget import ComputeBudget
from ..budgets.has_budget import budget_of_call
from .block_indices import take_indices
from .encoder import JumboEncoder


class FeatureMaps(JumboEncoder):
    """Mixin for an encoder of images: what it makes of each patch, after any block."""

    embed: Callable[[torch.Tensor, ComputeBudget | None], tuple[torch.Tensor, tuple[int, int]]]
    reset_classifier: Callable[[int, str], None]

    def forward_intermediates(  # type: ignore[override]  # of images, where the encoder's takes tokens
        self,
        x: torch.Tensor,
        indices: int | Sequence[int] | None = None,
        return_prefix_tokens: bool = False,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
        output_dict: bool = False,
        budget: ComputeBudget | None = None,
    ) -> Any:
        """Feature maps of any blocks, with timm's arguments.

        Args:
            x: Images (B, C, H, W).
            indices: None for all blocks, n for the last n, or block numbers (negative from the end); the maps come in
                the order asked for.
            return_prefix_tokens: Return pairs (map, slices (B, J, D)).
            norm: Apply the final norm to the maps.
            stop_early: Skip the blocks after the last one asked for.
            output_fmt: "NCHW" for maps (B, D, h, w) on the patch grid, "NLC" for (B, N, D).
            intermediates_only: Return the list of maps alone; the final tokens are not computed.
            output_dict: Return a dict with "image_features", "image_intermediates", "image_intermediates_prefix".
            budget: How much to compute; None for ``default_budget``. The maps are complete whatever it is: a patch that
                was dropped stays as it was then. At another resolution they come on its grid.

        Returns:
            (features, maps): the final tokens (B, J+N, D) after the norm, and the list; or as chosen above.

        Raises:
            ValueError: If the indices do not fit the depth or ``output_fmt`` is unknown.
        """
        if output_fmt not in ("NCHW", "NLC"):
            raise ValueError(f"unknown output_fmt {output_fmt!r}: choose 'NCHW' or 'NLC'")
        budget = budget_of_call(self, budget)
        x, (H, W) = self.embed(x, budget)
        final, taken = super().forward_intermediates(
            x, indices, norm=norm, stop_early=stop_early, intermediates_only=intermediates_only, budget=budget
        )

        J = self.jumbo_multiplier
        prefix = [t[:, :J] for t in taken]
        maps = [t[:, J:] for t in taken]
        if output_fmt == "NCHW":
            maps = [m.transpose(1, 2).reshape(m.shape[0], m.shape[2], H, W) for m in maps]

        if output_dict:
            result = {"image_intermediates": maps}
            if return_prefix_tokens:
                result["image_intermediates_prefix"] = prefix
            return result if intermediates_only else {**result, "image_features": final}
        asked = list(zip(maps, prefix, strict=True)) if return_prefix_tokens else maps
        return asked if intermediates_only else (final, asked)

    def get_intermediate_layers(
        self,
        x: torch.Tensor,
        n: int | Sequence[int] = 1,
        reshape: bool = False,
        return_prefix_tokens: bool = False,
        norm: bool = False,
        budget: ComputeBudget | None = None,
    ) -> list:
        """``forward_intermediates`` under DINO's name: the last n blocks or the named ones, as (B, N, D), or as maps
        (B, D, h, w) with ``reshape``; pairs with the slices on request."""
        return self.forward_intermediates(
            x,
            n,
            return_prefix_tokens=return_prefix_tokens,
            norm=norm,
            stop_early=True,
            output_fmt="NCHW" if reshape else "NLC",
            intermediates_only=True,
            budget=budget,
        )

    def prune_intermediate_layers(
        self, indices: int | Sequence[int] = 1, prune_norm: bool = False, prune_head: bool = True
    ) -> list[int]:
        """Remove the blocks after the last one asked for, and on request the final norm and the head.

        Returns:
            The block numbers asked for.
        """
        take, last = take_indices(self.depth, indices)
        self.blocks = self.blocks[: last + 1]
        if prune_norm:
            self.norm = nn.Identity()
        if prune_head:
            self.reset_classifier(0, "")
        return take

    @torch.no_grad()
    def attention_map(self, images: torch.Tensor, block: int = -1) -> torch.Tensor:
        """Attention that the Jumbo token pays each patch.

        Args:
            images: (B, C, H, W).
            block: Block number, negative from the end.

        Returns:
            (B, h, w) on the patch grid: softmax probabilities over all J+N tokens, mean over heads and slices. A map
            sums to less than one, the rest being paid to the slices themselves.

        Raises:
            ValueError: If there is no such block.
        """
        x, (H, W) = self.embed(images, ComputeBudget())
        return self.patch_attention(x, block).view(-1, H, W)

    @torch.no_grad()
    def kept_map(self, images: torch.Tensor, budget: ComputeBudget | None = None) -> torch.Tensor:
        """How far each patch of images (B, C, H, W) gets at a compute budget (None: ``default_budget``): the number of
        blocks (B, h, w) that it went through, on the patch grid."""
        budget = budget_of_call(self, budget)
        x, (H, W) = self.embed(images, budget)
        return self.patch_depths(x, budget).view(-1, H, W)


class BudgetFeatures(FeatureGetterNet):
    """timm's ``features_only`` model, which also takes a compute budget."""

    model: FeatureMaps

    @property
    def default_budget(self) -> ComputeBudget:
        """How much to compute where nothing else is said."""
        return self.model.default_budget

    @default_budget.setter
    def default_budget(self, budget: ComputeBudget) -> None:
        self.model.default_budget = budget

    def forward(self, x: torch.Tensor, budget: ComputeBudget | None = None) -> list[torch.Tensor]:
        """Images (B, C, H, W) to one map (B, D, h, w) per out index, complete whatever the budget (None:
        ``default_budget``); at another resolution they come on its grid."""
        return self.model.forward_intermediates(
            x,
            indices=self.out_indices,
            norm=self.norm,
            output_fmt=self.output_fmt.value,
            intermediates_only=True,
            budget=budget,
        )
