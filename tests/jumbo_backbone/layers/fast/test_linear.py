"""Linear is torch's nn.Linear, sooner on CPU, with the same gradients."""

import copy

import pytest
import torch
from torch import nn

from jumbo_backbone.budgets.flops import count_flops
from jumbo_backbone.layers.fast import linear, onednn
from jumbo_backbone.layers.fast.linear import Linear

pytestmark = pytest.mark.skipif(onednn.product is None, reason="this torch was built without oneDNN")


@pytest.fixture
def products(monkeypatch):
    """Every product is worth oneDNN's kernel; a list that grows with each that it takes."""
    taken, kernel = [], onednn.product
    monkeypatch.setattr(linear, "_WORTHWHILE", 0)
    monkeypatch.setattr(onednn, "product", lambda x, *args: taken.append(x.shape) or kernel(x, *args))
    return taken


INPUTS = dict(
    rows=torch.randn(7, 24),
    one=torch.randn(24),
    tokens=torch.randn(2, 7, 24),
    many_dims=torch.randn(2, 1, 3, 24),
    later_tokens=torch.randn(2, 9, 24)[:, 4:],
    transposed=torch.randn(2, 24, 7).transpose(1, 2),
    none=torch.randn(0, 24),
)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", INPUTS)
def test_is_nn_linear(kind, bias, products):
    layer, x = Linear(24, 40, bias=bias), INPUTS[kind]
    with torch.no_grad():
        out, expected = layer(x), nn.functional.linear(x, layer.weight, layer.bias)
    assert len(products) == 1
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)


def of_subclass(t: torch.Tensor) -> nn.Parameter:
    class Special(torch.Tensor):
        pass

    return nn.Parameter(t.detach().as_subclass(Special))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", sorted(set(INPUTS) - {"none"}))
@pytest.mark.parametrize("sizes", [(24, 40), (24, 8), (24, 1)])
def test_its_gradients_are_those_of_nn_linear(kind, bias, sizes, products):
    layer = Linear(*sizes, bias=bias)
    reference = copy.deepcopy(layer)
    reference.__class__ = nn.Linear
    found = []
    for module in (layer, reference):
        x = INPUTS[kind].clone().requires_grad_()
        module(x).sin().sum().backward()
        found.append([x.grad, *(p.grad for p in module.parameters())])
    assert len(products) == 3
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", sorted(set(INPUTS) - {"none"}))
def test_its_output_may_be_written_over(kind, products):
    """As dropout in place does."""
    layer, found = Linear(24, 40), []
    for call in (layer, lambda x: nn.functional.linear(x, layer.weight, layer.bias)):
        x = INPUTS[kind].clone().requires_grad_()
        call(x).mul_(2).sin().sum().backward()
        found.append(x.grad)
    torch.testing.assert_close(*found, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("learned", ["x", "weight", "bias"])
def test_only_what_is_asked_for_is_computed(learned, products):
    layer, x = Linear(24, 40), torch.randn(7, 24, requires_grad=learned == "x")
    for name, parameter in layer.named_parameters():
        parameter.requires_grad_(name == learned)
    layer(x).sum().backward()
    assert len(products) == (1 if learned == "bias" else 2)
    (gradient,) = (t.grad for t in (x, *layer.parameters()) if t.grad is not None)
    assert gradient.abs().sum() > 0


def test_gradients_of_gradients(products):
    layer, x = Linear(6, 4), torch.randn(3, 6, requires_grad=True)
    found = []
    for kind in (Linear, nn.Linear):
        layer.__class__ = kind
        layer.zero_grad()
        (first,) = torch.autograd.grad(layer(x).sin().sum(), x, create_graph=True)
        first.square().sum().backward()
        found.append(layer.weight.grad.clone())
    torch.testing.assert_close(*found, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("per_sample", [False, True])
def test_functional_gradients(per_sample, products):
    layer, x = Linear(24, 40), torch.randn(5, 3, 24)

    def loss(weight, x):
        return torch.func.functional_call(layer, dict(weight=weight), (x,)).square().sum()

    weight, found = layer.weight.detach(), []
    for kind in (Linear, nn.Linear):
        layer.__class__ = kind
        gradient = torch.func.grad(loss)
        found.append(torch.func.vmap(gradient, (None, 0))(weight, x) if per_sample else gradient(weight, x))
    torch.testing.assert_close(*found, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("case", ["float64", "bfloat16", "autocast", "traced", "special weight", "small"])
def test_all_else_is_left_to_torch(case, products, monkeypatch):
    layer, x = Linear(24, 40), torch.randn(7, 24)
    reference = copy.deepcopy(layer)
    reference.__class__ = nn.Linear
    if case in ("float64", "bfloat16"):
        dtype = getattr(torch, case)
        layer, reference, x = layer.to(dtype), reference.to(dtype), x.to(dtype)
    elif case == "special weight":
        layer.weight = of_subclass(layer.weight)
    elif case == "small":
        monkeypatch.setattr(linear, "_WORTHWHILE", 2**22)
    with torch.no_grad(), torch.autocast("cpu", enabled=case == "autocast"):
        called = torch.jit.trace(layer, x, check_trace=False) if case == "traced" else layer
        out, expected = called(x), reference(x)
    assert not products and out.dtype == expected.dtype
    torch.testing.assert_close(out, expected)


def test_a_wrong_width_is_torchs_error(products):
    with torch.no_grad(), pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        Linear(24, 40)(torch.randn(7, 25))
    assert not products


def test_its_flops_are_counted(monkeypatch):
    monkeypatch.setattr(linear, "_WORTHWHILE", 0)
    with torch.no_grad():
        assert count_flops(Linear(24, 40), torch.randn(2, 7, 24)) == 2 * 14 * 24 * 40


def test_the_encoder_uses_it_for_tokens_and_for_the_wide_token(products):
    from jumbo_backbone import create_model

    model = create_model("pico", img_size=64, depth=2).eval()
    with torch.no_grad():
        model(torch.randn(1, 3, 64, 64))
    assert len(products) == 2 * 6  # qkv, proj, and two FFNs of two maps
