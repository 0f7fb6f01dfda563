"""Dropout drops the share it says and keeps the mean; attention by plain products is torch's."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from jumbo_backbone.attention import Attention
from jumbo_backbone.dropout import Dropout


@pytest.mark.parametrize("p", [0.05, 0.2, 0.5])
def test_share_and_mean(p):
    torch.manual_seed(0)
    x = torch.ones(501, 401, requires_grad=True)  # no multiple of four values
    y = Dropout(p)(x)
    assert (y == 0).float().mean().item() == pytest.approx(p, abs=0.005)
    assert y.mean().item() == pytest.approx(1, abs=0.01)
    assert y.detach().unique().tolist() == pytest.approx([0, 1 / (1 - p)], rel=1e-4)
    y.sum().backward()
    assert torch.equal(x.grad, y)
    neighbours = (y[:, 1:] == 0).float().mul(y[:, :-1] == 0).mean().item()  # each value for itself
    assert neighbours == pytest.approx(p * p, abs=0.005)


def test_seeds_and_ends():
    x = torch.ones(100)
    layer = Dropout(0.5)
    torch.manual_seed(3)
    first = layer(x)
    torch.manual_seed(3)
    assert torch.equal(first, layer(x)) and not torch.equal(first, layer(x))
    assert torch.equal(Dropout(1.0)(x), torch.zeros(100)) and torch.equal(Dropout(0.0)(x), x)
    assert torch.equal(layer.eval()(x), x) and isinstance(layer, nn.Dropout)


@pytest.mark.parametrize("masked", [False, True])
def test_plain_products_are_the_fused_kernel(masked, monkeypatch):
    torch.manual_seed(0)
    layer = Attention(16, 4)
    x = torch.randn(3, 21, 16, requires_grad=True)
    mask = torch.rand(3, 21) > 0.3 if masked else None
    results = []
    fused = []
    kernel = F.scaled_dot_product_attention
    monkeypatch.setattr(F, "scaled_dot_product_attention", lambda *a, **k: fused.append(1) or kernel(*a, **k))
    for most in (64, 0):
        monkeypatch.setattr("jumbo_backbone.attention._FEW_TOKENS", most)
        out, scores = layer(x, mask, score_rows=2)
        (gradient,) = torch.autograd.grad(out.square().sum(), x)
        results.append((out, scores, gradient))
    assert fused == [1]
    for plain, expected in zip(*results, strict=True):
        torch.testing.assert_close(plain, expected, rtol=1e-4, atol=1e-5)
