"""Devices by name: those that are there, and what is said of those that are not."""

import pytest
import torch

from jumbo_backbone.device import pick_device


@pytest.fixture(params=[0, 1, 2])
def cuda_devices(request, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: request.param > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: request.param)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    return request.param


def test_devices_that_are_there(cuda_devices):
    for name in ("cpu", torch.device("cpu"), "meta"):
        assert pick_device(name) == torch.device(name)
    assert pick_device("auto") == torch.device("cuda" if cuda_devices else "cpu")
    for name in ("cuda", "cuda:0", "cuda:1", torch.device("cuda", 1))[: 2 * cuda_devices]:
        assert pick_device(name) == torch.device(name)


MISSING = {
    0: {"cuda": "no CUDA device here", "cuda:1": "no CUDA device here", "mps": "no MPS device here"},
    1: {"cuda:1": "1 CUDA device here", torch.device("cuda", 1): "1 CUDA device here"},
    2: {"cuda:2": "2 CUDA devices here", torch.device("cuda", 5): "2 CUDA devices here"},
}


def test_devices_that_are_not_there(cuda_devices):
    for name, told in MISSING[cuda_devices].items():
        with pytest.raises(
            ValueError,
            match=f"device '{name}' was asked for and is not there: torch finds {told}; give 'auto' or 'cpu'",
        ):
            pick_device(name)


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "CPU", "", None, 1.5])
def test_what_is_no_device(name):
    with pytest.raises(ValueError, match="unknown device .*: give 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'"):
        pick_device(name)
