"""FLOPs are counted alike whatever kernel does the work, on every torch."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import flop_registry

from jumbo_backbone.budgets.flops import count_flops
from jumbo_backbone.layers.attention import Attention
from tests.conftest import images

B, HEADS, L, S, WIDTH = 2, 3, 70, 40, 24
COMPOSED = {"scaled_dot_product_attention", "_scaled_dot_product_attention_math"}  # of products, which are counted


def test_every_attention_kernel_of_this_torch_has_a_formula():
    names = {n.removeprefix("aten::").split(".")[0] for n in torch._C._dispatch_get_all_op_names()}
    kernels = {n for n in names if n.startswith("_scaled_dot_product_")} - COMPOSED
    assert "_scaled_dot_product_flash_attention_for_cpu" in kernels
    assert not [n for n in kernels if getattr(torch.ops.aten, n) not in flop_registry]


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("grad", [False, True])
def test_attention(device, dtype, dropout, masked, grad):
    made = dict(device=device, dtype=dtype, requires_grad=grad)
    q = torch.zeros(B, HEADS, L, WIDTH, **made)
    k, v = (torch.zeros(B, HEADS, S, WIDTH, **made) for _ in "kv")
    mask = torch.ones(B, 1, 1, S, dtype=torch.bool, device=device) if masked else None

    def attend() -> None:
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
        if grad:
            out.float().sum().backward()

    forward = 2 * 2 * B * HEADS * L * S * WIDTH
    # the gradient of each product is two; a fused kernel also computes the scores again
    assert count_flops(attend) in ((3 * forward, 3.5 * forward) if grad else (forward,))


@pytest.mark.parametrize("tokens", [20, 100])  # the narrow kernel's, and torch's
def test_attention_layer(tokens):
    dim, rows = 32, 4
    layer, x = Attention(dim, 4).eval(), images(2, tokens, dim)
    expected = 2 * 2 * (4 * tokens * dim**2 + 2 * tokens**2 * dim)
    with torch.no_grad():
        assert count_flops(layer, x) == expected
        mask = torch.ones(2, tokens, dtype=torch.bool)
        counted = count_flops(layer, x, mask, score_rows=rows)
    assert expected <= counted <= expected + 2 * 2 * rows * tokens * dim  # the narrow kernel has the rows already


def test_products_and_convolutions():
    assert count_flops(nn.Conv2d(3, 8, 5), images(2, 3, 9, 9)) == 2 * 2 * 8 * 25 * 3 * 25
    assert count_flops(torch.matmul, images(7, 5), images(5, 3, seed=1)) == 2 * 7 * 5 * 3
