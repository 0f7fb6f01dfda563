"""One product for the gradient of a weight that many calls share, as all blocks share the Jumbo token's FFN.

Each call by itself would read and write a gradient as large as the weight, for one row a sample; on a CPU that takes
longer than the products. Here each call keeps its rows, and when the backward pass has gone through all of them, the
rows of all calls are multiplied at once.

How the last one is known: each call also reads a *carrier*, a vector with a place for each call, and gives it as
gradient a one in its own place. So autograd sums up which calls this backward pass went through, and comes to the
carrier after all of them.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from . import onednn
from .recording import tracing
from .watched import untouched

Rows = dict[int, tuple[torch.Tensor, torch.Tensor]]  # by call: inputs and gradients of the outputs
_HUGE = 2**20  # numbers of a weight; a smaller one stays in the cache


def gathered(linear: nn.Linear, calls: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """What takes the place of a map in one forward pass of so many calls: outputs and gradients are the same to
    rounding."""
    rows: Rows = {}
    carrier = _Carrier.apply(linear.weight, linear.bias, calls, rows)
    numbers = iter(range(calls))

    def call(x: torch.Tensor) -> torch.Tensor:
        # a block that is computed again, for checkpoints, asks once more; nothing goes backwards through that
        return _Call.apply(x, linear.weight, linear.bias, carrier, next(numbers, -1), rows)

    return call


def worth_gathering(linear: nn.Linear) -> bool:
    """Whether a map is a plain one, huge, and learns on CPU in float32."""
    if tracing() or torch._C._are_functorch_transforms_active():
        return False
    weight, bias = linear.weight, linear.bias
    return (
        onednn.product is not None
        and torch.is_grad_enabled()
        and untouched(linear)
        and weight.numel() >= _HUGE
        and weight.is_cpu
        and weight.dtype == torch.float32
        and bias is not None
        and weight.requires_grad
        and bias.requires_grad
        and not torch.is_autocast_enabled("cpu")
    )


class _Carrier(torch.autograd.Function):
    @staticmethod
    def forward(weight: torch.Tensor, bias: torch.Tensor, calls: int, rows: Rows) -> torch.Tensor:
        return weight.new_zeros(calls)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        *_, ctx.rows = inputs

    @staticmethod
    def backward(ctx: Any, called: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        kept = [ctx.rows.pop(int(number)) for number in called.nonzero()]
        if not kept:
            return None, None, None, None
        x, g = (torch.cat(parts) for parts in zip(*kept, strict=True))
        return onednn.gradient_of_weight(g, x), g.sum(dim=0), None, None


class _Call(torch.autograd.Function):
    @staticmethod
    def forward(
        x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, carrier: torch.Tensor, number: int, rows: Rows
    ) -> torch.Tensor:
        return onednn.multiply(x, weight, bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        x, weight, _, carrier, ctx.number, ctx.rows = inputs
        ctx.save_for_backward(x, weight)
        ctx.calls = len(carrier)

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        if torch.is_grad_enabled():  # a gradient of this gradient is asked for: by torch's own products
            return g @ weight, g.t() @ x, g.sum(dim=0), None, None, None
        ctx.rows[ctx.number] = x, g
        own_place = torch.zeros(ctx.calls)
        own_place[ctx.number] = 1
        of_x = onednn.multiply(g, weight.t()) if ctx.needs_input_grad[0] else None
        return of_x, None, None, own_place, None, None
