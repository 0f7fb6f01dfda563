"""Patches, normalisation and positions of a 1-D signal."""

import pytest
import torch
from torch import nn

from timeseries.networks.patching import InstanceNorm, SeriesEmbed, num_patches, sincos_positions


def series(*shape, seed=0, missing=0.0):
    generator = torch.Generator().manual_seed(seed)
    x = 3 + 2 * torch.randn(*shape, generator=generator)
    observed = torch.rand(*shape, generator=generator) >= missing
    return (x, observed) if missing else x


def test_apply_of_a_module_goes_through_it():
    seen = []
    nn.Sequential(InstanceNorm()).apply(lambda module: seen.append(type(module)))
    assert InstanceNorm in seen


KINDS = [(kind, affine) for kind in ("standard", "last", "difference") for affine in (False, True)]


@pytest.mark.parametrize(("kind", "affine"), [("none", False), *KINDS])
def test_normalising_is_undone(kind, affine):
    norm = InstanceNorm(kind, affine)
    if affine:
        torch.nn.init.constant_(norm.weight, 1.7)
        torch.nn.init.constant_(norm.bias, -0.3)
    x = series(4, 2, 30)
    normed, _, stats = norm(x)
    if kind == "difference":  # restored from the last value, not from the differences
        assert torch.allclose(
            norm.restore(normed.new_zeros(4, 1) * stats.scale[:, 0] + (norm.bias or 0), stats), x[:, 0, -1:]
        )
    else:
        assert torch.allclose(norm.restore(normed[:, 0], stats), x[:, 0], atol=1e-5)
    if kind == "standard" and not affine:
        assert torch.allclose(normed.mean(dim=-1), torch.zeros(4, 2), atol=1e-6)
        assert torch.allclose(normed.std(dim=-1, correction=0), torch.ones(4, 2), atol=1e-5)


@pytest.mark.parametrize("kind", ["standard", "last", "difference"])
def test_what_is_missing_does_not_count(kind):
    x, observed = series(3, 2, 40, missing=0.3)
    norm = InstanceNorm(kind)
    normed, seen, stats = norm(x, observed)
    other, _, other_stats = norm(torch.where(observed, x, 1e6), observed)
    assert torch.equal(normed, other) and torch.equal(stats.scale, other_stats.scale)
    assert (normed[~seen] == 0).all() and not (seen & ~observed).any()
    if kind == "standard":
        for b, c in ((0, 0), (2, 1)):
            kept = x[b, c][observed[b, c]]
            assert torch.allclose(stats.location[b, c], kept.mean(), atol=1e-5)
            assert torch.allclose(stats.scale[b, c], kept.std(correction=0), atol=1e-5)
    if kind == "last":
        assert stats.location[1, 0] == x[1, 0][observed[1, 0]][-1]


@pytest.mark.parametrize("kind", ["standard", "last", "difference"])
def test_constant_and_empty_series_stay_finite(kind):
    x = torch.full((2, 1, 12), 1e6)
    observed = torch.ones_like(x, dtype=torch.bool)
    observed[1] = False
    normed, _, stats = InstanceNorm(kind)(x, observed)
    assert (normed == 0).all() and (stats.scale == 1).all()
    assert stats.location[0] == 1e6 and stats.location[1] == 0


@pytest.mark.parametrize(
    ("length", "patch", "stride", "count"), [(512, 16, 8, 64), (10, 16, 16, 1), (17, 4, 4, 5), (5, 3, 2, 3)]
)
def test_patches_cover_every_step(length, patch, stride, count):
    assert num_patches(length, stride) == count
    for align in ("start", "end"):
        embed = SeriesEmbed(8, patch, stride, count, align=align)
        steps = torch.arange(1.0, length + 1).expand(1, 1, -1)
        patches = embed.patches(steps)
        assert patches.shape == (1, count, patch)
        assert set(patches.flatten().int().tolist()) - {0} == set(range(1, length + 1))
        assert patches[0, 0, 0] == 1 if align == "start" else patches[0, -1, -1] == length


def test_positions_go_on_beyond_those_trained():
    embed = SeriesEmbed(8, 4, 4, 5)
    torch.nn.init.normal_(embed.pos_embed)
    longer = embed.positions(9)
    assert torch.equal(longer[:, :5], embed.pos_embed) and torch.equal(longer[0, 5:], sincos_positions(9, 8)[5:])
    assert torch.equal(embed.positions(3), embed.pos_embed[:, :3])
    back = SeriesEmbed(8, 4, 4, 5, align="end")
    assert torch.equal(back.positions(3)[:, -1], back.pos_embed[:, 0])  # the latest patch is always the first position


def test_a_patch_of_nothing_is_dead_and_a_hole_is_told_from_the_mean():
    embed = SeriesEmbed(8, 4, 4, 3)
    x = torch.zeros(1, 1, 12)
    observed = torch.ones_like(x, dtype=torch.bool)
    observed[..., 4:8], observed[..., 9] = False, False
    torch.nn.init.normal_(embed.from_flags.weight)
    tokens, live = embed(x, observed)
    assert live.tolist() == [[True, False, True]]
    plain, all_live = embed(x)
    assert all_live is None and torch.equal(tokens[:, 0], plain[:, 0]) and not torch.allclose(tokens[:, 2], plain[:, 2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(patch_length=0), "patch_length must be at least 1 step, got 0"),
        (dict(patch_stride=5), "patch_stride 5 is larger than patch_length 4.*give at most 4"),
    ],
)
def test_bad_sizes(arguments, message):
    with pytest.raises(ValueError, match=message):
        SeriesEmbed(**{**dict(embed_dim=8, patch_length=4, patch_stride=4, num_patches=3), **arguments})
    with pytest.raises(ValueError, match="unknown normalisation 'z': choose one of none, standard, last, difference"):
        InstanceNorm("z")
