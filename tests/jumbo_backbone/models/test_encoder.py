"""The encoder: the paper's equations, masks, intermediates, and everything that must not change the output."""

import copy

import pytest
import torch
import torch.nn.functional as F

from jumbo_backbone import JumboEncoder
from jumbo_backbone.layers.fast.block import pieces
from jumbo_backbone.layers.jumbo import JUMBO_FFN_KINDS
from tests.conftest import images

SIZES = dict(embed_dim=32, depth=3, num_heads=4, jumbo_multiplier=3)


def encoder(seed=0, **overrides) -> JumboEncoder:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = JumboEncoder(**{**SIZES, **overrides})
        for p in model.parameters():  # biases, norms and tokens away from their neutral starts
            torch.nn.init.normal_(p, std=0.2) if p.ndim > 1 else p.data.add_(0.1 * torch.randn_like(p))
    return model.eval()


def by_the_equations(model: JumboEncoder, x: torch.Tensor) -> torch.Tensor:
    """The paper's encoder, written out plainly with the model's weights: the semantics that the fast path keeps."""

    def norm(layer, t):
        mean, var = t.mean(-1, keepdim=True), t.var(-1, unbiased=False, keepdim=True)
        return (t - mean) / torch.sqrt(var + 1e-5) * layer.weight + layer.bias

    def ffn(mlp, t):
        h = t @ mlp.fc1.weight.T + mlp.fc1.bias
        h = 0.5 * h * (1 + torch.erf(h / 2**0.5))
        return h @ mlp.fc2.weight.T + mlp.fc2.bias

    B, _, D = x.shape
    J, heads = model.jumbo_multiplier, SIZES["num_heads"]
    z, s = model.jumbo_token.expand(B, J, D), x
    for block in model.blocks:
        tokens = torch.cat([z, s], dim=1)
        q, k, v = (norm(block.norm1, tokens) @ block.attn.qkv.weight.T + block.attn.qkv.bias).split(D, dim=-1)
        heads_out = []
        for h in range(heads):
            part = slice(h * D // heads, (h + 1) * D // heads)
            scores = q[..., part] @ k[..., part].transpose(1, 2) / (D // heads) ** 0.5
            heads_out.append(scores.softmax(-1) @ v[..., part])
        tokens = tokens + torch.cat(heads_out, -1) @ block.attn.proj.weight.T + block.attn.proj.bias
        z, s = tokens[:, :J], tokens[:, J:]
        if block.jumbo_ffn == "patch":
            z = z + ffn(block.mlp, norm(block.norm2, z))
        elif block.jumbo_ffn != "none":
            wide = z.reshape(B, J * D)
            mlp = model.jumbo_mlp if block.jumbo_ffn == "shared" else block.jumbo_mlp
            z = (wide + ffn(mlp, norm(block.norm3, wide))).reshape(B, J, D)
        s = s + ffn(block.mlp, norm(block.norm2, s))
    return norm(model.norm, torch.cat([z, s], dim=1))


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("kind", JUMBO_FFN_KINDS)
def test_is_the_paper(kind, grad):
    model, x = encoder(jumbo_ffn=kind).double(), images(2, 7, 32).double()
    with torch.set_grad_enabled(grad):
        torch.testing.assert_close(model(x), by_the_equations(model, x), atol=1e-10, rtol=1e-10)


def test_inference_in_pieces_equals_one_piece(monkeypatch):
    model, x = encoder().double(), images(5, 7, 32).double()  # products of other sizes round differently
    mask = torch.arange(7) < torch.tensor([7, 3, 5, 7, 6])[:, None]
    results = []
    with torch.no_grad():
        for piece in (2**21, 2 * 10 * 128):  # all at once, then two samples at a time
            monkeypatch.setattr("jumbo_backbone.layers.fast.block._PIECE", piece)
            seen = []
            (s, *_), _ = model.encode(x, key_mask=mask, on_attention={1: lambda s, c, seen=seen: seen.append(c) or s})
            results.append((s, seen[0]))
    assert len(pieces(model.blocks[0], s)) == 3
    torch.testing.assert_close(*results, atol=1e-12, rtol=1e-12)


def test_inference_leaves_its_input_and_intermediates_alone():
    model, x = encoder(), images(2, 7, 32)
    before = x.clone()
    with torch.no_grad():
        _, taken = model.forward_intermediates(x)
    assert torch.equal(x, before)
    _, by_autograd = model.forward_intermediates(x)
    for a, b in zip(taken, by_autograd, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


def test_patches_are_a_set():
    model, x = encoder(), images(2, 7, 32)
    order = torch.randperm(7, generator=torch.Generator().manual_seed(1))
    y = model(x)
    shuffled = model(x[:, order])
    torch.testing.assert_close(shuffled[:, :3], y[:, :3], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(shuffled[:, 3:], y[:, 3:][:, order], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("kind", JUMBO_FFN_KINDS)
def test_masked_tokens_change_nothing_elsewhere(kind, grad):
    model = encoder(jumbo_ffn=kind)
    long, short = images(1, 7, 32), images(1, 4, 32, seed=1)
    padded = torch.cat([short, 1e3 * images(1, 3, 32, seed=2)], dim=1)
    mask = torch.tensor([[True] * 7, [True] * 4 + [False] * 3])
    with torch.set_grad_enabled(grad):
        batch = model(torch.cat([long, padded]), key_mask=mask)
        torch.testing.assert_close(batch[:1], model(long), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(batch[1:, : 3 + 4], model(short), atol=1e-5, rtol=1e-5)


def test_masked_tokens_get_no_gradient():
    model, x = encoder(), images(1, 7, 32).requires_grad_()
    mask = torch.tensor([[True] * 5 + [False] * 2])
    model(x, key_mask=mask)[:, : 3 + 5].square().sum().backward()
    assert x.grad[:, 5:].abs().max() == 0
    assert x.grad[:, :5].abs().min() > 0


def test_masked_tokens_get_no_score():
    model, x = encoder(), images(1, 7, 32)
    seen = []
    mask = torch.tensor([[True] * 5 + [False] * 2])
    model.encode(x, key_mask=mask, on_attention={1: lambda s, scores: seen.append(scores) or s})
    assert seen[0].shape == (1, 3, 10)
    assert seen[0][..., -2:].abs().max() == 0
    torch.testing.assert_close(seen[0].sum(-1), torch.ones(1, 3))


@pytest.mark.parametrize("kind", JUMBO_FFN_KINDS)
def test_gradient_checkpointing_changes_no_gradient(kind, device):
    plain = encoder(jumbo_ffn=kind).train().to(device)
    checkpointed = copy.deepcopy(plain)
    checkpointed.set_grad_checkpointing()
    x = images(2, 7, 32).to(device)
    for model in (plain, checkpointed):
        model(x).square().mean().backward()
    for (name, a), b in zip(plain.named_parameters(), checkpointed.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, msg=name)


@pytest.mark.parametrize("kind", JUMBO_FFN_KINDS)
def test_every_parameter_learns(kind, device):
    model = encoder(jumbo_ffn=kind, jumbo_lora_rank=2 if kind == "shared" else 0).train().to(device)
    weights = images(2, 10, 32, seed=3).to(device)
    model(images(2, 7, 32).to(device)).square().mul(weights).sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())


def test_drop_path_is_the_same_in_every_block_and_off_in_evaluation():
    model = encoder(drop_path_rate=0.3)
    assert {block.drop_path.drop_prob for block in model.blocks} == {0.3}
    x = images(4, 7, 32)
    assert torch.equal(model(x), model(x))
    model.train()
    assert not torch.equal(model(x), model(x))


@pytest.mark.parametrize("rate", ["proj_drop_rate", "attn_drop_rate"])
def test_dropout_acts_in_training_only(rate):
    x = images(2, 7, 32)
    plain, dropped = encoder(), encoder(**{rate: 0.5})
    torch.testing.assert_close(dropped(x), plain(x))
    dropped.train()
    assert not torch.allclose(dropped(x), dropped(x))


def test_lora_starts_as_the_shared_ffn_and_then_differs_by_block():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        lora = JumboEncoder(**SIZES, jumbo_lora_rank=4).eval()
    plain = JumboEncoder(**SIZES).eval()
    result = plain.load_state_dict(lora.state_dict(), strict=False)
    assert not result.missing_keys and all("jumbo_lora" in name for name in result.unexpected_keys)
    x = images(2, 7, 32)
    assert torch.equal(lora(x), plain(x))
    lora.blocks[1].jumbo_lora.fc1_up.weight.data.normal_()
    assert not torch.allclose(lora(x), plain(x))


def test_lora_is_an_update_of_the_weights():
    model = encoder(jumbo_lora_rank=2)
    merged = encoder(jumbo_ffn="per_layer")
    with torch.no_grad():
        for own, block in zip(merged.blocks, model.blocks, strict=True):
            own.load_state_dict({k: v for k, v in block.state_dict().items() if "lora" not in k}, strict=False)
            for name in ("fc1", "fc2"):
                down, up = (getattr(block.jumbo_lora, f"{name}_{end}").weight for end in ("down", "up"))
                getattr(own.jumbo_mlp, name).weight.copy_(getattr(model.jumbo_mlp, name).weight + up @ down)
                getattr(own.jumbo_mlp, name).bias.copy_(getattr(model.jumbo_mlp, name).bias)
        merged.jumbo_token.copy_(model.jumbo_token)
        merged.norm.load_state_dict(model.norm.state_dict())
    x = images(2, 7, 32)
    torch.testing.assert_close(merged(x), model(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("indices", "blocks"), [(None, [0, 1, 2]), (2, [1, 2]), ([0, -1], [0, 2]), ((2, 0), [2, 0]), ([1], [1])]
)
def test_intermediates(indices, blocks):
    model, x = encoder(), images(2, 7, 32)
    final, taken = model.forward_intermediates(x, indices)
    assert torch.equal(final, model(x))
    _, all_taken = model.forward_intermediates(x)
    assert len(taken) == len(blocks)
    for t, i in zip(taken, blocks, strict=True):
        assert torch.equal(t, all_taken[i])
    _, normed = model.forward_intermediates(x, indices, norm=True)
    for n, t in zip(normed, taken, strict=True):
        assert torch.equal(n, model.norm(t))


def test_stop_early_runs_no_block_too_many():
    model, x = encoder(), images(2, 7, 32)
    ran = []
    for i, block in enumerate(model.blocks):
        block.register_forward_hook(lambda *_, i=i: ran.append(i))
    _, taken = model.forward_intermediates(x, [0, 1], stop_early=True)
    assert ran == [0, 1]
    assert torch.equal(taken[1], model.forward_intermediates(x)[1][1])


def test_reduction_has_its_place_in_the_loop():
    """What stands between attention and the FFNs may shorten the sequence: later blocks follow."""
    model, x = encoder(), images(2, 7, 32)
    with torch.no_grad():
        (s, *_), taken = model.encode(x, take=range(3), on_attention={1: lambda s, scores: s[:, :-2].contiguous()})
    assert [t.shape[1] for t in taken] == [10, 8, 8]
    assert s.shape == (2, 8, 32)


def test_shared_ffn_is_one_module():
    model = encoder()
    assert sum("jumbo_mlp" in name for name, _ in model.named_parameters()) == 4
    wide, L = 32 * 3, 3
    per_block = 12 * 32**2 + 13 * 32 + 2 * wide  # attention, FFN and norms of a plain block, then norm3
    shared = 8 * wide**2 + 5 * wide
    assert sum(p.numel() for p in model.parameters()) == L * per_block + shared + 3 * 32 + 2 * 32
    own = sum(p.numel() for p in encoder(jumbo_ffn="per_layer").parameters())
    assert own == L * (per_block + shared) + 5 * 32
    none = sum(p.numel() for p in encoder(jumbo_ffn="none").parameters())
    assert none == L * (per_block - 2 * wide) + 5 * 32


def test_no_matrix_of_all_pairs_is_stored():
    """The largest tensor that any operation returns grows with the number of tokens, not with its square."""
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Largest(TorchDispatchMode):
        numel = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            sizes = [t.untyped_storage().size() for t in tree_leaves(out) if isinstance(t, torch.Tensor)]
            self.numel = max([self.numel, *sizes])
            return out

    model = encoder()
    sizes = []
    with torch.no_grad():
        for n in (1024, 4096):
            with Largest() as largest:
                model(images(1, n, 32))
            sizes.append(largest.numel)
    assert sizes[1] <= 4.1 * sizes[0]
    assert sizes[1] < 4096 * 4096  # one byte a pair would already be more


def test_fused_and_explicit_attention_agree():
    attn, x = encoder().blocks[0].attn, images(2, 9, 32)
    out, scores = attn(x, score_rows=9)
    heads = attn.qkv(x).view(2, 9, 3, 4, 8).permute(2, 0, 3, 1, 4)
    probabilities = (heads[0] @ heads[1].transpose(-2, -1) / 8**0.5).softmax(-1)
    expected = F.linear((probabilities @ heads[2]).transpose(1, 2).reshape(2, 9, 32), attn.proj.weight, attn.proj.bias)
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(scores, probabilities.mean(1), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("batch", [1, 15, 16])
def test_wide_ffn_is_the_same_at_any_batch_size(batch, grad, monkeypatch):
    monkeypatch.setattr("jumbo_backbone.layers.fast.linear._WORTHWHILE", 0)
    mlp, z = encoder().jumbo_mlp, images(batch, 96)
    expected = F.linear(F.gelu(F.linear(z, mlp.fc1.weight, mlp.fc1.bias)), mlp.fc2.weight, mlp.fc2.bias)
    with torch.set_grad_enabled(grad):
        torch.testing.assert_close(mlp(z), expected, atol=1e-5, rtol=1e-4)
