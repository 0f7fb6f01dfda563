"""How the Jumbo token reaches the feature maps."""

import torch
from torch import nn

READOUTS = ("ignore", "add")


class JumboReadout(nn.Module):
    """Write the Jumbo token into every patch token.

    A third kind, the projection of patch and Jumbo token together that DPT uses ("Vision Transformers for Dense
    Prediction", section 3), was measured on CamVid and did worse than either.

    Args:
        kind: "ignore" returns the patches as they are. "add" adds a linear map of the Jumbo token (J*D -> D) to each;
            the map starts at zero, so that training begins with the patches as they are.
        embed_dim: Width D of a patch token.
        jumbo_multiplier: Number of slices J of the Jumbo token.

    Raises:
        ValueError: If the kind is unknown.
    """

    def __init__(self, kind: str, embed_dim: int, jumbo_multiplier: int) -> None:
        super().__init__()
        if kind not in READOUTS:
            raise ValueError(f"unknown jumbo_readout {kind!r}: choose one of {', '.join(READOUTS)}")
        self.from_jumbo = None
        if kind == "add":
            self.from_jumbo = nn.Linear(jumbo_multiplier * embed_dim, embed_dim)
            nn.init.zeros_(self.from_jumbo.weight)
            nn.init.zeros_(self.from_jumbo.bias)

    def forward(self, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """Patches (B, N, D) and slices (B, J, D) to patches (B, N, D)."""
        return x if self.from_jumbo is None else x + self.from_jumbo(z.flatten(1)).unsqueeze(1)
