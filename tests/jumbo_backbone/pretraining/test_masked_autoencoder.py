"""The masked autoencoder against a plain transcription in numpy, its masks and gradients, and wrong inputs."""

import math

import numpy as np
import pytest
import torch
from scipy.special import erf

from jumbo_backbone import ComputeBudget
from jumbo_backbone.pretraining import MaskedAutoencoder
from tests.conftest import images, tiny_model

SMALL = dict(num_classes=0, global_pool="", img_size=(32, 48), patch_size=(8, 16), embed_dim=12, num_heads=2, depth=2)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def autoencoder(seed: int = 0, decoder: dict | None = None, **sizes) -> MaskedAutoencoder:
    model = tiny_model(seed, **{**SMALL, "jumbo_multiplier": 3, **sizes})
    with torch.random.fork_rng():
        torch.manual_seed(seed + 1)
        found = MaskedAutoencoder(model, **{"decoder_dim": 8, "decoder_heads": 2, **(decoder or {})})
        for parameter in found.parameters():  # zero biases and unit norms would hide mistakes
            torch.nn.init.normal_(parameter, std=0.2)
    return found.double()


# ---- a plain transcription: one image, one patch and one value at a time where that is clearer


def linear(w, name, x):
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def norm(w, name, x, eps=1e-5):
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + eps) * w[f"{name}.weight"] + w[f"{name}.bias"]


def attention(w, name, x, heads):
    n, D = x.shape
    q, k, v = linear(w, f"{name}.qkv", x).reshape(n, 3, heads, D // heads).transpose(1, 2, 0, 3)
    scores = q @ k.transpose(0, 2, 1) / math.sqrt(D // heads)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return linear(w, f"{name}.proj", (weights @ v).transpose(1, 0, 2).reshape(n, D))


def ffn(w, name, x):
    h = linear(w, f"{name}.fc1", x)
    return linear(w, f"{name}.fc2", h * (1 + erf(h / math.sqrt(2))) / 2)


def encoded(w, x, J, heads, depth):
    """Visible patches (n, D) to slices and patches (J+n, D)."""
    s = np.concatenate([w["backbone.jumbo_token"][0], x])
    for i in range(depth):
        block = f"backbone.blocks.{i}"
        s = s + attention(w, f"{block}.attn", norm(w, f"{block}.norm1", s), heads)
        z, x = s[:J].reshape(-1), s[J:]
        z = z + ffn(w, "backbone.jumbo_mlp", norm(w, f"{block}.norm3", z))
        x = x + ffn(w, f"{block}.mlp", norm(w, f"{block}.norm2", x))
        s = np.concatenate([z.reshape(J, -1), x])
    return norm(w, "backbone.norm", s)


def position(y, x, dim):
    """Sines of row and column, then their cosines."""
    bands = 1 / 10000 ** (np.arange(dim // 4) / (dim // 4))
    return np.concatenate([np.sin(y * bands), np.sin(x * bands), np.cos(y * bands), np.cos(x * bands)])


def transcribed(found, image, hidden, J, heads, decoder_heads):
    """Loss and reconstruction of one image (C, H, W), whose patches ``hidden`` (h, w) are hidden."""
    w = {name: tensor.numpy() for name, tensor in found.state_dict().items()}
    ph, pw = found.backbone.patch_embed.patch_size
    grid, D = hidden.shape, found.backbone.embed_dim
    dim = w["mask_token"].shape[-1]
    cut = {
        (y, x): image[:, y * ph : (y + 1) * ph, x * pw : (x + 1) * pw] for y in range(grid[0]) for x in range(grid[1])
    }
    kernel, table = w["backbone.patch_embed.proj.weight"], w["backbone.pos_embed"][0].reshape(*grid, D)
    seen = [place for place in cut if not hidden[place]]
    embedded = [
        (kernel * cut[place]).sum((1, 2, 3)) + w["backbone.patch_embed.proj.bias"] + table[place] for place in seen
    ]
    tokens = linear(w, "decoder_embed", encoded(w, np.stack(embedded), J, heads, found.backbone.depth))
    row = {place: J + number for number, place in enumerate(cut)}
    sequence = np.concatenate([tokens[:J], [w["mask_token"][0, 0] + position(*place, dim) for place in cut]])
    for number, place in enumerate(seen):
        sequence[row[place]] = tokens[J + number] + position(*place, dim)
    for i in range(len(found.decoder_blocks)):
        block = f"decoder_blocks.{i}"
        sequence = sequence + attention(w, f"{block}.attn", norm(w, f"{block}.norm1", sequence), decoder_heads)
        sequence = sequence + ffn(w, f"{block}.mlp", norm(w, f"{block}.norm2", sequence))
    pixels = linear(w, "decoder_head", norm(w, "decoder_norm", sequence))
    errors, drawn = [], image.copy()
    for (y, x), patch in cut.items():
        if not hidden[y, x]:
            continue
        predicted, mean, deviation = pixels[row[y, x]].reshape(patch.shape), 0.0, 1.0
        if found.norm_pixels:
            mean, deviation = patch.mean(), math.sqrt(patch.var() + 1e-6)
        errors.append(((predicted - (patch - mean) / deviation) ** 2).mean())
        drawn[:, y * ph : (y + 1) * ph, x * pw : (x + 1) * pw] = predicted * deviation + mean
    return np.mean(errors), drawn


@pytest.mark.parametrize("norm_pixels", [True, False])
def test_against_the_transcription(norm_pixels):
    found = autoencoder(decoder=dict(norm_pixels=norm_pixels, decoder_depth=2), in_chans=2)
    batch = images(3, 2, 32, 48).double()
    drawn = found.reconstruct(batch, generator())
    told = [
        transcribed(found, image, hidden, 3, 2, 2)
        for image, hidden in zip(batch.numpy(), drawn.hidden.numpy(), strict=True)
    ]
    assert found.loss(batch, generator()).item() == pytest.approx(np.mean([loss for loss, _ in told]), abs=1e-5)
    expected = np.stack([picture for _, picture in told])
    np.testing.assert_allclose(drawn.reconstruction.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["shared", "per_layer", "none", "patch"])
def test_every_kind_of_jumbo_token_learns(kind):
    found = autoencoder(jumbo_ffn=kind).float()
    found.loss(images(2, 3, 32, 48), generator()).backward()
    without = [name for name, p in found.named_parameters() if p.grad is None or not p.grad.any()]
    assert not without


def test_gradients_through_visible_patches_alone():
    found = autoencoder()
    batch = images(2, 3, 32, 48).double().requires_grad_()
    hidden = found.reconstruct(batch, generator()).hidden
    predicted, _, _ = found._predict(batch, generator())
    predicted.square().sum().backward()
    touched = batch.grad.abs().sum(1).reshape(2, 4, 8, 3, 16).sum((2, 4)) > 0  # of each patch
    assert torch.equal(touched, ~hidden)


def test_what_is_hidden_does_not_reach_the_prediction():
    found = autoencoder()
    one = images(2, 3, 32, 48).double()
    hidden = found.reconstruct(one, generator()).hidden
    wide = hidden.repeat_interleave(8, 1).repeat_interleave(16, 2).unsqueeze(1)
    other = torch.where(wide, images(2, 3, 32, 48, seed=1).double(), one)
    assert torch.equal(found._predict(one, generator())[0], found._predict(other, generator())[0])


def test_pictures():
    found, batch = autoencoder(), images(2, 3, 32, 48).double()
    drawn = found.reconstruct(batch, generator())
    wide = drawn.hidden.repeat_interleave(8, 1).repeat_interleave(16, 2).unsqueeze(1)
    assert torch.equal(drawn.images, batch) and drawn.hidden.sum((1, 2)).tolist() == [9, 9]
    assert torch.equal(drawn.visible, torch.where(wide, 0.0, batch))
    assert torch.equal(torch.where(wide, 0.0, drawn.reconstruction), drawn.visible)


def test_the_budget_of_the_model_does_not_count():
    found, batch = autoencoder(), images(2, 3, 32, 48).double()
    before = found.loss(batch, generator())
    found.backbone.default_budget = ComputeBudget(keep_rate=0.5, reduce_at=(0,), resolution=0.5)
    assert torch.equal(found.loss(batch, generator()), before)


def test_other_sizes_of_images():
    assert math.isfinite(autoencoder().loss(images(1, 3, 64, 32).double(), generator()).item())


def test_autocast():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = autoencoder().float().loss(images(2, 3, 32, 48), generator())
    assert loss.dtype == torch.float32 and math.isfinite(loss.item())


def test_a_step_learns():
    found = MaskedAutoencoder(tiny_model(**SMALL), decoder_dim=32)
    batch = torch.nn.functional.interpolate(images(4, 3, 3, 3), (32, 48), mode="bilinear")  # noise cannot be guessed
    optimizer = torch.optim.AdamW(found.parameters(), lr=5e-3)
    losses = []
    for _ in range(60):
        loss = found(batch, generator())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize(
    "decoder, sizes, message",
    [
        (dict(mask_ratio=0.0), {}, "hides none of 12 patches: give a ratio from 0.0833"),
        (dict(mask_ratio=1.0), {}, "hides all of 12 patches"),
        (dict(mask_ratio=1.5), {}, "hides all of 12 patches"),
        (dict(mask_ratio=-0.5), {}, "hides none of 12 patches"),
        (dict(mask_ratio=0.75), dict(img_size=8, patch_size=8), "the image is one patch"),
        (dict(decoder_heads=3), {}, "decoder_heads=3 does not divide decoder_dim=8"),
        (dict(decoder_heads=0), {}, "decoder_heads must be at least 1"),
        (dict(decoder_depth=0), {}, "decoder_depth must be at least 1"),
        (dict(decoder_dim=6), {}, "decoder_dim=6 must be a multiple of 4"),
        ({}, dict(patch_size=1, in_chans=1, img_size=4), "leaves nothing to predict"),
    ],
)
def test_sizes_that_do_not_fit(decoder, sizes, message):
    with pytest.raises(ValueError, match=message):
        autoencoder(decoder=decoder, **sizes)


@pytest.mark.parametrize(
    "shape, error, message",
    [
        ((1, 3, 30, 48), ValueError, "30x48 is not a multiple of the patch 8x16: resize or crop to 24x48"),
        ((1, 3, 4, 48), ValueError, "resize or crop to 8x48"),
        ((1, 4, 32, 48), ValueError, "images must be"),
        ((3, 32, 48), ValueError, "images must be"),
        ((1, 3, 8, 16), ValueError, "the image is one patch"),
    ],
)
@pytest.mark.parametrize("pad", [True, False])
def test_images_that_do_not_fit(shape, error, message, pad):
    found = autoencoder(dynamic_img_pad=pad)
    for call in (found.loss, found.reconstruct):
        with pytest.raises(error, match=message):
            call(images(*shape).double(), generator())


def test_whole_numbers_are_refused():
    with pytest.raises(TypeError, match="must be floating point"):
        autoencoder().loss(torch.zeros(1, 3, 32, 48, dtype=torch.uint8))
