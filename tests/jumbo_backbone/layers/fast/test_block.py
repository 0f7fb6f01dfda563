"""Inference takes the plain block's sums, by pieces and in place, and never writes to what somebody else holds."""

import re
from pathlib import Path

import pytest
import torch

import jumbo_backbone
from jumbo_backbone import ComputeBudget, JumboEncoder
from jumbo_backbone.layers.jumbo import JUMBO_FFN_KINDS
from tests.conftest import images


def encoder(**kwargs) -> JumboEncoder:
    torch.manual_seed(0)
    sizes = dict(embed_dim=32, depth=3, num_heads=4, jumbo_multiplier=3)
    return JumboEncoder(**{**sizes, **kwargs}).double().eval()


OBSERVERS = {
    "none": None,
    "the same": lambda s, scores: s,
    "a view": lambda s, scores: s[:],
    "fewer": lambda s, scores: s[:, :-2],
    "one sample for all": lambda s, scores: s[:1].expand_as(s),
    "other numbers": lambda s, scores: s * (1 + scores.mean(dim=1).unsqueeze(2)),
}


@pytest.mark.parametrize("piece", [2 * 10 * 128, 2**20])
@pytest.mark.parametrize("observer", OBSERVERS)
@pytest.mark.parametrize("kind", JUMBO_FFN_KINDS)
def test_equals_the_plain_block(kind, observer, piece, monkeypatch):
    monkeypatch.setattr("jumbo_backbone.layers.fast.block._PIECE", piece)
    model, s = encoder(jumbo_ffn=kind, jumbo_lora_rank=2 * (kind == "shared")), images(5, 10, 32).double()
    mask = torch.arange(10) < torch.tensor([10, 6, 8, 10, 9])[:, None]
    block = model.blocks[1]
    with torch.no_grad():
        found = block(s, model.jumbo_mlp, mask, OBSERVERS[observer])
        monkeypatch.setattr("jumbo_backbone.layers.block.recording", lambda: True)
        plain = block(s, model.jumbo_mlp, mask, OBSERVERS[observer])
    torch.testing.assert_close(found, plain, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("budget", [ComputeBudget(), ComputeBudget(0.5), ComputeBudget(0.5, fuse=False)])
@pytest.mark.parametrize("gives", ["the same", "a view", "other numbers"])
@pytest.mark.parametrize("kind", JUMBO_FFN_KINDS)
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_what_an_observer_of_attention_saw_stays(mode, kind, gives, budget):
    """Such as a probe that keeps the tokens of every block."""
    model, x, kept = encoder(jumbo_ffn=kind), images(2, 8, 32).double(), []

    def observe(s: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        given = OBSERVERS[gives](s, scores)
        kept.extend((tensor, tensor.detach().clone()) for tensor in (s, scores, given))
        return given

    with mode():
        model.encode(x, on_attention=dict.fromkeys(range(3), observe), budget=budget)
    assert len(kept) == 9
    for tensor, then in kept:
        assert torch.equal(tensor, then)


def test_recording_is_asked_in_one_place():
    package = Path(jumbo_backbone.__file__).parent
    asking = re.compile(r"is_compiling|is_tracing|is_grad_enabled\(\) (?:or|and not)")
    found = [str(p.relative_to(package)) for p in package.rglob("*.py") if asking.search(p.read_text())]
    assert found == ["layers/fast/recording.py"]
