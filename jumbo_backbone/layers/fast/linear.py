"""A linear map that uses the faster of torch's kernels on CPU."""

import torch
from torch import nn

from . import onednn
from .recording import tracing

_WORTHWHILE = 2**22  # multiplications; to set up oneDNN's product takes some 15 microseconds more


class Linear(nn.Linear):
    """``nn.Linear`` whose large products run on oneDNN's kernel, on CPU in float32, in training too.

    That kernel adds the bias within the product, where torch's default writes the bias out first, and streams a huge
    weight for few rows, as in the Jumbo token's FFN. In inference, measured on an AMD EPYC with AVX2: 0.8 to 0.95 of
    the time for the patch tokens, 0.5 to 0.75 for the Jumbo token. Where a processor has AVX-512 that torch's default
    leaves unused, half of the time, and a training step takes two thirds. ``nn.Linear`` handles all other cases:
    graphs, autocast, special tensors.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(…, in_features) to (…, out_features)."""
        if self._is_for_onednn(x):
            return onednn.onednn_linear(x, self.weight, self.bias)
        return super().forward(x)

    def _is_for_onednn(self, x: torch.Tensor) -> bool:
        if tracing():  # asked first: a graph must not depend on the number of tokens
            return False
        plain = type(x) is torch.Tensor and type(self.weight) is nn.Parameter  # not quantised, distributed, fake, …
        return (
            onednn.product is not None
            and plain
            and x.dtype == self.weight.dtype == torch.float32
            and x.is_cpu
            and self.weight.is_cpu
            and x.shape[-1] == self.in_features
            and x.numel() * self.out_features >= _WORTHWHILE
            and not torch.is_autocast_enabled("cpu")
        )
