"""Weights in the package and in files of one's own: small, whole, and refused where they do not fit."""

import json
import os

import pytest
import torch
from safetensors.torch import save_file

from timeseries.experts import NAMES
from timeseries.networks.weighing import LEVELS, ExpertWeigher
from timeseries.weights import about_weights, load_weigher, save_weigher, shipped

SHIPPED = shipped("forecast")


def tiny(seed=0):
    torch.manual_seed(seed)
    return ExpertWeigher(len(NAMES), context=32, embed_dim=8, depth=1, num_heads=2, jumbo_multiplier=2)


def test_the_package_has_weights_that_say_how_they_were_made():
    about, _ = about_weights(SHIPPED)
    assert SHIPPED.stat().st_size < 4e6
    assert tuple(about["experts"]) == NAMES
    assert tuple(about["levels"]) == LEVELS
    assert about["made"]["command"].startswith(("python tools/pretrain_series.py forecast", "jumbo pretrain-series"))
    assert about["made"]["recipe"]["seed"] == 0
    assert about["made"]["reached"]["loss"] > 0


def test_the_weights_in_the_package_weigh_better_than_past_errors_alone():
    reached = about_weights(SHIPPED)[0]["made"]["reached"]
    assert reached["center"] < min(reached["equal"], reached["past"])
    assert abs(reached["inside80"] - 0.8) < 0.02
    assert abs(reached["inside95"] - 0.95) < 0.02


def test_saved_weights_come_back(tmp_path):
    model = tiny()
    save_weigher(model, dict(command="python tools/pretrain_series.py forecast"), tmp_path / "w.safetensors")
    again = load_weigher(tmp_path / "w.safetensors")
    for name, t in model.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], t.half().float(), rtol=0, atol=0)
    assert not any(p.requires_grad for p in again.parameters())


def test_it_is_read_once(tmp_path):
    save_weigher(tiny(), {}, tmp_path / "w.safetensors")
    assert load_weigher(tmp_path / "w.safetensors") is load_weigher(str(tmp_path / "w.safetensors"))


def test_what_does_not_fit_is_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    save_weigher(tiny(), {}, path)
    about, tensors = about_weights(path)

    def written(**changes):
        other = tmp_path / f"{len(list(tmp_path.iterdir()))}.safetensors"
        save_file(tensors, other, metadata=dict(jumbo=json.dumps(about | changes)))
        return other

    with pytest.raises(ValueError, match="has version 99 of the format, this package reads 1"):
        load_weigher(written(version=99))
    with pytest.raises(ValueError, match="weighs the experts naive, this package has last, .*: pretrain anew with"):
        load_weigher(written(experts=["naive"]))
    with pytest.raises(ValueError, match="does not hold the weights that its header describes"):
        load_weigher(written(sizes=about["sizes"] | dict(embed_dim=16)))


@pytest.mark.parametrize("content", [b"", b"no safetensors", None])
def test_damaged_files_are_named(tmp_path, content):
    path = tmp_path / "damaged.safetensors"
    if content is None:
        save_weigher(tiny(), {}, path)
        content = path.read_bytes()[:-100]
    path.write_bytes(content)
    with pytest.raises(ValueError, match="damaged.safetensors is damaged or no safetensors file"):
        load_weigher(path)


def test_a_file_of_something_else_is_named(tmp_path):
    save_file(dict(a=torch.zeros(1)), tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="other.safetensors holds no weights for forecasts: `jumbo pretrain-series"):
        load_weigher(tmp_path / "other.safetensors")


@pytest.mark.parametrize("source", ["sinthetic", "no/such/file.safetensors", "nowhere.safetensors"])
def test_what_is_not_there_is_told(source):
    with pytest.raises(FileNotFoundError, match="is no file: give 'synthetic', None, the path of a file"):
        load_weigher(source)


def test_a_hub_id_without_network_is_told(monkeypatch):
    monkeypatch.setitem(os.environ, "HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(FileNotFoundError, match="'nobody/nothing': forecast.safetensors could not be had from the hub"):
        load_weigher("nobody/nothing")
