"""Tent: test-time adaptation by entropy (Wang et al., "Tent: fully test-time adaptation by entropy minimization", ICLR
2021)."""

from typing import Any

import torch

from .adapter import Adapter


class Tent(Adapter):
    """Adapts a model by minimising the entropy of its answers (equation 1). Arguments: see ``Adapter``.

    Simple, and it can collapse: on images that are sorted by class, mixed, or that come one by one, the model may end
    up giving the same class to all. ``SAR`` is made against this.
    """

    def learn(
        self,
        images: torch.Tensor,
        entropies: torch.Tensor,
        classes: int,
        valid: torch.Tensor | None = None,
        **call: Any,
    ) -> None:
        self.descend(entropies.mean())
