"""How the wide token reaches dense features."""

import torch
from torch import nn

READOUTS = ("ignore", "add", "project")


class JumboReadout(nn.Module):
    """Write the wide token into every patch token.

    Args:
        kind: "ignore" returns the patches as they are. "add" adds a linear map of the wide token (J*D -> D) to each.
            "project" maps the concatenation of patch and wide token (D + J*D -> D) and applies a GELU, which is the
            readout projection of DPT ("Vision Transformers for Dense Prediction", section 3).
        embed_dim: Width D of a patch token.
        jumbo_multiplier: Number of slices J of the wide token.

    Raises:
        ValueError: If the kind is unknown.
    """

    def __init__(self, kind: str, embed_dim: int, jumbo_multiplier: int) -> None:
        super().__init__()
        if kind not in READOUTS:
            raise ValueError(f"unknown jumbo_readout {kind!r}: choose one of {', '.join(READOUTS)}")
        # A linear map of a concatenation is the sum of two, and that of the wide token is the same for all patches.
        self.from_jumbo = None if kind == "ignore" else nn.Linear(jumbo_multiplier * embed_dim, embed_dim)
        self.from_patch = nn.Linear(embed_dim, embed_dim, bias=False) if kind == "project" else None
        for linear in self.children():
            nn.init.trunc_normal_(linear.weight, std=0.02)
        if self.from_jumbo is not None:
            nn.init.zeros_(self.from_jumbo.bias)

    def forward(self, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """Patches (B, N, D) and slices (B, J, D) to patches (B, N, D)."""
        if self.from_jumbo is None:
            return x
        told = self.from_jumbo(z.flatten(1)).unsqueeze(1)  # (B, 1, D)
        if self.from_patch is None:
            return x + told
        return nn.functional.gelu(self.from_patch(x) + told)
