"""The files that pretraining leaves, and who takes them."""

import pytest
import timm
import torch

from jumbo_backbone import JumboViT, load_checkpoint
from jumbo_backbone.pretraining import MaskedAutoencoder, load_weights, save_weights
from tests.conftest import TINY, images, tiny_model


def autoencoder(seed: int = 0, decoder_depth: int = 1, **sizes) -> MaskedAutoencoder:
    model = tiny_model(seed, **{"num_classes": 0, "global_pool": "", **sizes})
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return MaskedAutoencoder(model, decoder_dim=16, decoder_depth=decoder_depth)


def test_there_and_back(tmp_path):
    one, other, batch = autoencoder(0), autoencoder(1), images(2, 3, 64, 64)
    save_weights(one, tmp_path)
    load_weights(other, tmp_path)
    drawn = [found.reconstruct(batch, torch.Generator().manual_seed(0)) for found in (one, other)]
    assert torch.equal(drawn[0].reconstruction, drawn[1].reconstruction)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["decoder.safetensors", "encoder.safetensors"]


@pytest.mark.parametrize("sizes", [dict(num_classes=10), dict(num_classes=3, img_size=96), dict(num_classes=0)])
def test_a_classifier_begins_with_the_encoder(tmp_path, sizes):
    source = autoencoder()
    save_weights(source, tmp_path)
    model = JumboViT(**{**TINY, **sizes})
    report = load_checkpoint(model, tmp_path / "encoder.safetensors")
    x = images(1, 3, *model.patch_embed.img_size)
    torch.testing.assert_close(model.forward_features(x), source.backbone.forward_features(x), atol=1e-5, rtol=1e-5)
    assert [line for line in report.fresh if "the file has no head" in line] == report.fresh
    assert len(report.fresh) == (2 if sizes["num_classes"] else 0)
    assert bool(report.resampled) == ("img_size" in sizes)


def test_timm_begins_with_the_encoder(tmp_path):
    source = MaskedAutoencoder(timm.create_model("jumbo_pico_patch16_224", depth=1, img_size=32, num_classes=0))
    save_weights(source, tmp_path)
    sizes = dict(depth=1, img_size=64, num_classes=5, checkpoint_path=tmp_path / "encoder.safetensors")
    model = timm.create_model("jumbo_pico_patch16_224", **sizes)
    assert torch.equal(model.blocks[0].attn.qkv.weight, source.backbone.blocks[0].attn.qkv.weight)


def test_without_a_decoder(tmp_path):
    save_weights(autoencoder(), tmp_path)
    (tmp_path / "decoder.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="no decoder at .*pictures need the one that was trained"):
        load_weights(autoencoder(), tmp_path)


@pytest.mark.parametrize(
    "other, message",
    [
        (dict(decoder_depth=2), r"does not fit this decoder: 12 missing: decoder_blocks\.1.*Give decoder_dim"),
        (dict(embed_dim=24), "does not fit this model"),
        (dict(jumbo_ffn="patch"), "does not fit this model"),
    ],
)
def test_of_another_architecture(tmp_path, other, message):
    save_weights(autoencoder(), tmp_path)
    with pytest.raises(ValueError, match=message):
        load_weights(autoencoder(**other), tmp_path)
