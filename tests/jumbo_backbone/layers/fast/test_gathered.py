"""The gradient of the FFN that all blocks share, in one product, is the gradient by itself."""

import copy

import pytest
import torch
from torch import nn

from jumbo_backbone import JumboEncoder
from jumbo_backbone.layers.fast import gathered, onednn
from tests.conftest import images

pytestmark = pytest.mark.skipif(onednn.product is None, reason="this torch was built without oneDNN")


def encoder(**changes) -> JumboEncoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = JumboEncoder(**dict(embed_dim=16, depth=4, num_heads=2, jumbo_multiplier=3) | changes)
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=0.2)
    return model


@pytest.fixture(params=[True, False], ids=["gathered", "plain"])
def products(request, monkeypatch):
    """How many products for a gradient of a weight there were so far; none if nothing is gathered."""
    found = []
    multiply = gathered.onednn.gradient_of_weight
    monkeypatch.setattr(gathered, "_HUGE", 0 if request.param else 2**40)
    monkeypatch.setattr(onednn, "gradient_of_weight", lambda g, x: found.append(len(x)) or multiply(g, x))
    return found if request.param else None


def both(monkeypatch, backward, **changes):
    """The gradients of all parameters, gathered and plain."""
    results = []
    for huge in (0, 2**40):
        monkeypatch.setattr(gathered, "_HUGE", huge)
        model = encoder(**changes)
        torch.manual_seed(0)  # of dropout
        backward(model)
        results.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    assert results[0].keys() == results[1].keys()
    return results


def usual(model):
    model(images(3, 5, 16)).sin().sum().backward()


def checkpointed(model):
    model.set_grad_checkpointing()
    usual(model)


def reentrant(model):
    run = model._run
    model._run = lambda *args: run(*args)
    x = images(3, 5, 16).requires_grad_()
    torch.utils.checkpoint.checkpoint(model, x, use_reentrant=True).sin().sum().backward()


def twice(model):
    loss = model(images(3, 5, 16)).sin().sum()
    loss.backward(retain_graph=True)
    loss.backward()


def input_first(model):
    """A backward pass that asks for no weight leaves nothing behind for the next."""
    x = images(3, 5, 16).requires_grad_()
    out, (middle,) = model.forward_intermediates(x, [1])
    torch.autograd.grad(out.sin().sum(), x, retain_graph=True)
    middle.sin().sum().backward()


def stopped(model):
    _, taken = model.forward_intermediates(images(3, 5, 16), [0, 2], stop_early=True, intermediates_only=True)
    sum(t.sin().sum() for t in taken).backward()


def two_passes(model):
    (model(images(3, 5, 16)) * model(images(3, 5, 16, seed=1))).sum().backward()


@pytest.mark.parametrize("changes", [{}, dict(jumbo_lora_rank=2), dict(proj_drop_rate=0.3, jumbo_multiplier=1)])
@pytest.mark.parametrize("backward", [usual, checkpointed, reentrant, twice, input_first, stopped, two_passes])
def test_the_same_gradients(monkeypatch, backward, changes):
    ours, plain = both(monkeypatch, backward, **changes)
    for name, gradient in plain.items():
        torch.testing.assert_close(ours[name], gradient, atol=1e-4, rtol=1e-4, msg=lambda m, name=name: f"{name}: {m}")


def test_gradients_of_gradients(products):
    linear, x, found = nn.Linear(6, 4), torch.randn(3, 6, requires_grad=True), []
    for call in (gathered.gathered(linear, 2), linear):
        linear.zero_grad()
        (first,) = torch.autograd.grad((call(x).sin() * call(2 * x)).sum(), x, create_graph=True)
        first.square().sum().backward()
        found.append([linear.weight.grad.clone(), linear.bias.grad.clone()])
    for ours, plain in zip(*found, strict=True):
        torch.testing.assert_close(ours, plain, atol=1e-4, rtol=1e-4)


def test_one_product_for_all_blocks(products):
    usual(encoder())
    if products is not None:
        assert products == [4 * 3, 4 * 3]  # four blocks, three samples, two maps


@pytest.mark.parametrize("frozen", ["jumbo_mlp.fc1.weight", "jumbo_mlp"])
def test_a_frozen_ffn_gets_no_gradient(products, frozen):
    model = encoder()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not name.startswith(frozen))
    usual(model)
    for name, parameter in model.named_parameters():
        assert (parameter.grad is None) == name.startswith(frozen), name


def test_hooks_of_the_ffn_are_called(products):
    model, seen = encoder(), []
    for part in (model.jumbo_mlp, model.jumbo_mlp.fc1):
        handle = part.register_forward_hook(lambda *_: seen.append(1))
        usual(model)
        handle.remove()
    assert len(seen) == 8


def test_another_module_in_its_place_is_called(products):
    model = encoder()
    model.jumbo_mlp = nn.Sequential(copy.deepcopy(model.jumbo_mlp))
    model.jumbo_mlp.forward = lambda z, lora=None: 0 * z
    usual(model)
    assert not products


def test_functional_gradients(products):
    model, x = encoder(), images(3, 5, 16)
    weights = {name: p.detach() for name, p in model.named_parameters()}
    found = torch.func.grad(lambda w: torch.func.functional_call(model, w, (x,)).sin().sum())(weights)
    usual(model)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, atol=1e-4, rtol=1e-4)
