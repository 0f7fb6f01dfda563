"""The Jumbo token's FFN in 8 bits."""

import copy

import pytest
import torch
from torch import nn

from jumbo_backbone import (
    ComputeBudget,
    JumboEncoder,
    create_model,
    load_checkpoint,
    quantize_jumbo_ffn,
    save_checkpoint,
)
from jumbo_backbone.budgets.flops import count_flops
from jumbo_backbone.layers.fast import int8_linear
from jumbo_backbone.layers.fast.int8_linear import Int8Linear
from tests.conftest import images, tiny_model


def linear(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = nn.Linear(48, 40)
        made.weight.data[3] = 0  # a row whose scale could be 0
        return made


def test_weights_are_rounded_to_the_nearest_of_255():
    own = linear()
    weight = own.weight.detach()
    largest = weight.abs().amax(dim=1, keepdim=True)
    error = Int8Linear.of(own).float_weight() - weight
    assert (error.abs() <= largest / 127 / 2 * (1 + 1e-5)).all() and error.abs().max() > 0
    assert Int8Linear.of(own).weight.abs().amax(dim=1).tolist() == [127, 127, 127, 0, *[127] * 36]


@pytest.mark.parametrize("product", [True, False], ids=["int8", "float"])
@pytest.mark.parametrize("shape", [(48,), (1, 48), (5, 48), (2, 3, 48)])
def test_a_product_is_that_of_the_rounded_weight(shape, product, monkeypatch):
    if not product:
        monkeypatch.setattr(int8_linear, "_product", None)
    own, x = Int8Linear.of(linear()), torch.randn(shape, generator=torch.Generator().manual_seed(1))
    expected = nn.functional.linear(x, own.float_weight(), own.bias)
    with torch.no_grad():
        out = own(x)
    assert out.shape == expected.shape and out.dtype == torch.float32
    error = (out - expected).norm() / expected.norm()
    assert error < (5e-3 if product else 1e-6)


def test_inputs_get_a_gradient():
    own, x = Int8Linear.of(linear()), torch.randn(3, 48, requires_grad=True)
    own(x).sum().backward()
    torch.testing.assert_close(x.grad, own.float_weight().sum(dim=0).expand(3, -1))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_a_cast_of_the_model_keeps_the_scales(dtype):
    own = Int8Linear.of(linear())
    before = copy.deepcopy(own.state_dict())
    own.to(dtype)
    assert all(torch.equal(before[name], tensor) for name, tensor in own.state_dict().items())
    with torch.no_grad():
        assert own(torch.randn(2, 48, dtype=dtype)).dtype == dtype


def test_its_flops_are_counted():
    with torch.no_grad():
        assert count_flops(Int8Linear.of(linear()), torch.randn(2, 48)) == 2 * 2 * 48 * 40


@pytest.mark.parametrize("kind", ["shared", "per_layer"])
def test_a_model(kind):
    model = tiny_model(jumbo_ffn=kind).eval()
    x = images(2, 3, 64, 64)
    with torch.no_grad():
        expected = model.forward_features(x)
        assert quantize_jumbo_ffn(model) is model
        out = model.forward_features(x)
    error = (out - expected).norm() / expected.norm()
    assert 0 < error < 1e-2
    again = copy.deepcopy(model.state_dict())
    quantize_jumbo_ffn(model)
    assert all(torch.equal(again[name], tensor) for name, tensor in model.state_dict().items())
    names = {name.rpartition(".")[0] for name, tensor in again.items() if tensor.dtype == torch.int8}
    assert {name.rpartition(".")[2] for name in names} == {"fc1", "fc2"} and all("jumbo_mlp" in name for name in names)


def test_lora_and_budgets_go_on():
    model = create_model("pico", img_size=64, depth=4, jumbo_lora_rank=2, num_classes=0).eval()
    x = images(2, 3, 64, 64)
    with torch.no_grad():
        expected = model(x, budget=ComputeBudget(keep_rate=0.5))
        out = quantize_jumbo_ffn(model)(x, budget=ComputeBudget(keep_rate=0.5))
    error = (out - expected).norm() / expected.norm()
    assert 0 < error < 5e-2  # another patch may be dropped


@pytest.mark.parametrize("file", ["float", "int8"])
@pytest.mark.parametrize("into", ["float", "int8"])
def test_files(tmp_path, file, into):
    model = tiny_model()
    saved = copy.deepcopy(model)
    if file == "int8":
        quantize_jumbo_ffn(saved)
    save_checkpoint(saved, tmp_path / "m.safetensors")
    other = tiny_model(seed=1) if into == "float" else quantize_jumbo_ffn(tiny_model(seed=1))
    report = load_checkpoint(other, tmp_path / "m.safetensors")
    assert len([line for line in report.adapted if "int8" in line]) == 2 * (file != into)
    expected = dict(model.state_dict())
    if "int8" in (file, into):
        ffn = quantize_jumbo_ffn(copy.deepcopy(model)).jumbo_mlp
        expected |= {f"jumbo_mlp.{part}.weight": getattr(ffn, part).float_weight() for part in ("fc1", "fc2")}
    for part in ("fc1", "fc2"):
        ours = getattr(other.jumbo_mlp, part)
        weight = ours.float_weight() if into == "int8" else ours.weight
        torch.testing.assert_close(weight, expected[f"jumbo_mlp.{part}.weight"], atol=1e-7, rtol=1e-6)
    if into == "int8":  # quantising again what was quantised changes nothing
        plain = quantize_jumbo_ffn(copy.deepcopy(model)).jumbo_mlp
        assert torch.equal(other.jumbo_mlp.fc1.weight, plain.fc1.weight)


@pytest.mark.parametrize("kind", ["none", "patch"])
def test_a_model_without_such_an_ffn(kind):
    with pytest.raises(ValueError, match='has no FFN of a Jumbo token .* jumbo_ffn="shared"'):
        quantize_jumbo_ffn(JumboEncoder(embed_dim=8, num_heads=2, depth=1, jumbo_ffn=kind))
