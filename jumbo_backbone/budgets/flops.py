"""FLOPs of a call, two per multiply-add, counted alike by every torch that setup.cfg allows.

``torch.utils.flop_counter`` counts a kernel only if a formula is registered for it, and counts any other as zero. The
formulas differ between releases: 2.14 has none for the attention kernel of CPU. Importing this module registers the
missing formulas of the kernels that attention and ``Linear`` may use. torch's own ``FlopCounterMode`` then counts
them as well.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, flop_registry, register_flop_formula

_ATTENTION = (
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_cudnn_attention",
    "_scaled_dot_product_fused_attention_overrideable",
    "_scaled_dot_product_attention_math_for_mps",
)


def count_flops(call: Callable[..., object], *args: Any, **kwargs: Any) -> int:
    """FLOPs of ``call(*args, **kwargs)``: matrix products, convolutions and attention, two per multiply-add.

    The call has to be eager: operations that ``torch.compile`` has fused are not counted.
    """
    with FlopCounterMode(display=False) as counter:
        call(*args, **kwargs)
    return counter.get_total_flops()


def _attention_flops(q: Sequence[int], k: Sequence[int], v: Sequence[int], *_: Any, **__: Any) -> int:
    """FLOPs of the scores and their product with the values, for q (B, heads, L, d), k (B, ·, S, d), v (B, ·, S,
    d')."""
    B, heads, L, d = q
    return 2 * B * heads * L * k[-2] * (d + v[-1])


def _attention_backward_flops(
    _: object, q: Sequence[int], k: Sequence[int], v: Sequence[int], *__: Any, **___: Any
) -> int:
    """FLOPs of the backward pass: fused kernels compute the scores again, then the gradients of scores, q, k (width
    d) and of probabilities, v."""
    B, heads, L, d = q
    return 2 * B * heads * L * k[-2] * (3 * d + 2 * v[-1])


def _linear_flops(x: torch.Size, weight: torch.Size, *_: Any, **__: Any) -> int:
    return 2 * x.numel() * weight[0]


def _register_missing(namespace: object, name: str, formula: Callable[..., int]) -> None:
    kernel = getattr(namespace, name, None)  # a build of torch may lack it
    if kernel is not None and kernel not in flop_registry:
        register_flop_formula(kernel)(formula)


for _name in _ATTENTION:
    _register_missing(torch.ops.aten, _name, _attention_flops)
    _register_missing(torch.ops.aten, f"{_name}_backward", _attention_backward_flops)
_register_missing(torch.ops.mkldnn, "_linear_pointwise", _linear_flops)
_register_missing(torch.ops.aten, "_weight_int8pack_mm", _linear_flops)
