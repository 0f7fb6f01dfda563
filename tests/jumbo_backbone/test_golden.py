"""Outputs stay what they were: golden values of every kind of FFN."""

import importlib.util
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

WRITER = Path(__file__).parents[1] / "golden" / "write_golden.py"
spec = importlib.util.spec_from_file_location("write_golden", WRITER)
golden = importlib.util.module_from_spec(spec)
spec.loader.exec_module(golden)


@pytest.fixture(scope="module")
def computed():
    return golden.outputs()


@pytest.mark.parametrize("kind", golden.KINDS)
def test_outputs_are_the_golden_ones(computed, kind):
    stored = {name: value for name, value in load_file(golden.FILE).items() if name.startswith(kind)}
    assert len(stored) == 3
    for name, value in stored.items():
        torch.testing.assert_close(computed[name], value, atol=1e-5, rtol=1e-4, msg=lambda m, n=name: f"{n}: {m}")


def test_kinds_differ(computed):
    logits = [computed[f"{kind}/logits"] for kind in golden.KINDS]
    for i, a in enumerate(logits):
        for b in logits[:i]:
            assert (a - b).abs().max() > 1e-3
