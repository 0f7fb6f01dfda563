"""Every preset through timm: registry, sizes, cost, features, optimiser groups, precision, pretrained weights."""

import math
import re

import pytest
import timm
import torch
from timm.data import create_transform, resolve_data_config
from timm.models import group_parameters
from timm.optim import create_optimizer_v2

import jumbo_backbone
from jumbo_backbone import ComputeBudget
from jumbo_backbone.budgets.flops import count_flops
from jumbo_backbone.models.presets import PRESETS
from tests.conftest import images

NAMES = jumbo_backbone.list_models()
SMALL_NAMES = NAMES[:4]  # what a two-core machine runs in no time; the big ones are built on the meta device
PARAMETERS = dict(pico=4779400, nano=8141672, tiny=17520424, small=66890344, base=131406568, large=383059944)
GFLOPS = dict(pico=0.81, nano=1.34, tiny=2.79, small=10.30, base=36.2)


def on_meta(preset: str, **kwargs):
    with torch.device("meta"):
        return jumbo_backbone.create_model(preset, **kwargs).eval()


def gflops_by_formula(preset: str, keep_rate: float = 1.0, patches: int = 196, classes: int = 1000) -> float:
    """Two FLOPs a multiply-add, matrix products alone."""
    D, L, J = (PRESETS[preset][name] for name in ("embed_dim", "depth", "jumbo_multiplier"))
    reducing = ComputeBudget(keep_rate).reducing_blocks(L)
    products, live, rest = patches * 768 * D + (J + 1) * D * classes, patches, patches
    for block in range(L):
        products += 4 * (J + rest) * D**2 + 2 * (J + rest) ** 2 * D
        if block in reducing:
            products += J * (J + rest) * D  # the slices' row of scores, which ranks the patches
            live = math.ceil(keep_rate * live)
            rest = live + 1  # and the fused token
        products += 8 * rest * D**2 + 8 * (J * D) ** 2
    return 2e-9 * products


def test_all_are_registered():
    assert len(NAMES) == 6
    assert set(NAMES) <= set(timm.list_models("jumbo_*"))
    assert set(timm.list_pretrained("jumbo_*")) == {f"{n}.in1k" for n in NAMES if "large" not in n}


@pytest.mark.parametrize("preset", PRESETS)
def test_cost(preset):
    model = on_meta(preset)
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[preset]
    gflops = count_flops(model, torch.empty(1, 3, 224, 224, device="meta")) / 1e9
    assert gflops == pytest.approx(gflops_by_formula(preset), rel=1e-3)
    if preset in GFLOPS:
        assert gflops == pytest.approx(GFLOPS[preset], abs=0.051 if preset == "base" else 0.0051)


@pytest.mark.parametrize("preset", PRESETS)
def test_cost_on_cpu(preset):
    """Where other kernels do the work than on the meta device, and a budget is kept."""
    model = on_meta(preset).to_empty(device="cpu")
    for p in model.parameters():
        p.data.zero_()  # random numbers for 400 million of them would take longer than the rest
    with torch.inference_mode():
        for keep_rate in (0.7, 0.3) if preset in ("base", "large") else (1.0, 0.7, 0.5, 0.3):
            gflops = count_flops(model, torch.zeros(1, 3, 224, 224), budget=ComputeBudget(keep_rate)) / 1e9
            assert gflops == pytest.approx(gflops_by_formula(preset, keep_rate), rel=0.01)


@pytest.mark.parametrize("name", SMALL_NAMES)
def test_forward_and_backward(name, device):
    model = timm.create_model(name, num_classes=7, img_size=64).to(device)
    torch.nn.init.normal_(model.head.weight, std=0.02)  # a head of zeros passes no gradient on
    y = model(images(2, 3, 64, 64).to(device))
    assert y.shape == (2, 7)
    y.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_features_only(name):
    with torch.device("meta"):
        model = timm.create_model(name, features_only=True, out_indices=(2, 5, 11))
        maps = model(torch.empty(2, 3, 96, 64))
    width = PRESETS[name.split("_")[1]]["embed_dim"]
    assert [tuple(m.shape) for m in maps] == [(2, width, 6, 4)] * 3
    assert model.feature_info.channels() == [width] * 3
    assert model.feature_info.reduction() == [16] * 3
    assert len(model.model.blocks) == 12 or name.startswith("jumbo_large")


def test_features_only_equals_forward_intermediates():
    torch.manual_seed(0)
    model = timm.create_model("jumbo_pico_patch16_224").eval()
    features = timm.create_model("jumbo_pico_patch16_224", features_only=True, out_indices=[3, -1]).eval()
    features.model.load_state_dict({k: v for k, v in model.state_dict().items() if "head" not in k}, strict=False)
    x = images(1, 3, 64, 96)
    for a, b in zip(features(x), model.forward_intermediates(x, [3, -1], intermediates_only=True), strict=True):
        assert torch.equal(a, b)


def test_preprocessing_of_the_released_weights():
    model = on_meta("small")
    config = resolve_data_config({}, model=model)
    assert config["input_size"] == (3, 224, 224)
    assert config["interpolation"] == "bilinear" and config["crop_pct"] == 1.0
    assert config["mean"] == (0.485, 0.456, 0.406) and config["std"] == (0.229, 0.224, 0.225)
    steps = str(create_transform(**config))
    assert re.search(r"Resize\(size=224, .*bilinear.*antialias=True", steps)
    assert "CenterCrop(size=(224, 224))" in steps


@pytest.mark.parametrize("preset", [p for p in PRESETS if p != "large"])
def test_where_the_released_weights_are(preset):
    cfg = timm.get_pretrained_cfg(f"jumbo_{preset}_patch16_224")
    assert (cfg.hf_hub_id, cfg.hf_hub_filename) == ("antofuller/jumbo", f"jumbo_{preset}.pth")


@pytest.mark.parametrize(("classes", "chans", "size"), [(1000, 3, 224), (7, 3, 224), (1000, 1, 96), (7, 5, (64, 96))])
def test_pretrained_takes_a_released_file(tmp_path, classes, chans, size):
    """The way timm downloads, with a local file of the released format in place of the hub's."""
    torch.manual_seed(0)
    source = jumbo_backbone.create_model("pico")
    torch.nn.init.normal_(source.head.weight, std=0.02)
    released = {**source.state_dict(), "cls_token": torch.zeros(1, 1, 96)}
    torch.save(released, tmp_path / "jumbo_pico.pth")
    model = timm.create_model(
        "jumbo_pico_patch16_224",
        pretrained=True,
        pretrained_cfg_overlay=dict(file=str(tmp_path / "jumbo_pico.pth")),
        num_classes=classes,
        in_chans=chans,
        img_size=size,
    ).eval()
    torch.testing.assert_close(model.jumbo_mlp.fc1.weight, source.jumbo_mlp.fc1.weight)
    assert torch.equal(model.blocks[11].attn.qkv.weight, source.blocks[11].attn.qkv.weight)
    if (classes, chans, size) == (1000, 3, 224):
        x = images(1, 3, 224, 224)
        torch.testing.assert_close(model(x), source.eval()(x))
    if classes == 7:
        assert (model.head.weight == 0).all()
    if chans == 1:
        torch.testing.assert_close(model.patch_embed.proj.weight, source.patch_embed.proj.weight.sum(1, keepdim=True))
    assert model.pos_embed.shape[1] == model.grid_size[0] * model.grid_size[1]


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("extra", [{}, {"jumbo_lora_rank": 2}, {"jumbo_ffn": "per_layer"}])
def test_every_parameter_has_one_depth(preset, extra):
    model = on_meta(preset, **extra)
    L = len(model.blocks)
    by_timm = group_parameters(model, model.group_matcher(), reverse=True)
    for name, _ in model.named_parameters():
        layer, layers = model.get_layer_depth(name)
        assert layers == L + 2
        assert layer == by_timm[name], name
        if name in ("jumbo_token", "pos_embed") or name.startswith("patch_embed"):
            assert layer == 0
        elif name.startswith("blocks."):
            assert layer == int(name.split(".")[1]) + 1
        elif name.startswith("jumbo_mlp"):
            assert layer == (L + 1) // 2
        elif name.startswith("norm"):
            assert layer == L
        else:
            assert name.startswith("head") and layer == L + 1


def test_optimiser_with_layer_decay():
    model = on_meta("pico")
    optimizer = create_optimizer_v2(model, opt="adamw", lr=1e-3, weight_decay=0.05, layer_decay=0.5)
    of = {}
    for group in optimizer.param_groups:
        for p in group["params"]:
            assert id(p) not in of
            of[id(p)] = group
    named = dict(model.named_parameters())
    assert len(of) == len(named)
    for name in ("jumbo_token", "pos_embed", "norm.weight", "blocks.3.norm3.weight", "jumbo_mlp.fc1.bias"):
        assert of[id(named[name])]["weight_decay"] == 0, name
    for name in ("jumbo_mlp.fc1.weight", "blocks.0.mlp.fc1.weight", "head.weight", "patch_embed.proj.weight"):
        assert of[id(named[name])]["weight_decay"] == 0.05, name
    scale = {name: of[id(p)]["lr_scale"] for name, p in named.items()}
    assert scale["head.weight"] == 1
    assert scale["blocks.11.mlp.fc1.weight"] == scale["norm.weight"] == 0.5
    assert scale["jumbo_mlp.fc1.weight"] == scale["blocks.5.mlp.fc1.weight"] == 0.5**7
    assert scale["jumbo_token"] == scale["pos_embed"] == 0.5**13


@pytest.mark.parametrize("preset", [*list(PRESETS)[:5], pytest.param("large", marks=pytest.mark.slow)])
def test_bfloat16_weights(preset):
    torch.manual_seed(0)
    model = jumbo_backbone.create_model(preset).eval()
    torch.nn.init.normal_(model.head.weight, std=0.02)
    x = images(2, 3, 224, 224)
    with torch.inference_mode():
        expected = model(x)
        low = model.to(torch.bfloat16)(x.bfloat16())
    assert low.dtype == torch.bfloat16
    error = ((low.float() - expected).norm() / (expected - expected.mean(1, keepdim=True)).norm()).item()
    assert error < 3e-2


@pytest.mark.parametrize("name", ["small", "jumbo_small_patch16_224", "jumbo_small_patch16_224.in1k"])
def test_create_model_takes_short_and_full_names(name):
    with torch.device("meta"):
        assert jumbo_backbone.create_model(name, depth=1).embed_dim == 384
