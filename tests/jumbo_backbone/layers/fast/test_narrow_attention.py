"""Narrow attention is torch's attention, sooner."""

import pytest
import torch
import torch.nn.functional as F

from jumbo_backbone.layers.attention import Attention


def both_ways(layer, x, mask, monkeypatch):
    """Output, scores and gradients by narrow products, and by torch's kernel."""
    results, fused = [], []
    kernel = F.scaled_dot_product_attention
    monkeypatch.setattr(F, "scaled_dot_product_attention", lambda *a, **k: fused.append(1) or kernel(*a, **k))
    for most in (64, 0):
        monkeypatch.setattr("jumbo_backbone.layers.attention.SHORT", most)
        out, scores = layer(x, mask, score_rows=2)
        gradients = torch.autograd.grad(out.square().sum(), [x, *layer.parameters()])
        results.append((out, scores, *gradients))
    assert fused == [1]
    return results


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("some", [2**18, 3 * 21 * 21])  # all at once; three pairs of a sample and a head at a time
@pytest.mark.parametrize("largest", [1, 500])  # scores whose powers are finite, and such as are not
def test_is_the_fused_kernel(masked, bias, some, largest, monkeypatch):
    monkeypatch.setattr("jumbo_backbone.layers.fast.narrow_attention._SCORES", some)
    torch.manual_seed(0)
    layer = Attention(16, 4, qkv_bias=bias).double()
    with torch.no_grad():
        layer.qkv.weight[:16] *= largest
    x = torch.randn(5, 21, 16, dtype=torch.float64, requires_grad=True)
    mask = torch.rand(5, 21) > 0.3 if masked else None
    careful, amax = [], torch.Tensor.amax
    monkeypatch.setattr(torch.Tensor, "amax", lambda *a, **k: careful.append(1) or amax(*a, **k))
    results = both_ways(layer, x, mask, monkeypatch)
    assert bool(careful) == (largest > 1)
    for ours, expected in zip(*results, strict=True):
        tolerance = 1e-5 if ours.dtype == torch.float32 else 1e-12 * largest  # scores are float32
        torch.testing.assert_close(ours, expected, rtol=tolerance, atol=tolerance)


def test_inference_is_training(monkeypatch):
    monkeypatch.setattr("jumbo_backbone.layers.fast.narrow_attention._SCORES", 3 * 21 * 21)
    layer, x = Attention(16, 4), torch.randn(5, 21, 16)
    trained, scores = layer(x, score_rows=3)
    with torch.no_grad():
        out, same = layer(x, score_rows=3)
    assert torch.equal(out, trained) and torch.equal(scores, same) and not same.requires_grad
    torch.testing.assert_close(same.sum(dim=2), torch.ones(5, 3))
    assert layer(x[:0])[0].shape == (0, 21, 16)


@pytest.mark.parametrize("autocast", [False, True])
def test_bfloat16(autocast):
    layer, x = Attention(16, 4), torch.randn(5, 21, 16)
    expected, _ = layer(x)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        out, scores = layer(x, score_rows=1) if autocast else layer.bfloat16()(x.bfloat16(), score_rows=1)
    assert out.dtype == torch.bfloat16 and scores.dtype == torch.float32
    torch.testing.assert_close(out.float(), expected, rtol=0.05, atol=0.02)
    out.float().sum().backward()
    assert all(p.grad.isfinite().all() for p in layer.parameters())
