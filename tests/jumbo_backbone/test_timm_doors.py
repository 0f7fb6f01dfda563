"""What timm's users do with a plain ViT, beyond building and calling it: it works here, or is refused in words."""

import json

import pytest
import timm
import torch
from timm.data import resolve_model_data_config
from timm.models import save_for_hf
from timm.models._features_fx import create_feature_extractor
from timm.models.vision_transformer import checkpoint_filter_fn
from timm.utils import AttentionExtract
from torch import nn

from jumbo_backbone import ComputeBudget, JumboViT
from tests.conftest import TINY, images, tiny_model

NAME = "jumbo_pico_patch16_224"
HALF = ComputeBudget(keep_rate=0.5, reduce_at=(1,))


def by_timm(**kwargs):
    """A tiny model by timm's factory, with weights that tell images apart."""
    torch.manual_seed(0)
    model = timm.create_model(NAME, **{**TINY, **kwargs}).eval()
    inner = getattr(model, "model", model)
    if isinstance(inner.get_classifier(), nn.Linear):
        nn.init.normal_(inner.head.weight, std=0.1)
    return model


# ---- attention, and whatever else hooks see


PARTS = ("mlp", "mlp.fc1", "mlp.fc2", "attn.qkv", "attn.proj", "norm1", "norm2", "norm3", "jumbo_mlp.fc1")


def test_attention_extract_by_hooks():
    model, x = tiny_model(), images(2, 3, 64, 64)
    plain = model(x)
    with torch.no_grad():
        found = AttentionExtract(model, method="hook")(x)
        assert list(found) == [f"blocks.{i}.attn.attn_drop" for i in range(3)]
        J = model.jumbo_multiplier
        for block, probabilities in enumerate(found.values()):
            assert probabilities.shape == (2, 3, J + 16, J + 16)
            torch.testing.assert_close(probabilities.sum(-1), torch.ones(2, 3, J + 16))
            paid = probabilities[:, :, :J, J:].mean(dim=(1, 2)).view(2, 4, 4)
            torch.testing.assert_close(paid, model.attention_map(x, block), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(model(x), plain, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("part", PARTS)
def test_hooks_see_the_whole_batch_as_it_was(part, batch, grad, monkeypatch):
    """Inference goes by pieces of the batch and writes over what it has used: not over what somebody has kept."""
    monkeypatch.setattr("jumbo_backbone.layers.fast.block._PIECE", 1)
    model, x, seen = tiny_model(jumbo_ffn="per_layer"), images(batch, 3, 64, 64), []
    module = model.blocks[1].get_submodule(part)
    handle = module.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output)))
    with torch.set_grad_enabled(grad):
        watched = model(x)
        handle.remove()
        torch.testing.assert_close(watched, model(x), atol=1e-5, rtol=1e-5)
        ((given, gave),) = seen
        assert len(gave) == batch
        torch.testing.assert_close(module(given), gave, atol=1e-5, rtol=1e-5)


def test_hooks_see_what_dropout_has_not_touched():
    model, x, seen = tiny_model(proj_drop_rate=0.5).train(), images(2, 3, 64, 64), []
    for part in (model.blocks[0].mlp.fc2, model.blocks[0].attn.proj):
        part.register_forward_hook(lambda module, inputs, output: seen.append((module, inputs[0], output)))
    model(x)
    assert len(seen) == 2
    for module, given, gave in seen:
        torch.testing.assert_close(nn.functional.linear(given, module.weight, module.bias), gave)


@pytest.mark.parametrize("name", ["jumbo_mlp.fc1", "jumbo_mlp.fc2", "blocks.0.attn.qkv", "blocks.0.mlp.fc1"])
@pytest.mark.parametrize("training", [True, False])
def test_a_module_in_the_place_of_ours_is_asked(name, training, monkeypatch):
    """Such as an adapter of low rank, whose ``weight`` is that of the map it adapts."""
    monkeypatch.setattr("jumbo_backbone.layers.fast.linear._WORTHWHILE", 0)

    class Adapter(nn.Module):
        def __init__(self, base: nn.Linear) -> None:
            super().__init__()
            self.base, self.scale = base, nn.Parameter(torch.ones(()))

        weight = property(lambda self: self.base.weight)
        bias = property(lambda self: self.base.bias)

        def forward(self, x):
            return self.base(x) * self.scale

    model, x = tiny_model(), images(20, 3, 64, 64)
    plain = model(x)
    parent, _, child = name.rpartition(".")
    adapter = Adapter(model.get_submodule(name))
    setattr(model.get_submodule(parent), child, adapter)
    with torch.set_grad_enabled(training):
        torch.testing.assert_close(model(x), plain, atol=1e-5, rtol=1e-5)
        adapter.scale.data.fill_(3.0)
        assert not torch.allclose(model(x), plain, atol=1e-3)
    if training:
        model(x).square().sum().backward()
        assert adapter.scale.grad.abs() > 0


# ---- graphs


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("budget", [ComputeBudget(), HALF])
def test_a_traced_model_takes_any_batch(grad, budget):
    model = tiny_model()
    model.default_budget = budget
    with torch.set_grad_enabled(grad):
        for size in ((64, 64), (96, 80)):
            traced = torch.jit.trace(model, images(2, 3, *size))
            x = images(40, 3, *size, seed=1)
            torch.testing.assert_close(traced(x), model(x), atol=1e-4, rtol=1e-4)


REFUSED = {
    "torch.fx": lambda model: torch.fx.symbolic_trace(model),
    "timm's AttentionExtract on torch.fx": lambda model: AttentionExtract(model, method="fx"),
    "timm's features on torch.fx": lambda model: create_feature_extractor(model, {"blocks.1": "a"}),
    "torch.jit.script": lambda model: torch.jit.script(model),
    "torch.jit.script of features": lambda _: torch.jit.script(by_timm(features_only=True)),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_done_says_what_can(what):
    with pytest.raises(
        TypeError, match="torch.compile, torch.export and torch.jit.trace.*features_only=True.*method='hook'"
    ):
        REFUSED[what](tiny_model())


def test_a_block_alone_says_what_it_lacks():
    model, tokens = tiny_model(), images(2, 20, 48)
    with pytest.raises(TypeError, match=r"call block\(tokens, model.jumbo_mlp\)"):
        model.blocks[0](tokens)
    assert model.blocks[0](tokens, model.jumbo_mlp).shape == tokens.shape


@pytest.mark.parametrize("features", [False, True])
def test_a_budget_is_an_argument_of_an_export(features, tmp_path):
    model, x = by_timm(features_only=features), images(2, 3, 64, 64)
    expected = model(x, budget=HALF)
    shapes = {"x": {0: torch.export.Dim("batch", min=1, max=64)}, "budget": []}
    program = torch.export.export(model, (x,), dict(budget=HALF), dynamic_shapes=shapes)
    torch.export.save(program, tmp_path / "model.pt2")
    for exported in (program, torch.export.load(tmp_path / "model.pt2")):
        torch.testing.assert_close(exported.module()(x, budget=HALF), expected, atol=1e-5, rtol=1e-5)
        assert len(exported.module()(images(5, 3, 64, 64), budget=HALF)[0 if features else slice(None)]) == 5
    with pytest.raises(ValueError, match="exported input tree spec"):  # the graph computes that and no other
        program.module()(x, budget=ComputeBudget())
    # the other way: what the model does where nothing is said
    model.default_budget = HALF
    torch.testing.assert_close(torch.export.export(model, (x,)).module()(x), expected, atol=1e-5, rtol=1e-5)


def test_a_budget_is_an_argument_of_onnx(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    model, x = tiny_model(), images(3, 3, 64, 64)
    shapes = {"x": {0: "batch"}, "budget": []}
    file = tmp_path / "model.onnx"
    torch.onnx.export(
        model, (x[:2],), file, kwargs=dict(budget=HALF), dynamo=True, dynamic_shapes=shapes, verbose=False
    )
    (logits,) = onnxruntime.InferenceSession(file).run(None, {"x": x.numpy()})
    torch.testing.assert_close(torch.from_numpy(logits), model(x, budget=HALF).detach(), atol=1e-4, rtol=1e-4)


# ---- features


def test_features_at_a_budget():
    model, x = by_timm(features_only=True, out_indices=(0, -1)), images(2, 3, 64, 64)
    full, half = model(x), model(x, budget=HALF)
    expected = model.model.forward_intermediates(x, [0, 2], intermediates_only=True, budget=HALF)
    assert [m.shape for m in half] == [(2, 48, 4, 4)] * 2
    assert all(torch.equal(a, b) for a, b in zip(half, expected, strict=True))
    assert torch.equal(full[0], half[0]) and not torch.equal(full[1], half[1])
    model.default_budget = HALF
    assert model.default_budget == HALF and torch.equal(model(x)[1], half[1])
    assert model(x, budget=ComputeBudget(resolution=32))[0].shape == (2, 48, 2, 2)


@pytest.mark.parametrize("reshape", [False, True])
@pytest.mark.parametrize("prefix", [False, True])
def test_intermediate_layers_are_those_of_forward_intermediates(reshape, prefix):
    model, x = tiny_model(), images(2, 3, 64, 96)
    fmt = "NCHW" if reshape else "NLC"
    for n, norm in ((1, False), (2, True), ([0, 2], True)):
        options = dict(return_prefix_tokens=prefix, norm=norm)
        found = model.get_intermediate_layers(x, n, reshape=reshape, **options)
        expected = model.forward_intermediates(x, n, output_fmt=fmt, intermediates_only=True, **options)
        torch.testing.assert_close(found, expected)
    assert len(model.get_intermediate_layers(x)) == 1
    torch.testing.assert_close(
        model.get_intermediate_layers(x, [2], budget=HALF),
        model.forward_intermediates(x, [2], output_fmt="NLC", intermediates_only=True, budget=HALF),
    )


# ---- sizes


def test_dynamic_sizes_as_told():
    x = images(1, 3, 64, 96)
    assert torch.equal(by_timm(dynamic_img_size=True)(x), by_timm()(x))
    fixed = by_timm(dynamic_img_size=False)
    assert fixed(images(1, 3, 64, 64)).shape == (1, 10)
    with pytest.raises(ValueError, match=r"64x96 is not the model's 64x64.*set_input_size\(\(64, 96\)\)"):
        fixed(x)
    fixed.set_input_size((64, 96))
    assert fixed(x).shape == (1, 10)
    padding = by_timm(dynamic_img_size=False, dynamic_img_pad=True, img_size=60)
    assert padding(images(1, 3, 60, 60)).shape == (1, 10)


def test_data_config_follows_the_model():
    for model in (
        by_timm(img_size=(64, 96)),
        by_timm(img_size=(64, 96), features_only=True),
        tiny_model(img_size=(64, 96)),
    ):
        assert resolve_model_data_config(model)["input_size"] == (3, 64, 96)
        assert resolve_model_data_config(model)["interpolation"] == "bilinear"
    model = by_timm()
    model.set_input_size(96)
    assert resolve_model_data_config(model)["input_size"] == (3, 96, 96)


def test_timm_s_filter_takes_positions_for_what_they_are():
    """It would else take the first J of them for those of the jumbo slices."""
    source, target = tiny_model(), tiny_model(img_size=96)
    filtered = checkpoint_filter_fn(source.state_dict(), target)
    target.load_state_dict(filtered)
    x = images(1, 3, 96, 96)
    torch.testing.assert_close(target(x), source(x), atol=1e-5, rtol=1e-5)


# ---- folders


def change_nothing(model):
    pass


def change_size(model):
    model.set_input_size((32, 96), patch_size=8)


def change_head(model):
    model.reset_classifier(3, "token")
    nn.init.normal_(model.head.weight)


def prune(model):
    model.prune_intermediate_layers(2, prune_head=False)
    model.blocks = model.blocks[:2]


@pytest.mark.parametrize("change", [change_nothing, change_size, change_head, prune])
@pytest.mark.parametrize("make", [by_timm, tiny_model], ids=["timm's factory", "the class"])
@pytest.mark.parametrize("save", ["save_pretrained", "save_for_hf"])
def test_timm_reads_saved_folders(tmp_path, make, change, save):
    model = make(in_chans=4, img_size=(64, 96))
    change(model)
    model.eval()
    if save == "save_pretrained":
        model.save_pretrained(tmp_path / "model")
    else:
        save_for_hf(model, tmp_path / "model", safe_serialization=True)
    again = timm.create_model(f"local-dir:{tmp_path / 'model'}", pretrained=True).eval()
    x = images(2, 4, *model.patch_embed.img_size)
    assert again.patch_embed.img_size == model.patch_embed.img_size
    assert torch.equal(again(x), model(x))
    adapted = timm.create_model(f"local-dir:{tmp_path / 'model'}", pretrained=True, num_classes=2)
    assert torch.equal(adapted.blocks[1].mlp.fc1.weight, model.blocks[1].mlp.fc1.weight)


def test_a_folder_keeps_the_preprocessing(tmp_path):
    own = dict(mean=(0.1, 0.2, 0.3), interpolation="bicubic")
    by_timm(pretrained_cfg_overlay=own).save_pretrained(tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert config["architecture"] == NAME and config["pretrained_cfg"]["mean"] == [0.1, 0.2, 0.3]
    for model in (
        JumboViT.from_pretrained(tmp_path / "model"),
        timm.create_model(f"local-dir:{tmp_path / 'model'}", pretrained=True),
    ):
        found = resolve_model_data_config(model)
        assert tuple(found["mean"]) == (0.1, 0.2, 0.3) and found["interpolation"] == "bicubic"
        assert found["input_size"] == (3, 64, 64)


# ---- arguments


@pytest.mark.parametrize(
    ("keyword", "told"),
    [
        ("fc_norm", "takes no 'fc_norm'. Of what timm's own ViT can be told"),
        ("class_token", "takes no 'class_token'"),
        ("reg_tokens", "takes no 'reg_tokens'"),
        ("embed_dims", "takes no 'embed_dims', did you mean 'embed_dim'?"),
        ("img_sizes", "takes no 'img_sizes', did you mean 'img_size'?"),
    ],
)
def test_arguments_of_other_vits_are_refused_with_ours(keyword, told):
    with pytest.raises(TypeError, match=told) as refused:
        timm.create_model(NAME, **{keyword: 1})
    assert "jumbo_multiplier" in str(refused.value)


def test_device_and_type_are_taken():
    model = timm.create_model(NAME, **TINY, device="cpu", dtype=torch.bfloat16)
    assert model(images(1, 3, 64, 64).bfloat16()).dtype == torch.bfloat16


def test_pooling_by_itself():
    model, x = tiny_model(), images(2, 3, 64, 64)
    tokens = model.forward_features(x)
    assert torch.equal(model.head(model.pool(tokens)), model(x))
    assert torch.equal(model.pool(tokens, "token"), tokens[:, 0])
    with pytest.raises(ValueError, match="unknown global_pool 'avg'"):
        model.pool(tokens, "avg")
