"""A linear map of few rows with a huge weight, as in the Jumbo token's FFN."""

import torch
from torch import nn

from .recording import tracing
from .watched import fresh, untouched

_ENOUGH_ROWS, _HUGE = 16, 2**20  # measured, see below


def few_rows_linear(x: torch.Tensor, linear: nn.Linear) -> torch.Tensor:
    """``linear(x)`` for x (B, D), as a fresh tensor.

    There is one Jumbo token per sample, so B is the batch size, and the weight, not x, is the large operand. From a
    certain number of rows on, training on CPU with the large operand on the left, (W x^T + b)^T, takes half to all of
    the time, depending on the processor. With fewer rows it is far slower.
    """
    # tracing is asked first: a graph must not depend on the batch size
    training = not tracing() and torch.is_grad_enabled() and x.is_cpu
    if training and len(x) >= _ENOUGH_ROWS and untouched(linear) and linear.weight.numel() >= _HUGE:
        return torch.addmm(linear.bias[:, None], linear.weight, x.t().contiguous()).t()
    return fresh(linear, x)
