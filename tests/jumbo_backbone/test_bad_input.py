"""What a user can get wrong: each is a ValueError or TypeError that names the value, the limit and the way out."""

import re

import pytest
import torch

from jumbo_backbone import JumboEncoder, JumboViT, create_model
from tests.conftest import TINY, tiny_model


def build(**overrides):
    return lambda: JumboViT(**{**TINY, **overrides})


def run(x, method="forward", *args, **overrides):
    return lambda: getattr(tiny_model(**overrides), method)(x, *args)


IMAGE = torch.zeros(1, 3, 64, 64)

CASES = {
    "heads": (build(num_heads=5), ValueError, "embed_dim 48 is not divisible by num_heads 5: choose num_heads among"),
    "no heads": (build(num_heads=0), ValueError, "embed_dim 48 is not divisible by num_heads 0"),
    "depth": (build(depth=0), ValueError, "depth must be at least 1, got 0"),
    "multiplier": (build(jumbo_multiplier=0), ValueError, "jumbo_multiplier must be at least 1, got 0"),
    "ffn": (
        build(jumbo_ffn="wide"),
        ValueError,
        "unknown jumbo_ffn 'wide': choose one of shared, per_layer, none, patch",
    ),
    "lora rank": (build(jumbo_lora_rank=-1), ValueError, "jumbo_lora_rank=-1"),
    "lora without sharing": (
        build(jumbo_lora_rank=4, jumbo_ffn="per_layer"),
        ValueError,
        "jumbo_lora_rank=4 updates the shared FFN: it needs jumbo_ffn='shared' (got 'per_layer')",
    ),
    "native size below a patch": (build(img_size=8), ValueError, "img_size 8x8 is smaller than one patch of 16x16"),
    "native size": (
        build(img_size=(64, 70)),
        ValueError,
        "img_size 64x70 is not a multiple of patch_size 16x16: use 64x64",
    ),
    "patch size": (build(patch_size=0), ValueError, "patch_size must be at least 1, got 0x0"),
    "channels of the model": (build(in_chans=0), ValueError, "in_chans must be at least 1, got 0"),
    "classes": (build(num_classes=-1), ValueError, "num_classes must be at least 0 (0: no head), got -1"),
    "pool": (
        build(global_pool="avg"),
        ValueError,
        "unknown global_pool 'avg': choose one of 'jumbo_mean', 'token', ''",
    ),
    "pool of nothing": (build(global_pool=""), ValueError, "use num_classes=0 instead of 10"),
    "unknown keyword": (build(embed_dims=48), TypeError, "embed_dims"),
    "positional argument": (lambda: JumboViT(224), TypeError, "positional"),
    "encoder keyword": (lambda: JumboEncoder(img_size=4), TypeError, "img_size"),
    "preset": (
        lambda: create_model("jumbo_smal_patch16_224"),
        ValueError,
        "unknown preset 'jumbo_smal_patch16_224', did you mean 'jumbo_small_patch16_224'? "
        "There are: pico, nano, tiny, small, base, large",
    ),
    "preset keyword": (lambda: create_model("pico", widht=3), TypeError, "widht"),
    "image below a patch": (
        run(torch.zeros(1, 3, 8, 64)),
        ValueError,
        "image size 8x64 is smaller than one patch of 16x16: resize the image, or build the model with dynamic_img_pad",
    ),
    "image size": (
        run(torch.zeros(1, 3, 100, 64)),
        ValueError,
        "image size 100x64 is not a multiple of the patch 16x16: resize or crop to 96x64, or build the model with",
    ),
    "empty image": (run(torch.zeros(1, 3, 0, 64), dynamic_img_pad=True), ValueError, "image size 0x64"),
    "channels": (run(torch.zeros(1, 1, 64, 64)), ValueError, "images must be (B, 3, H, W), got (1, 1, 64, 64)"),
    "channels last": (run(torch.zeros(1, 64, 64, 3)), ValueError, "permute channels to the front"),
    "no batch": (run(torch.zeros(3, 64, 64)), ValueError, "images must be (B, 3, H, W), got (3, 64, 64)"),
    "integers": (
        run(torch.zeros(1, 3, 64, 64, dtype=torch.uint8)),
        TypeError,
        "images must be floating point, got torch.uint8: convert with images.float() / 255",
    ),
    "block": (
        run(IMAGE, "forward_intermediates", [0, 3]),
        ValueError,
        "block indices [0, 3] do not fit a model of 3 blocks: give None, a count from 1 to 3, or block numbers from -3",
    ),
    "block from the end": (run(IMAGE, "forward_intermediates", [-4]), ValueError, "block indices [-4]"),
    "no blocks": (run(IMAGE, "forward_intermediates", []), ValueError, "block indices []"),
    "too many blocks": (run(IMAGE, "forward_intermediates", 4), ValueError, "block indices 4"),
    "format": (
        lambda: tiny_model().forward_intermediates(IMAGE, output_fmt="NHWC"),
        ValueError,
        "unknown output_fmt 'NHWC': choose 'NCHW' or 'NLC'",
    ),
    "attention block": (run(IMAGE, "attention_map", 3), ValueError, "block indices [3]"),
    "reset pool": (lambda: tiny_model().reset_classifier(3, "max"), ValueError, "unknown global_pool 'max'"),
    "reset size": (lambda: tiny_model().set_input_size(70), ValueError, "img_size 70x70 is not a multiple"),
}


@pytest.mark.parametrize("case", CASES)
def test_is_refused_with_a_way_out(case):
    action, error, message = CASES[case]
    with pytest.raises(error, match=re.escape(message)):
        action()


def test_a_refused_change_changes_nothing():
    model = tiny_model()
    before = model.get_config()
    for change in (lambda: model.reset_classifier(3, "max"), lambda: model.set_input_size(70)):
        with pytest.raises(ValueError):
            change()
    assert model.get_config() == before
    assert model(IMAGE).shape == (1, 10)
