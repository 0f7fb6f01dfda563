"""Which parameters adapt, in models that say how deep a parameter is and in others."""

import warnings

import pytest
import timm
import torch
from torch import nn

from jumbo_backbone import JumboEncoder
from jumbo_backbone.adaptation import SAR, Tent, parameters_to_adapt
from tests.conftest import images, tiny_model

TIMM_SIZES = dict(img_size=32, patch_size=16, embed_dim=24, num_heads=2, num_classes=4)


def blocks_of(names) -> dict[int, set[str]]:
    """By the number of a block, the norms in it."""
    found: dict[int, set[str]] = {}
    for name in names:
        parts = name.split(".")
        found.setdefault(int(parts[parts.index("blocks") + 1]), set()).add(parts[-2])
    return found


@pytest.mark.parametrize("depth, first", [(2, 1), (4, 3), (12, 9)])
def test_norms_of_the_first_three_quarters_of_the_blocks(depth, first):
    model = tiny_model(depth=depth)
    found = parameters_to_adapt(model)
    assert blocks_of(found) == {i: {"norm1", "norm2", "norm3"} for i in range(first)}
    own = dict(model.named_parameters())
    assert all(own[name] is parameter for name, parameter in found.items())
    assert {name.rpartition(".")[2] for name in found} == {"weight", "bias"}


def test_registers_have_no_third_norm():
    found = parameters_to_adapt(tiny_model(depth=4, jumbo_ffn="patch", jumbo_multiplier=17))
    assert blocks_of(found) == {i: {"norm1", "norm2"} for i in range(3)}


def test_a_model_of_timm():
    model = timm.create_model("vit_tiny_patch16_224", depth=4, **TIMM_SIZES)
    assert blocks_of(parameters_to_adapt(model)) == {i: {"norm1", "norm2"} for i in range(3)}
    assert blocks_of(parameters_to_adapt(model, share=0.5)) == {i: {"norm1", "norm2"} for i in range(2)}


def test_an_encoder_within_another_model():
    model = nn.Sequential(JumboEncoder(embed_dim=24, depth=4, num_heads=2, jumbo_multiplier=2), nn.LayerNorm(24))
    found = parameters_to_adapt(model)
    assert all(name.startswith("0.blocks.") for name in found) and set(blocks_of(found)) == {0, 1, 2}


def test_of_a_segmentor_only_the_backbone_adapts():
    """A head may be made of such blocks, too."""
    backbone = timm.create_model("vit_tiny_patch16_224", depth=4, **TIMM_SIZES)
    model = nn.Module()
    model.decode_head, model.backbone = nn.ModuleDict({"layers": backbone.blocks}), backbone
    model.decode_head = timm.create_model("vit_tiny_patch16_224", depth=4, **TIMM_SIZES)
    assert {name.split(".")[0] for name in parameters_to_adapt(model)} == {"backbone"}


def test_what_takes_no_gradient_is_left_out():
    model = tiny_model(depth=4)
    model.blocks[0].requires_grad_(False)
    assert set(blocks_of(parameters_to_adapt(model))) == {1, 2}


def frozen() -> nn.Module:
    return tiny_model().requires_grad_(False)


def compiled_in_place() -> nn.Module:
    model = tiny_model()
    model.compile(backend="eager")
    return model


def exported() -> nn.Module:
    return torch.export.export(tiny_model(), (images(1, 3, 64, 64),)).module()


def traced() -> nn.Module:
    with warnings.catch_warnings():  # that this is on its way out
        warnings.simplefilter("ignore")
        return torch.jit.trace(tiny_model(), images(1, 3, 64, 64))


@pytest.mark.parametrize("method", [Tent, SAR])
@pytest.mark.parametrize(
    "model, error, message",
    [
        (lambda: nn.Linear(3, 2), ValueError, "Linear has no LayerNorms in its blocks"),
        (lambda: timm.create_model("resnet10t"), ValueError, "ResNet has no LayerNorms"),
        (lambda: tiny_model(depth=1), ValueError, "0.75 of 1 block is none: give a deeper model"),
        (frozen, ValueError, "LayerNorms of the first 2 of 3 blocks are frozen .*requires_grad_"),
        (lambda: torch.compile(tiny_model()), TypeError, "compiled model cannot be adapted: give the model that"),
        (compiled_in_place, TypeError, "a compiled model cannot be adapted"),
        (lambda: nn.Sequential(torch.compile(tiny_model())), TypeError, "a compiled model cannot be adapted"),
        (exported, TypeError, "a traced, scripted or exported model cannot be adapted"),
        (traced, TypeError, "a traced, scripted or exported model cannot be adapted"),
        (lambda: "model.onnx", TypeError, "a model is a torch.nn.Module, not str: exported models"),
    ],
)
def test_models_that_cannot_adapt(method, model, error, message):
    with pytest.raises(error, match=message):
        method(model())


@pytest.mark.parametrize("share", [0, 1, -1, float("nan")])
def test_shares_out_of_range(share):
    with pytest.raises(ValueError, match=f"share={share} of the blocks: give a number above 0 and below 1"):
        parameters_to_adapt(tiny_model(), share)
