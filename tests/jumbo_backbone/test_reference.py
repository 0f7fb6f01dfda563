"""Parity with the authors' implementation, on stored outputs (float32, 1e-4)."""

import pytest
import torch

from jumbo_backbone import JumboViT, load_checkpoint
from tests.conftest import TINY


@pytest.fixture()
def model(reference_weights):
    model = JumboViT(**TINY).eval()
    assert "cls_token" in reference_weights  # the dead weight of the released files
    model.load_state_dict(reference_weights)
    return model


@pytest.fixture(params=[True, False], ids=["autograd", "inference"])
def grad(request):
    with torch.set_grad_enabled(request.param):
        yield request.param


def test_tokens(model, reference, grad):
    torch.testing.assert_close(model.forward_features(reference["input"]), reference["tokens"], atol=1e-4, rtol=0)


def test_logits(model, reference, grad):
    torch.testing.assert_close(model(reference["input"]), reference["logits"], atol=1e-4, rtol=0)


def test_attention(model, reference, grad):
    torch.testing.assert_close(model.attention_map(reference["input"]), reference["attention"], atol=1e-4, rtol=0)


def test_another_image_size(model, reference, grad):
    torch.testing.assert_close(model(reference["input_96x80"]), reference["logits_96x80"], atol=1e-4, rtol=0)


def test_released_file_through_load_checkpoint(reference_weights, reference, tmp_path):
    torch.save(reference_weights, tmp_path / "jumbo_tiny.pth")
    model = JumboViT(**TINY).eval()
    report = load_checkpoint(model, tmp_path / "jumbo_tiny.pth")
    assert report.loaded == len(reference_weights) - 1
    assert "cls_token" in report.skipped[0]
    torch.testing.assert_close(model(reference["input"]), reference["logits"], atol=1e-4, rtol=0)
