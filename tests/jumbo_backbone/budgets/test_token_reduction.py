"""The dial: which patches stay, what becomes of the others, and that dense outputs are complete whatever is dropped."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F

from jumbo_backbone import ComputeBudget, JumboEncoder, JumboViT
from jumbo_backbone.budgets.flops import count_flops
from jumbo_backbone.budgets.token_reduction import reduce_tokens, restore_patches
from tests.conftest import TINY, images, tiny_model

HALF = ComputeBudget(keep_rate=0.5)


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("fuse", [True, False])
def test_is_the_reference(fuse, grad, reference, reference_weights):
    model = JumboViT(**TINY).eval()
    model.load_state_dict(reference_weights)
    expected = "reduced_keep0.5_at0,1" + ("" if fuse else "_nofuse")
    budget = ComputeBudget(keep_rate=0.5, reduce_at=(0, 1), fuse=fuse)
    with torch.set_grad_enabled(grad):
        logits = model(reference["input"], budget=budget)
        dense, _ = model.forward_intermediates(reference["input"], budget=budget, output_fmt="NLC")
    torch.testing.assert_close(logits, reference[f"{expected}/logits"], atol=1e-4, rtol=0)
    reference_dense = reference[f"{expected}/dense"]
    torch.testing.assert_close(dense[:, -reference_dense.shape[1] :], reference_dense, atol=1e-4, rtol=0)


@pytest.mark.parametrize("grad", [True, False])
def test_all_kept_is_no_reduction_to_the_bit(grad):
    model, x = tiny_model(), images(2, 3, 64, 64)
    with torch.set_grad_enabled(grad):
        plain = model(x)
        assert torch.equal(model(x, budget=ComputeBudget()), plain)
        assert torch.equal(model(x, budget=ComputeBudget(keep_rate=1, reduce_at=(0, 99), resolution=64)), plain)
        model.default_budget = HALF
        assert not torch.equal(model(x), plain)
        assert torch.equal(model(x, budget=ComputeBudget()), plain)  # whatever the default


def test_the_choice_and_the_mean_of_the_others():
    x, scores = images(2, 5, 8), torch.tensor([[0.1, 0.4, 0.2, 0.05, 0.25], [0.3, 0.1, 0.3, 0.2, 0.1]])
    tokens, restore, mask = reduce_tokens(x, scores, 0.5, fuse=True)
    assert mask is None and restore.places.tolist() == [[1, 2, 4], [0, 2, 3]]  # ceil(2.5), in their order
    torch.testing.assert_close(tokens[:, :3], torch.stack([x[0, [1, 2, 4]], x[1, [0, 2, 3]]]))
    torch.testing.assert_close(tokens[0, 3], (0.1 * x[0, 0] + 0.05 * x[0, 3]) / 0.15)
    torch.testing.assert_close(tokens[1, 3], (0.1 * x[1, 1] + 0.1 * x[1, 4]) / 0.2)
    assert reduce_tokens(x, scores, 0.5, fuse=False)[0].shape == (2, 3, 8)


def test_the_second_reduction_takes_the_fused_token_in_but_never_ranks_it():
    x = images(1, 4, 8)  # three live patches and a fused token, which got the most attention
    _, first, _ = reduce_tokens(images(1, 6, 8, seed=1), torch.arange(6.0)[None], 0.5, fuse=True)
    tokens, restore, _ = reduce_tokens(x, torch.tensor([[0.1, 0.3, 0.2, 0.4]]), 0.5, True, first)
    assert first.places.tolist() == [[3, 4, 5]] and restore.places.tolist() == [[4, 5]]
    torch.testing.assert_close(tokens[0, 2], (0.1 * x[0, 0] + 0.4 * x[0, 3]) / 0.5)
    changed = images(1, 3, 8, seed=2)
    dense = restore_patches(changed, restore)
    torch.testing.assert_close(dense[:, :3], first.patches[:, :3])  # as they were before the first
    torch.testing.assert_close(dense[:, 3], x[:, 0])  # as it was before the second
    torch.testing.assert_close(dense[:, 4:], changed[:, :2])


def test_masked_patches_rank_last_and_weigh_nothing():
    x = images(2, 6, 8)
    scores, mask = (
        torch.arange(1.0, 7.0)[None].expand(2, 6),
        torch.tensor([[True] * 4 + [False] * 2, [True] * 2 + [False] * 4]),
    )
    tokens, restore, left = reduce_tokens(x, scores, 0.5, True, key_mask=mask)
    assert restore.places.tolist()[0] == [1, 2, 3] and {0, 1} < set(restore.places.tolist()[1])
    assert left.tolist() == [[True] * 4, [True, True, False, False]]  # the last fuses nothing that is there
    torch.testing.assert_close(tokens[0, 3], x[0, 0])
    assert tokens.isfinite().all()


def test_the_attention_that_the_others_got_is_learned_from():
    x, scores = images(1, 5, 8), torch.rand(1, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    tokens, restore, _ = reduce_tokens(x, scores, 0.6, fuse=True)
    tokens[:, -1].square().sum().backward()
    kept = torch.zeros(5, dtype=torch.bool).index_fill(0, restore.places[0], True)
    assert scores.grad[0, kept].abs().max() == 0 and scores.grad[0, ~kept].abs().min() > 0


@pytest.mark.parametrize("budget", [HALF, ComputeBudget(0.3, (1,), fuse=False), ComputeBudget(0.5, (0, 1, 2))])
def test_dense_outputs_are_complete_at_every_block(budget):
    """A patch that was dropped stays as it was after the attention of that block; the others go on."""
    model, x = tiny_model(), images(2, 3, 64, 64)
    final, maps = model.forward_intermediates(x, budget=budget)
    assert [m.shape for m in maps] == [(2, 48, 4, 4)] * 3 and final.shape == (2, 4 + 16, 48)
    blocks = budget.reducing_blocks(3)
    tokens, _ = model.embed(x)
    live = [model.encode(tokens, budget=budget, stop=i + 1)[0] for i in range(3)]
    n = 16
    for i, m in enumerate(maps):
        n = math.ceil(budget.keep_rate * n) if i in blocks else n
        patches = m.flatten(2).transpose(1, 2)
        if live[i].restore is None:
            continue
        assert live[i].restore.places.shape == (2, n)
        places = live[i].restore.places.unsqueeze(2).expand(-1, -1, 48)
        torch.testing.assert_close(patches.gather(1, places), live[i].tokens[:, 4 : 4 + n])
        if i + 1 < len(maps) and i + 1 not in blocks:
            dropped = torch.ones(2, 16, dtype=torch.bool).scatter(1, live[i].restore.places, False)
            following = maps[i + 1].flatten(2).transpose(1, 2)
            assert torch.equal(following[dropped], patches[dropped])
            assert not torch.isclose(following[~dropped], patches[~dropped]).all(dim=1).any()


def test_the_head_pools_over_what_is_live():
    model, x = tiny_model(), images(2, 3, 64, 64)
    s = model.forward_features(x, budget=HALF)
    assert s.shape == (2, 4 + 2 + 1, 48)  # 16, 8, 4, 2 patches, and the fused token
    pooled = torch.cat([s[:, :4].flatten(1), s[:, 4:].mean(dim=1)], dim=1)
    torch.testing.assert_close(model(x, budget=HALF), model.head(pooled))


@pytest.mark.parametrize(
    ("resolution", "size"), [(0.5, (32, 48)), (48, (48, 48)), ((16, 80), (16, 80)), (0.7, (48, 64)), (1.0, (64, 96))]
)
def test_resolution(resolution, size):
    model, x = tiny_model(), images(2, 3, 64, 96)
    budget = ComputeBudget(resolution=resolution)
    small = x if size == (64, 96) else F.interpolate(x, size, mode="bilinear", antialias=True)
    assert torch.equal(model(x, budget=budget), model(small))
    _, maps = model.forward_intermediates(x, budget=budget)
    assert maps[0].shape[-2:] == (size[0] // 16, size[1] // 16)


def test_gradient_checkpointing_changes_no_gradient():
    plain = tiny_model().train()
    checkpointed = copy.deepcopy(plain)
    checkpointed.set_grad_checkpointing()
    x = images(2, 3, 64, 64)
    for model in (plain, checkpointed):
        model(x, budget=HALF).square().mean().backward()
    for (name, p), q in zip(plain.named_parameters(), checkpointed.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, msg=name)


def test_a_padded_batch_reduces():
    torch.manual_seed(0)
    model = JumboEncoder(embed_dim=32, depth=4, num_heads=4, jumbo_multiplier=3).eval()
    x, mask = images(2, 8, 32), torch.arange(8) < torch.tensor([[8], [3]])
    noisy = torch.where(mask.unsqueeze(2), x, 1e3 * images(2, 8, 32, seed=1))
    budget = ComputeBudget(0.5, fuse=True)
    (a, b) = (model(t, key_mask=mask, budget=budget) for t in (x, noisy))
    assert a.shape == (2, 3 + 8, 32)
    mask = torch.cat([torch.ones(2, 3, dtype=torch.bool), mask], dim=1)
    torch.testing.assert_close(a[mask], b[mask])


def test_a_rate_that_drops_no_patch_changes_nothing():
    model, x = tiny_model(), images(2, 3, 64, 64)
    torch.testing.assert_close(model(x, budget=ComputeBudget(0.99)), model(x), atol=1e-6, rtol=1e-5)


def test_what_is_asked_of_the_attention_comes_before_the_reduction():
    torch.manual_seed(0)
    model, x = JumboEncoder(embed_dim=32, depth=2, num_heads=4, jumbo_multiplier=3).eval(), images(2, 8, 32)
    seen = []
    live, _ = model.encode(
        x, budget=ComputeBudget(0.5, (1,)), on_attention={1: lambda s, scores: seen.append(scores) or s}
    )
    torch.testing.assert_close(seen[0][:, :, 3:].mean(dim=1), model.patch_attention(x))
    best = seen[0][:, :, 3:].mean(dim=1).topk(4).indices.sort().values
    assert torch.equal(live.restore.places, best)


@pytest.mark.parametrize("keep_rate", [1.0, 0.7, 0.5])
def test_operations_are_those_of_the_formula(keep_rate):
    """Two per multiply-add: of n tokens a block maps 24nD^2 and attends 4n^2D, the wide FFN is 16(JD)^2."""
    D, J, L, K, N = 64, 4, 4, 10, 64
    model = JumboViT(
        img_size=64, patch_size=8, embed_dim=D, depth=L, num_heads=1, jumbo_multiplier=J, num_classes=K
    ).eval()
    budget = ComputeBudget(keep_rate)
    with torch.no_grad():
        counted = count_flops(model, images(1, 3, 64, 64), budget=budget)
    n, expected = J + N, 2 * N * 3 * 64 * D + 2 * (J + 1) * D * K
    live = N
    for i in range(L):
        expected += 8 * n * D**2 + 4 * n**2 * D
        if i in budget.reducing_blocks(L):
            live = math.ceil(keep_rate * live)
            n = J + live + 1
        expected += 16 * (n - J) * D**2 + 16 * (J * D) ** 2
    assert counted == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("keep_rate", [0.7, 0.5])
def test_exports(keep_rate):
    model, x = tiny_model(), images(2, 3, 64, 64)
    model.default_budget = ComputeBudget(keep_rate)
    batch = torch.export.Dim("batch", min=2, max=8)
    program = torch.export.export(model, (x,), dynamic_shapes=({0: batch},))
    x = images(5, 3, 64, 64)
    torch.testing.assert_close(program.module()(x), model(x), atol=1e-5, rtol=1e-4)


CASES = {
    "none": (lambda: ComputeBudget(0), ValueError, "keep_rate 0: give a share above 0 and at most 1"),
    "too much": (lambda: ComputeBudget(1.5), ValueError, "keep_rate 1.5: give a share above 0"),
    "no number": (lambda: ComputeBudget("half"), TypeError, "keep_rate 'half'"),
    "not finite": (lambda: ComputeBudget(float("nan")), ValueError, "keep_rate nan"),
    "repeated": (lambda: ComputeBudget(0.5, (1, 1)), ValueError, "reduce_at (1, 1): give rising block numbers"),
    "negative": (lambda: ComputeBudget(0.5, (-1,)), ValueError, "reduce_at (-1,)"),
    "beyond": (
        lambda: tiny_model()(images(1, 3, 64, 64), budget=ComputeBudget(0.5, (1, 3))),
        ValueError,
        "reduce_at (1, 3) does not fit a model of 3 blocks: give numbers below",
    ),
    "no pixels": (lambda: ComputeBudget(resolution=0), ValueError, "resolution 0: give a scale"),
    "three sides": (lambda: ComputeBudget(resolution=(1, 2, 3)), ValueError, "resolution (1, 2, 3)"),
    "a text": (lambda: ComputeBudget(resolution="half"), ValueError, "resolution 'half'"),
    "less than a patch": (
        lambda: tiny_model()(images(1, 3, 64, 64), budget=ComputeBudget(resolution=0.2)),
        ValueError,
        "resolution 0.2 makes an input of 64x64 smaller than one patch of 16x16: give a larger one",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input(name):
    make, error, message = CASES[name]
    with pytest.raises(error) as caught:
        make()
    assert message in str(caught.value)


def test_depths_of_patches_are_those_of_the_reductions():
    model, x = tiny_model(), images(2, 3, 64, 96)
    tokens, _ = model.embed(x)
    depths = model.patch_depths(tokens, HALF)
    assert [(depths == d).sum(dim=1).tolist() for d in (3, 2, 1, 0)] == [[3, 3], [3, 3], [6, 6], [12, 12]]
    live, _ = model.encode(tokens, budget=HALF)
    assert torch.equal((depths == 3).nonzero()[:, 1].view(2, -1), live.restore.places)
    assert torch.equal(model.kept_map(x, HALF), depths.view(2, 4, 6))
    assert (model.kept_map(x) == 3).all()
    mask = torch.ones(2, 24, dtype=torch.bool)
    mask[0, 10:] = False
    assert (model.patch_depths(tokens, HALF, mask)[0, 10:] < 3).all()  # padding is dropped first


@pytest.mark.parametrize("keep_rate", [1.0, 0.7, 0.5])
def test_compiles_to_one_graph(keep_rate, device):
    model, x, budget = tiny_model().to(device), images(2, 3, 64, 64).to(device), ComputeBudget(keep_rate)
    torch.compiler.reset()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    with torch.no_grad():
        torch.testing.assert_close(compiled(x, budget=budget), model(x, budget=budget), atol=1e-5, rtol=1e-5)
    torch.compiler.reset()


@pytest.mark.parametrize("rate", [0.3, 0.5, 0.9, 0.99, 1.0])
@pytest.mark.parametrize("blocks", [None, (0,), (0, 1, 2), (1, 2)])
def test_patch_depths_are_those_of_runs_that_end_after_each_reduction(rate, blocks):
    """Also where a reduction keeps all of the few patches that are left."""
    model, budget = tiny_model(), ComputeBudget(rate, reduce_at=blocks)
    tokens = images(2, 7, 48, seed=3)
    expected = torch.full((2, 7), 3)
    for block in reversed(budget.reducing_blocks(3)):
        (_, _, restore), _ = model.encode(tokens, stop=block + 1, budget=budget)
        if restore is not None:
            there = torch.zeros(2, 7, dtype=torch.bool).scatter(1, restore.places, True)
            expected[~there & (expected > block)] = block
    found = model.patch_depths(tokens, budget)
    last_kept = (found == 3).sum(dim=1)
    assert torch.equal(last_kept, (expected == 3).sum(dim=1))
    assert torch.equal(found, expected)
