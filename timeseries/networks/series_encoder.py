"""The encoder of the image models on patches of a series."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from jumbo_backbone import ComputeBudget, JumboEncoder

from .patching import InstanceNorm, SeriesEmbed, Statistics, num_patches, resample_time


class Encoded(NamedTuple):
    """Output of the encoder for B series.

    Attributes:
        jumbo: The Jumbo token (B, J*D); with registers, only the class token (B, D).
        patches: The patch tokens that were kept to the end, followed by the tokens given as ``beside`` (B, N, D). At a
            keep rate below 1, N is smaller, and the last token is the fused one.
        live: Which tokens hold an observed step (B, N); None if all do.
        normed, observed: The normalised series (B, C, T), and flags of its observed steps.
        stats: The statistics by which it was normalised.
        taken: Slices and patch tokens (B, J+N, D) after the blocks that were asked for, before the final norm.
    """

    jumbo: torch.Tensor
    patches: torch.Tensor
    live: torch.Tensor | None
    normed: torch.Tensor
    observed: torch.Tensor | None
    stats: Statistics
    taken: list[torch.Tensor]


class SeriesEncoder(nn.Module):
    """Series to one wide Jumbo token and narrow patch tokens.

    Args:
        in_channels: Channels C in one patch; the first is the series itself.
        length: Usual number of steps T of the longest series (longer series are taken, too).
        normalisation: Kind of normalisation, applied to each channel by itself (see ``InstanceNorm``).
        affine: Whether to learn a scale and a shift after the normalisation.
        patch_length, patch_stride, align: See ``SeriesEmbed``.
        keep_rate: Keep rate of ``default_budget`` (see ``ComputeBudget``).
        static: Which channels are not normalised (see ``InstanceNorm``).
        statistics: See ``SeriesEmbed``.
        encoder: Sizes, as keyword arguments of ``JumboEncoder``. With ``jumbo_ffn="patch"`` the slices of the Jumbo
            token are registers. The first of them is a class token, and the heads read only this one (Darcet et al.,
            "Vision Transformers Need Registers", ICLR 2024).
    """

    def __init__(
        self,
        in_channels: int,
        length: int,
        patch_length: int,
        patch_stride: int,
        normalisation: str = "standard",
        affine: bool = False,
        align: str = "start",
        keep_rate: float = 1.0,
        static: tuple[bool, ...] = (),
        statistics: bool = False,
        **encoder: Any,
    ) -> None:
        super().__init__()
        self.norm = InstanceNorm(normalisation, affine, static)
        self.encoder = JumboEncoder(**encoder)
        self.default_budget = ComputeBudget(keep_rate)
        D = self.encoder.embed_dim
        self.slices_read = 1 if encoder.get("jumbo_ffn") == "patch" else self.encoder.jumbo_multiplier
        count = num_patches(length, patch_stride)
        self.embed = SeriesEmbed(D, patch_length, patch_stride, count, in_channels, align, statistics)
        for module in self.encoder.modules():
            # a deviation of 0.02, as for images, suits widths from 384 on; at widths of tens the signal would vanish
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)

    @property
    def depth(self) -> int:
        """Number of blocks."""
        return self.encoder.depth

    @property
    def default_budget(self) -> ComputeBudget:
        """How much to compute where a call names no budget."""
        return self.encoder.default_budget

    @default_budget.setter
    def default_budget(self, budget: ComputeBudget) -> None:
        self.encoder.default_budget = budget

    @property
    def jumbo_width(self) -> int:
        """Width of ``Encoded.jumbo``."""
        return self.slices_read * self.encoder.embed_dim

    def forward(
        self,
        x: torch.Tensor,
        observed: torch.Tensor | None = None,
        budget: ComputeBudget | None = None,
        beside: torch.Tensor | None = None,
        take: Sequence[int] = (),
    ) -> Encoded:
        """Encode series (B, C, T), any finite numbers where not observed, with flags (B, C, T), None if all is seen,
        at a compute budget (None: ``default_budget``). Tokens ``beside`` (B, X, D) are appended to the patch tokens;
        ``take`` names blocks whose output is returned, too."""
        budget = self.default_budget if budget is None else budget
        normed, observed, stats = self.norm(x, observed)
        tokens, live = self._tokens(normed, observed, budget)
        if beside is not None:
            tokens = torch.cat([tokens, beside], dim=1)
            live = None if live is None else nn.functional.pad(live, (0, beside.shape[1]), value=True)
        (s, live, _), taken = self.encoder.encode(tokens, key_mask=live, take=take, budget=budget)
        s, J = self.encoder.norm(s), self.encoder.jumbo_multiplier
        live = None if live is None else live[:, J:]
        return Encoded(s[:, : self.slices_read].flatten(1), s[:, J:], live, normed, observed, stats, taken)

    @torch.inference_mode()
    def attention(self, x: torch.Tensor, observed: torch.Tensor | None = None, block: int = -1) -> torch.Tensor:
        """Attention (B, N) that the Jumbo token of series (B, C, T) pays to each patch in a block."""
        normed, observed, _ = self.norm(x, observed)
        tokens, live = self.embed(normed, observed)
        return self.encoder.patch_attention(tokens, block, key_mask=live)

    @torch.inference_mode()
    def patch_depths(
        self, x: torch.Tensor, observed: torch.Tensor | None = None, budget: ComputeBudget | None = None
    ) -> torch.Tensor:
        """Blocks (B, N) that each patch of series goes through at a compute budget (None: ``default_budget``)."""
        budget = self.default_budget if budget is None else budget
        normed, observed, _ = self.norm(x, observed)
        tokens, live = self._tokens(normed, observed, budget)
        return self.encoder.patch_depths(tokens, budget, key_mask=live)

    def _tokens(
        self, normed: torch.Tensor, observed: torch.Tensor | None, budget: ComputeBudget
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Patch tokens of normalised series at the resolution of a budget, and which of them hold an observed step."""
        steps = normed.shape[-1]
        (read,) = budget.input_size((steps,), (self.embed.patch_stride,))
        if read == steps:
            return self.embed(normed, observed)
        return self.embed(*resample_time(normed, observed, read), stretch=steps / read)
