"""The encoder of the image models on patches of a signal."""

from typing import Any, NamedTuple

import torch
from torch import nn

from jumbo_backbone import ComputeBudget, JumboEncoder

from .patching import InstanceNorm, SeriesEmbed, Statistics, num_patches, resample_time


class Encoded(NamedTuple):
    """What the encoder makes of B series.

    Attributes:
        jumbo: The Jumbo token (B, J*D); of registers, the class token alone (B, D).
        patches: The patches that were computed to the end, and after them what was read beside them (B, N, D). N is
            less at a keep rate below 1: the last patch then stands for all others.
        live: Which patches hold anything observed (B, N); None if all do.
        normed, observed: The series as it was read (B, C, T), and where it holds something.
        stats: What normalising took away.
    """

    jumbo: torch.Tensor
    patches: torch.Tensor
    live: torch.Tensor | None
    normed: torch.Tensor
    observed: torch.Tensor | None
    stats: Statistics


class SeriesEncoder(nn.Module):
    """Series to one wide Jumbo token and narrow patch tokens.

    Args:
        in_channels: Channels C read together by one patch, the first of which is the series proper.
        length: Steps T of the longest series there usually are (longer ones are taken too).
        normalisation: Of each channel by itself (see ``InstanceNorm``).
        affine: Learn a scale and a shift after it.
        patch_length, patch_stride, align: See ``SeriesEmbed``.
        keep_rate: Of ``default_budget`` (see ``ComputeBudget``).
        encoder: Sizes, as keyword arguments of ``JumboEncoder``. With ``jumbo_ffn="patch"`` the slices of the Jumbo
            token are registers: the first is a class token, and what follows the encoder reads no other (Darcet et
            al., "Vision Transformers Need Registers", ICLR 2024).
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
        **encoder: Any,
    ) -> None:
        super().__init__()
        self.norm = InstanceNorm(normalisation, affine)
        self.encoder = JumboEncoder(**encoder)
        self.default_budget = ComputeBudget(keep_rate)
        D = self.encoder.embed_dim
        self.slices_read = 1 if encoder.get("jumbo_ffn") == "patch" else self.encoder.jumbo_multiplier
        count = num_patches(length, patch_stride)
        self.embed = SeriesEmbed(D, patch_length, patch_stride, count, in_channels, align)
        for module in self.encoder.modules():
            # the images' 0.02 suits width 384 and more; here widths are tens, and the same maps would pass on nothing
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
    ) -> Encoded:
        """Series (B, C, T), any finite numbers where they are not observed, and flags (B, C, T), None if all is, at a
        compute budget (None: ``default_budget``). Further tokens (B, X, D) may be read ``beside`` the patches."""
        budget = self.default_budget if budget is None else budget
        normed, observed, stats = self.norm(x, observed)
        tokens, live = self._tokens(normed, observed, budget)
        if beside is not None:
            tokens = torch.cat([tokens, beside], dim=1)
            live = None if live is None else nn.functional.pad(live, (0, beside.shape[1]), value=True)
        (s, live, _), _ = self.encoder.encode(tokens, key_mask=live, budget=budget)
        s, J = self.encoder.norm(s), self.encoder.jumbo_multiplier
        live = None if live is None else live[:, J:]
        return Encoded(s[:, : self.slices_read].flatten(1), s[:, J:], live, normed, observed, stats)

    @torch.inference_mode()
    def attention(self, x: torch.Tensor, observed: torch.Tensor | None = None, block: int = -1) -> torch.Tensor:
        """Attention (B, N) that the Jumbo token of series (B, C, T) pays each patch in a block."""
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
        """Patches of normalised series, read at the resolution of a budget, and which of them hold anything."""
        steps = normed.shape[-1]
        (read,) = budget.input_size((steps,), (self.embed.patch_stride,))
        if read == steps:
            return self.embed(normed, observed)
        return self.embed(*resample_time(normed, observed, read), stretch=steps / read)
