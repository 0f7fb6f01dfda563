"""Masks: how many, which, and what decides them."""

import pytest
import torch

from jumbo_backbone.pretraining import draw_masks


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("patches, ratio, hidden", [(64, 0.75, 48), (10, 0.9, 9), (196, 0.75, 147), (2, 0.5, 1)])
def test_each_patch_is_visible_or_hidden(patches, ratio, hidden):
    visible, masked = draw_masks(5, patches, ratio, generator())
    assert masked.shape == (5, hidden)
    assert torch.equal(torch.cat([visible, masked], 1).sort(1).values, torch.arange(patches).expand(5, -1))
    assert torch.equal(visible, visible.sort(1).values) and torch.equal(masked, masked.sort(1).values)


def test_a_seed_decides_them():
    one, same, other = (draw_masks(4, 64, 0.75, generator(seed))[1] for seed in (0, 0, 1))
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert not torch.equal(one[0], one[1])  # each image has its own


def test_none_means_the_seed_of_torch():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        found = draw_masks(4, 64, 0.75)[1]
    assert torch.equal(found, draw_masks(4, 64, 0.75, generator(3))[1])


def test_all_patches_are_hidden_equally_often():
    _, hidden = draw_masks(4000, 16, 0.75, generator())
    share = torch.bincount(hidden.flatten(), minlength=16) / 4000
    assert (share - 0.75).abs().max() < 0.03  # four standard errors
