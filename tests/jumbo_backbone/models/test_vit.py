"""The image model: sizes, positions, features, pooling, attention maps; and the registers baseline against timm."""

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from timm.models.vision_transformer import VisionTransformer

from jumbo_backbone import ComputeBudget, JumboViT
from jumbo_backbone.budgets.token_reduction import restore_patches
from jumbo_backbone.layers.pos_embed import PositionCache
from tests.conftest import images, tiny_model


@pytest.mark.parametrize(
    ("model_args", "shape", "grid"),
    [
        ({}, (2, 3, 64, 64), (4, 4)),
        ({}, (1, 3, 96, 80), (6, 5)),
        ({}, (1, 3, 32, 128), (2, 8)),  # as many patches as the native grid, another shape
        ({"img_size": (32, 128)}, (1, 3, 32, 128), (2, 8)),
        ({"img_size": (32, 128)}, (1, 3, 64, 64), (4, 4)),
        ({"patch_size": 8, "in_chans": 1}, (2, 1, 64, 48), (8, 6)),
        ({"patch_size": (8, 16), "in_chans": 6}, (2, 6, 64, 64), (8, 4)),
        ({"dynamic_img_pad": True}, (2, 3, 50, 70), (4, 5)),
        ({"dynamic_img_pad": True}, (2, 3, 5, 7), (1, 1)),
        ({"dynamic_img_pad": True, "img_size": 60}, (2, 3, 60, 60), (4, 4)),
    ],
)
def test_sizes(model_args, shape, grid):
    model = tiny_model(**model_args)
    x = images(*shape)
    assert model(x).shape == (shape[0], 10)
    assert model.forward_features(x).shape == (shape[0], 4 + grid[0] * grid[1], 48)
    final, maps = model.forward_intermediates(x)
    assert len(maps) == 3
    assert all(m.shape == (shape[0], 48, *grid) for m in maps)
    assert model.attention_map(x).shape == (shape[0], *grid)


def test_padding_is_right_and_bottom_with_zeros():
    model, x = tiny_model(dynamic_img_pad=True), images(2, 3, 50, 70)
    torch.testing.assert_close(model(x), tiny_model()(F.pad(x, (0, 10, 0, 14))))


def test_positions_follow_the_shape_of_the_grid():
    """A 4x4 table on a 2x8 grid is not the table itself, though both have 16 entries."""
    model = tiny_model()
    tokens, grid = model.embed(torch.zeros(1, 3, 32, 128))
    assert grid == (2, 8)
    table = model.pos_embed.view(1, 4, 4, 48).permute(0, 3, 1, 2)
    expected = F.interpolate(table, size=(2, 8), mode="bicubic", antialias=True, align_corners=False)
    got = tokens - model.patch_embed(torch.zeros(1, 3, 32, 128))
    torch.testing.assert_close(got.transpose(1, 2).reshape(1, 48, 2, 8), expected, atol=1e-6, rtol=1e-5)


class TestPositionCache:
    grid = (6, 5)

    def get(self, model):
        return model._position_cache.get(model.pos_embed, model.grid_size, self.grid)

    def test_is_used_in_inference_only(self):
        model = tiny_model()
        assert self.get(model) is not self.get(model)
        with torch.no_grad():
            assert self.get(model) is self.get(model)
            model.train()
            model.eval()
            first = self.get(model)
        assert first.requires_grad is False
        assert self.get(model).requires_grad

    def test_follows_the_parameter(self):
        model = tiny_model()
        with torch.no_grad():
            before = self.get(model)
            model.pos_embed.add_(1.0)
            torch.testing.assert_close(self.get(model), before + 1, atol=1e-5, rtol=0)
            assert self.get(model.double()).dtype == torch.float64

    def test_follows_a_hidden_write_after_a_change_of_mode(self):
        model = tiny_model()
        with torch.no_grad():
            before = self.get(model)
            model.pos_embed.data.add_(1.0)  # as averaged weights are swapped in
            model.eval()
            torch.testing.assert_close(self.get(model), before + 1, atol=1e-5, rtol=0)

    def test_is_bounded_and_not_copied(self):
        cache, table = PositionCache(), torch.nn.Parameter(torch.randn(1, 16, 8))
        with torch.no_grad():
            for side in range(5, 40):
                cache.get(table, (4, 4), (side, side))
        assert len(cache._entries) <= 8
        assert not copy.deepcopy(cache)._entries
        assert not pickle.loads(pickle.dumps(cache))._entries

    def test_serves_threads_that_want_other_grids(self):
        """One of them may remove what another one has just found."""
        cache, table = PositionCache(), torch.nn.Parameter(torch.randn(1, 16, 8))

        class Contended(dict):
            def __contains__(self, key) -> bool:
                found = super().__contains__(key)
                self.clear()  # by another thread, right after the answer
                return found

        cache._entries = Contended()
        with torch.no_grad():
            first = cache.get(table, (4, 4), (5, 5))
            torch.testing.assert_close(cache.get(table, (4, 4), (5, 5)), first)

    def test_works_on_a_model_made_in_inference_mode(self):
        with torch.inference_mode():
            model = tiny_model()
            torch.testing.assert_close(model(images(1, 3, 96, 80)), tiny_model()(images(1, 3, 96, 80)))

    def test_inference_mode_entries_serve_no_grad(self):
        model, x = tiny_model(), images(1, 3, 96, 80)
        with torch.inference_mode():
            a = model(x)
        with torch.no_grad():
            b = model(x)
        torch.testing.assert_close(a.clone(), b)
        model(x).sum().backward()
        assert model.pos_embed.grad.abs().max() > 0


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("fmt", ["NCHW", "NLC"])
def test_forward_intermediates_speaks_timm(norm, fmt):
    model, x = tiny_model(), images(2, 3, 64, 80)
    final, maps = model.forward_intermediates(x, indices=[0, 2], norm=norm, output_fmt=fmt)
    assert torch.equal(final, model.forward_features(x))
    pairs = model.forward_intermediates(
        x, indices=[0, 2], norm=norm, output_fmt=fmt, return_prefix_tokens=True, intermediates_only=True
    )
    for m, (same, prefix) in zip(maps, pairs, strict=True):
        assert torch.equal(m, same)
        assert prefix.shape == (2, 4, 48)
    as_dict = model.forward_intermediates(x, 2, norm=norm, output_fmt=fmt, output_dict=True, return_prefix_tokens=True)
    assert set(as_dict) == {"image_features", "image_intermediates", "image_intermediates_prefix"}
    assert torch.equal(as_dict["image_intermediates"][-1], maps[-1])
    if norm:
        last = maps[-1].flatten(2).transpose(1, 2) if fmt == "NCHW" else maps[-1]
        assert torch.equal(last, final[:, 4:])
        assert torch.equal(pairs[-1][1], final[:, :4])


def test_feature_maps_keep_places():
    """What changes in one corner of the image changes the first block's map there most."""
    model, x = tiny_model(), images(1, 3, 64, 64)
    changed = x.clone()
    changed[..., 48:, :16] += 3.0  # bottom left patch
    difference = (
        (
            model.forward_intermediates(changed, [0], intermediates_only=True)[0]
            - model.forward_intermediates(x, [0], intermediates_only=True)[0]
        )
        .abs()
        .sum(1)[0]
    )
    assert difference.argmax() == 3 * 4 + 0


def test_attention_map_of_a_block_is_that_block_s():
    model, x = tiny_model(), images(2, 3, 64, 80)
    maps = [model.attention_map(x, block) for block in range(3)]
    assert torch.equal(maps[-1], model.attention_map(x))
    assert torch.equal(maps[0], model.attention_map(x, -3))
    assert not torch.allclose(maps[0], maps[1])
    for m in maps:
        assert (m >= 0).all() and (m.flatten(1).sum(1) < 1).all()


def test_head_pools_jumbo_token_and_patch_mean():
    model = tiny_model()
    tokens = images(2, 4 + 16, 48)
    pooled = model.forward_head(tokens, pre_logits=True)
    assert torch.equal(pooled[:, : 4 * 48], tokens[:, :4].reshape(2, -1))
    torch.testing.assert_close(pooled[:, 4 * 48 :], tokens[:, 4:].mean(1))
    assert model.num_features == model.head_hidden_size == pooled.shape[1] == 5 * 48


def test_fresh_head_is_uniform():
    model = JumboViT(img_size=32, embed_dim=32, depth=1, num_heads=2, num_classes=7)
    probabilities = model(images(2, 3, 32, 32)).sigmoid()
    torch.testing.assert_close(model.head.bias, torch.full((7,), -torch.tensor(7.0).log().item()))
    assert (probabilities == probabilities[0, 0]).all()


def test_reset_classifier():
    model, x = tiny_model(), images(2, 3, 64, 64)
    model.reset_classifier(5)
    assert model(x).shape == (2, 5) and model.get_classifier().out_features == 5
    model.reset_classifier(3, "token")
    assert model(x).shape == (2, 3) and model.num_features == 48
    model.reset_classifier(0)
    assert model(x).shape == (2, 48)
    model.reset_classifier(0, "")
    assert model(x).shape == (2, 20, 48)
    model.to(torch.bfloat16).reset_classifier(4, "jumbo_mean")
    assert model(x.bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize("size", [(96, 80), (32, 128), (64, 64)])
def test_set_input_size_is_resampling_once_and_for_all(size):
    model, x = tiny_model(), images(2, 3, *size)
    expected = model(x)
    model.set_input_size(size)
    assert model.grid_size == (size[0] // 16, size[1] // 16)
    assert model.pos_embed.shape[1] == model.grid_size[0] * model.grid_size[1]
    torch.testing.assert_close(model(x), expected)
    assert model.get_config()["img_size"] == list(size)


def test_set_patch_size_keeps_the_features_of_a_scaled_image():
    """FlexiViT's property: kernels resampled to the patch give the embedding of the smaller image, scaled up."""
    model = tiny_model()
    small = F.interpolate(images(1, 3, 4, 4), size=(64, 64), mode="bicubic")  # smooth: scaling loses nothing
    before = model(small)
    model.set_input_size(128, 32)
    assert model.patch_embed.patch_size == (32, 32) and model.feature_info[0]["reduction"] == 32
    big = F.interpolate(small, size=(128, 128), mode="bilinear", antialias=True)
    assert (model(big) - before).norm() < 0.1 * before.norm()


def test_training_mode_returns_the_model():
    model = tiny_model()
    assert model.train() is model and model.eval() is model and model.eval().requires_grad_(True) is model


def test_prune_intermediate_layers():
    model, x = tiny_model(), images(2, 3, 64, 64)
    expected = model.forward_intermediates(x, [1], intermediates_only=True)[0]
    assert model.prune_intermediate_layers([1], prune_norm=True) == [1]
    assert len(model.blocks) == 2 and isinstance(model.head, torch.nn.Identity)
    assert torch.equal(model.forward_intermediates(x, [1], intermediates_only=True)[0], expected)


def test_drop_rates_act_in_training_only():
    x = images(2, 3, 64, 64)
    for rate in ("drop_rate", "pos_drop_rate", "proj_drop_rate", "attn_drop_rate", "drop_path_rate"):
        model = tiny_model(**{rate: 0.5})
        torch.testing.assert_close(model(x), tiny_model()(x))
        model.train()
        assert not torch.allclose(model(x), model(x)), rate


def test_a_step_of_training_lowers_the_loss(device):
    model = tiny_model().train().to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    x, y = images(16, 3, 64, 64).to(device), torch.arange(16, device=device) % 10
    losses = []
    for _ in range(12):
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_deepcopy_and_pickle():
    model, x = tiny_model(img_size=(32, 128)), images(1, 3, 64, 64)
    with torch.no_grad():
        expected = model(x)
        assert torch.equal(copy.deepcopy(model)(x), expected)
        assert torch.equal(pickle.loads(pickle.dumps(model))(x), expected)


@pytest.mark.parametrize("registers", [16, 0])
def test_patch_ffn_is_timm_s_vit_with_registers(registers):
    """Without the Jumbo token's own FFN and with one slice at the head, the model is a plain ViT."""
    sizes = dict(img_size=64, patch_size=16, num_classes=10, embed_dim=48, depth=3, num_heads=3)
    ours = tiny_model(jumbo_ffn="patch", global_pool="token", jumbo_multiplier=1 + registers)
    timms = VisionTransformer(**sizes, reg_tokens=registers, no_embed_class=True, norm_layer=torch.nn.LayerNorm).eval()
    weights = ours.state_dict()
    token = weights.pop("jumbo_token")
    weights["cls_token"] = token[:, :1]
    if registers:
        weights["reg_token"] = token[:, 1:]
    timms.load_state_dict(weights)
    x = images(2, 3, 64, 64)
    torch.testing.assert_close(ours(x), timms(x), atol=1e-5, rtol=1e-5)
    a = ours.forward_intermediates(x, [0, 2], intermediates_only=True)
    b = timms.forward_intermediates(x, [0, 2], intermediates_only=True)
    for ours_map, timms_map in zip(a, b, strict=True):
        torch.testing.assert_close(ours_map, timms_map, atol=1e-5, rtol=1e-5)


def test_autocast():
    model, x = tiny_model(), images(2, 3, 64, 64)
    with torch.autocast("cpu", torch.bfloat16):
        low = model(x)
        low.float().sum().backward()
    assert (low.float() - model(x)).norm() < 3e-2 * model(x).norm()
    assert all(p.grad is not None for p in model.parameters())


def test_autocast_in_inference():
    model, x = tiny_model(), images(9, 3, 64, 64)  # enough samples for the other order of the wide FFN's product
    with torch.no_grad():
        expected = model(x)
        with torch.autocast("cpu", torch.bfloat16):
            low = model(x)
    assert low.dtype == torch.bfloat16
    assert (low.float() - expected).norm() < 3e-2 * expected.norm()


@pytest.mark.parametrize("grad", [True, False])
def test_empty_batch(grad):
    with torch.set_grad_enabled(grad):
        assert tiny_model()(images(0, 3, 64, 64)).shape == (0, 10)


@pytest.mark.parametrize("norm", [False, True])
def test_intermediates_alone_cost_nothing_else(norm, monkeypatch):
    """Nobody asked for the final tokens: they are neither restored nor normed."""
    restored = []
    monkeypatch.setattr(
        "jumbo_backbone.models.encoder.restore_patches", lambda *args: restored.append(1) or restore_patches(*args)
    )
    model, x, normed = tiny_model(), images(2, 3, 64, 64), []
    model.norm.register_forward_hook(lambda *_: normed.append(1))
    options = dict(indices=[0, 1], norm=norm, intermediates_only=True, budget=ComputeBudget(0.5, (0,)))
    maps = model.forward_intermediates(x, **options)
    assert len(restored) == 2 and len(normed) == 2 * norm
    _, expected = model.forward_intermediates(x, **dict(options, intermediates_only=False))
    assert all(torch.equal(a, b) for a, b in zip(maps, expected, strict=True))
    as_dict = model.forward_intermediates(x, **options, output_dict=True)
    assert set(as_dict) == {"image_intermediates"} and torch.equal(as_dict["image_intermediates"][1], maps[1])
