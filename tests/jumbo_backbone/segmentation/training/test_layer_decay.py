"""Every parameter has one learning rate and one weight decay, and they are the right ones."""

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmseg.registry import MODELS
from torch import nn

from jumbo_backbone.models.presets import PRESETS

LR, WD, RATE = 1e-3, 0.05, 0.5


class Segmentor(nn.Module):
    def __init__(self, backbone):
        super().__init__()
        self.backbone = MODELS.build(backbone)
        self.decode_head = nn.Sequential(nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8))


def groups_of(backbone, **paramwise):
    model = Segmentor(backbone)
    cfg = dict(
        type="OptimWrapper",
        optimizer=dict(type="AdamW", lr=LR, weight_decay=WD),
        constructor="LayerDecayOptimWrapperConstructor",
        paramwise_cfg=dict(layer_decay_rate=RATE, **paramwise),
    )
    groups = build_optim_wrapper(model, cfg).optimizer.param_groups
    names = {parameter: name for name, parameter in model.named_parameters()}
    found = [(names[p], group["lr"] / LR, group["weight_decay"] / WD) for group in groups for p in group["params"]]
    assert len(found) == len({name for name, *_ in found})
    assert {name for name, *_ in found} == {name for name, p in model.named_parameters() if p.requires_grad}
    return {name: (lr, decay) for name, lr, decay in found}, groups


def jumbo(**arch):
    sizes = dict(embed_dim=16, depth=4, num_heads=2, jumbo_multiplier=2)
    return dict(type="JumboViTBackbone", arch={**sizes, **arch}, img_size=32, out_indices=(1, 3))


@pytest.mark.parametrize("kind", ["jumbo", "registers", "lora", "per_layer"])
@pytest.mark.parametrize("preset", PRESETS)
def test_every_parameter_of_every_preset_is_in_one_group(preset, kind):
    changes = dict(
        jumbo={},
        registers=dict(jumbo_multiplier=17, jumbo_ffn="patch"),
        lora=dict(jumbo_lora_rank=2),
        per_layer=dict(jumbo_ffn="per_layer"),
    )[kind]
    with torch.device("meta"):
        found, groups = groups_of(
            dict(type="JumboViTBackbone", arch=dict(preset=preset, **changes), out_indices=(-1,), img_size=32)
        )
    depth = PRESETS[preset]["depth"]
    assert all(0 < lr <= 1 for lr, _ in found.values())
    assert len(groups) <= 2 * (depth + 2)  # few, so that one fused step of the optimiser serves many parameters


def test_rates_by_depth():
    found, _ = groups_of(jumbo(jumbo_lora_rank=2))
    rates = {name: lr for name, (lr, _) in found.items()}
    stem, head = RATE**5, 1.0
    for name in ("vit.jumbo_token", "vit.pos_embed", "vit.patch_embed.proj.weight"):
        assert rates[f"backbone.{name}"] == pytest.approx(stem)
    for block in range(4):
        for part in ("attn.qkv.weight", "norm3.weight", "mlp.fc1.bias"):
            assert rates[f"backbone.vit.blocks.{block}.{part}"] == pytest.approx(RATE ** (4 - block))
        lora = [r for name, r in rates.items() if name.startswith(f"backbone.vit.blocks.{block}.jumbo_lora")]
        assert lora == pytest.approx([RATE ** (4 - block)] * len(lora)) and lora
    # shared by all blocks: the middle one's rate, not the head's
    assert rates["backbone.vit.jumbo_mlp.fc1.weight"] == pytest.approx(RATE**3)
    assert rates["backbone.vit.norm.weight"] == pytest.approx(RATE)
    assert rates["backbone.readouts.0.from_jumbo.weight"] == rates["decode_head.0.weight"] == head


def test_weight_decay():
    found, _ = groups_of(jumbo())
    for name, (_, decay) in found.items():
        none = name.endswith((".bias", "jumbo_token", "pos_embed")) or "norm" in name or name == "decode_head.1.weight"
        assert decay == (0 if none else 1), name


def test_timm_baseline():
    found, _ = groups_of(
        dict(
            type="TimmViTBackbone", model_name="vit_tiny_patch16_224", img_size=32, depth=4, reg_tokens=2, out_indices=2
        )
    )
    assert found["backbone.vit.reg_token"] == (pytest.approx(RATE**5), 0)
    assert found["backbone.vit.blocks.3.mlp.fc1.weight"] == (pytest.approx(RATE), 1)
    assert found["decode_head.0.weight"] == (1, 1)


def test_frozen_parameters_shift_nobody():
    frozen, _ = groups_of(jumbo() | dict(frozen_stages=2))
    free, _ = groups_of(jumbo())
    assert frozen and set(frozen) < set(free)
    assert all(free[name] == value for name, value in frozen.items())


def test_custom_keys_multiply_and_the_longest_counts():
    custom = {
        "decode_head": dict(lr_mult=10.0),
        "vit": dict(lr_mult=3.0),
        "vit.norm": dict(decay_mult=2.0, lr_mult=0.1),
    }
    found, _ = groups_of(jumbo(), custom_keys=custom)
    plain, _ = groups_of(jumbo())
    for name, (lr, _) in found.items():
        factor = 10 if "decode_head" in name else 0.1 if "vit.norm" in name else 3 if "vit" in name else 1
        assert lr == pytest.approx(plain[name][0] * factor), name


@pytest.mark.parametrize(
    ("paramwise", "message"),
    [
        (dict(layer_decay_rate=0.0), "layer_decay_rate is 0.0.*above 0"),
        (dict(layer_decay_rate=1.5), "layer_decay_rate is 1.5.*at most 1"),
        (dict(layer_decay_rate=0.9, norm_decay_mult=0.0), "not norm_decay_mult"),
        (dict(custom_keys={}), "layer_decay_rate is None"),
    ],
)
def test_bad_options(paramwise, message):
    cfg = dict(
        optimizer=dict(type="AdamW", lr=LR, weight_decay=WD),
        constructor="LayerDecayOptimWrapperConstructor",
        paramwise_cfg=paramwise,
    )
    with pytest.raises(ValueError, match=message):
        build_optim_wrapper(Segmentor(jumbo()), cfg)


def test_a_backbone_that_does_not_tell():
    model = Segmentor(jumbo())
    model.backbone = nn.Linear(2, 2)
    cfg = dict(
        optimizer=dict(type="AdamW", lr=LR),
        constructor="LayerDecayOptimWrapperConstructor",
        paramwise_cfg=dict(layer_decay_rate=0.9),
    )
    with pytest.raises(ValueError, match="get_layer_depth.*Linear lacks"):
        build_optim_wrapper(model, cfg)
