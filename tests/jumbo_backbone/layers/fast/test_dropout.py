"""Dropout drops the share it says and keeps the mean."""

import pytest
import torch
from torch import nn

from jumbo_backbone.layers.fast.dropout import Dropout


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


def test_in_place_is_the_same():
    x = torch.randn(3, 5)
    torch.manual_seed(0)
    expected = Dropout(0.3)(x)
    torch.manual_seed(0)
    given = x.clone().requires_grad_() * 1  # not a leaf
    assert Dropout(0.3, inplace=True)(given) is given and torch.equal(given, expected)
    (gradient,) = torch.autograd.grad(given.sum(), given)
    assert torch.equal(gradient, torch.ones_like(x))
