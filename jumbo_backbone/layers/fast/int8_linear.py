"""A linear map whose weight is kept in 8 bits, for inference with few rows, which is bound by reading the weight."""

from typing import Any

import torch
from torch import nn

from .recording import recording

# torch's product of bfloat16 rows with an int8 weight; it needs no instructions of bfloat16
_product = getattr(torch, "_weight_int8pack_mm", None)


class Int8Linear(nn.Module):
    """``nn.Linear`` with an int8 weight and a scale for each of its rows: weight = scale * int8, rounded to nearest.

    On CPU the rows of x are rounded to bfloat16 (8 bits of mantissa), sums are float32, and the result is rounded to
    bfloat16. Elsewhere, where a gradient is recorded, and in graphs, the weight is made float again.

    A float weight is quantised as it is loaded from a state dict.

    Args:
        in_features, out_features: As in ``nn.Linear``.
    """

    weight: torch.Tensor
    scale: torch.Tensor
    bias: torch.Tensor

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.register_buffer("weight", torch.zeros(out_features, in_features, dtype=torch.int8))
        self.register_buffer("scale", torch.ones(out_features))
        self.register_buffer("bias", torch.zeros(out_features))
        self.register_buffer("_ones", torch.ones(out_features, dtype=torch.bfloat16), persistent=False)

    @classmethod
    def of(cls, linear: nn.Linear) -> "Int8Linear":
        """The map of a linear map with a bias, quantised."""
        own = cls(linear.in_features, linear.out_features).to(linear.weight.device)
        own.load_state_dict({name: tensor.detach() for name, tensor in linear.state_dict().items()})
        return own.train(linear.training)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(…, in_features) to (…, out_features)."""
        if _product is None or not x.is_cpu or recording():
            return nn.functional.linear(x, self.float_weight().to(x.dtype), self.bias.to(x.dtype))
        rows = x.reshape(-1, self.in_features).to(torch.bfloat16)
        out = _product(rows, self.weight, self._ones).to(x.dtype)
        return (out * self.scale.to(x.dtype) + self.bias.to(x.dtype)).view(*x.shape[:-1], self.out_features)

    def float_weight(self) -> torch.Tensor:
        return of_int8(self.weight, self.scale)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}"

    def _apply(self, fn: Any, recurse: bool = True) -> "Int8Linear":
        """A cast of the whole model leaves all numbers here as they are."""

        def moved(tensor: torch.Tensor) -> torch.Tensor:
            new = fn(tensor)
            return new if new.dtype == tensor.dtype else tensor.to(new.device)

        super()._apply(moved, recurse)
        return self

    @staticmethod
    def quantise(state_dict: dict[str, torch.Tensor], prefix: str) -> None:
        """Replace a float weight in a state dict, in place; one of int8 stays."""
        weight = state_dict.get(f"{prefix}weight")
        if weight is not None and weight.is_floating_point():
            state_dict[f"{prefix}weight"], state_dict[f"{prefix}scale"] = to_int8(weight)

    def _load_from_state_dict(self, state_dict: dict[str, torch.Tensor], prefix: str, *args: Any) -> None:
        self.quantise(state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *args)


def to_int8(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A weight (out, in) as int8, and the scale (out,) of each row, by which its largest number is 127."""
    scale = weight.float().abs().amax(dim=1).clamp(min=torch.finfo(torch.float32).tiny) / 127
    return (weight.float() / scale[:, None]).round().to(torch.int8), scale


def of_int8(weight: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """The float32 weight that int8 numbers and their scales stand for."""
    return weight.float() * scale[:, None]
