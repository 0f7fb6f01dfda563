"""Models from files of weights alone."""

import pytest
import torch
from safetensors.torch import save_file

from jumbo_backbone import save_checkpoint
from jumbo_backbone.models.rebuild import model_of_file
from tests.conftest import images, tiny_model


@pytest.mark.parametrize(
    "sizes", [{}, dict(img_size=(32, 64)), dict(jumbo_ffn="patch", num_heads=4, num_classes=0, global_pool="")]
)
@pytest.mark.parametrize("folder", [False, True])
def test_there_and_back(tmp_path, sizes, folder):
    source, path = tiny_model(**sizes), tmp_path if folder else tmp_path / "x.safetensors"
    source.save_pretrained(path) if folder else save_checkpoint(source, path)
    x = images(1, 3, *source.patch_embed.img_size)
    found = model_of_file(path)
    assert not found.training and torch.equal(found(x), source(x))
    fresh = model_of_file(path, pretrained=False)
    assert fresh.state_dict().keys() == found.state_dict().keys()
    assert not torch.equal(fresh.pos_embed, found.pos_embed)


@pytest.mark.parametrize(
    "name, error, message",
    [
        ("nowhere.safetensors", FileNotFoundError, "no model at .*nowhere"),
        ("bad.safetensors", ValueError, "bad.safetensors cannot be read as .safetensors"),
        ("bare.safetensors", ValueError, "does not say which sizes its model has"),
        (".", ValueError, "has no config.json, so it is no folder of save_pretrained"),
    ],
)
def test_files_that_will_not_do(tmp_path, name, error, message):
    (tmp_path / "bad.safetensors").write_bytes(b"x" * 100)
    save_file({"x": torch.zeros(1)}, tmp_path / "bare.safetensors")
    with pytest.raises(error, match=message):
        model_of_file(tmp_path / name)
