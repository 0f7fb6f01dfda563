"""oneDNN's product of a linear map, with gradients by the same kernel."""

from typing import Any

import torch

# what torch's compiler uses too; absent from builds without oneDNN
product = getattr(torch.ops.mkldnn, "_linear_pointwise", None) if torch.backends.mkldnn.is_available() else None


def onednn_linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """``torch.nn.functional.linear`` of float32 tensors on CPU, with or without a gradient."""
    if not torch.is_grad_enabled():
        return multiply(x, weight, bias)
    # of more than two dimensions the kernel gives a view, which nothing could write over
    return _Linear.apply(x.reshape(-1, x.shape[-1]), weight, bias).view(*x.shape[:-1], weight.shape[0])


def multiply(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """x W^T + b, without a gradient."""
    assert product is not None
    return product(x, weight, bias, "none", [], "")


class _Linear(torch.autograd.Function):
    """Three products of one kernel: x W^T of rows (n, m), and in the backward pass g W and g^T x."""

    @staticmethod
    def forward(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        return multiply(x, weight, bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        x, weight, _ = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        if torch.is_grad_enabled():  # a gradient of this gradient is asked for: by torch's own products
            return g @ weight, g.t() @ x, g.sum(dim=0) if of_bias else None
        return (
            multiply(g, weight.t()) if of_x else None,
            gradient_of_weight(g, x) if of_weight else None,
            g.sum(dim=0) if of_bias else None,
        )


def gradient_of_weight(g: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """g^T x, of gradients (rows, n) and inputs (rows, m). The kernel writes out the transpose of what is on the left,
    so the narrower one is put there."""
    (rows, n), m = g.shape, x.shape[1]
    if rows * n <= rows * m + m * n:
        return multiply(g.t(), x.t())
    return multiply(x.t(), g.t()).t()
