"""Pictures of reconstructions, and what the model of the runner adds."""

import numpy as np
import pytest
import torch
from mmengine.model import ImgDataPreprocessor

from jumbo_backbone.segmentation.pretraining.hook import PretrainedFilesHook, sheet
from jumbo_backbone.segmentation.pretraining.model import HeldOutLoss, MaskedImageModel

MEAN, STD = [123.0, 116.0, 103.0], [58.0, 57.0, 56.0]


def model() -> MaskedImageModel:
    arch = dict(embed_dim=24, depth=1, num_heads=2, jumbo_multiplier=2)
    return MaskedImageModel(
        dict(arch=arch, img_size=32, patch_size=8), dict(type="ImgDataPreprocessor", mean=MEAN, std=STD), decoder_dim=16
    )


def test_pictures_have_the_colours_of_the_files():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)
    found = model()
    assert isinstance(found.data_preprocessor, ImgDataPreprocessor)
    inputs = found.data_preprocessor(dict(inputs=torch.from_numpy(pixels)))["inputs"]
    drawn = found.reconstruct(inputs, torch.Generator().manual_seed(0))
    page = np.asarray(sheet(drawn, found.data_preprocessor))
    assert page.shape == (2 * 128 + 4, 3 * 128 + 8, 3)  # four times as large, to be seen
    first, visible, guess = (page[:128:4, x : x + 128 : 4] for x in (0, 132, 264))
    assert np.array_equal(first, pixels[0].transpose(1, 2, 0))
    hidden = drawn.hidden[0].repeat_interleave(8, 0).repeat_interleave(8, 1).numpy()
    assert (visible[hidden] == MEAN).all() and np.array_equal(visible[~hidden], first[~hidden])
    assert np.array_equal(guess[~hidden], first[~hidden]) and not np.array_equal(guess[hidden], first[hidden])


def test_a_negative_number_of_pictures():
    with pytest.raises(ValueError, match="pictures=-1: give 0 or more"):
        PretrainedFilesHook(-1)


def test_the_held_out_loss_is_always_of_the_same_masks():
    found, batch = model(), torch.randn(4, 3, 32, 32)
    index = torch.arange(8, 12)
    with torch.no_grad():
        one, other = (found(batch, index=index, mode="predict") for _ in range(2))
        again = found(batch, index=index + 1, mode="predict")
        alone = [found(batch[i : i + 1], index=index[i : i + 1], mode="predict")[0]["loss"] for i in range(4)]
    assert one == other != again and len(one) == 4
    assert [sample["loss"] for sample in one] == pytest.approx(alone, rel=1e-5)  # whatever the batch
    metric = HeldOutLoss()
    metric.process({}, [dict(loss=1.0)] * 3)
    metric.process({}, [dict(loss=5.0)])
    assert metric.evaluate(4) == dict(held_out_loss=2.0)


def test_tokens_of_images():
    assert model()(torch.randn(2, 3, 32, 32)).shape == (2, 2 + 16, 24)
