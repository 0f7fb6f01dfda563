"""JumboClassifier with pretrained weights: closed form, few labels, any series, saved, and bad input."""

import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

pytest.importorskip("sktime")

from timeseries import JumboClassifier
from timeseries.networks.series_reader import SeriesReader
from timeseries.weights import about_weights, load_reader, save_reader, shipped


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of a tiny reader, not pretrained."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_reader(SeriesReader(embed_dim=8, depth=1, num_heads=2, jumbo_multiplier=2), {}, path)
    return str(path)


@pytest.fixture
def small(weights):
    return lambda **arguments: JumboClassifier(**dict(pretrained=weights, num_kernels=84, random_state=0) | arguments)


def waves(n=40, T=48, channels=1, seed=0):
    rng = np.random.default_rng(seed)
    y = np.array(["slow", "fast"])[np.arange(n) % 2]
    period = np.where(y == "slow", 24, 8)[:, None, None]
    phase = rng.uniform(0, 6.3, (n, channels, 1))
    return np.sin(2 * np.pi * np.arange(T) / period + phase) + 0.2 * rng.normal(size=(n, channels, T)), y


def test_the_weights_of_the_package_tell_waves_apart_by_five_series_a_class():
    X, y = waves(60, seed=1)
    fitted = JumboClassifier(num_kernels=0, random_state=0).fit(X[:10], y[:10])
    assert (fitted.predict(X[10:]) == y[10:]).mean() > 0.9


def test_the_weights_of_the_package_say_how_they_were_made():
    about, _ = about_weights(shipped("classify"), "classify")
    assert about["made"]["command"].startswith(("python tools/pretrain_series.py classify", "jumbo pretrain-series"))
    assert about["made"]["recipe"]["seed"] == 0 and about["made"]["reached"]["found"] > 0.3
    assert sum(shipped(task).stat().st_size for task in ("classify", "forecast")) < 12e6


def test_random_state_decides_everything_and_the_weights_stay(small, weights):
    X, y = waves()
    before = {name: t.clone() for name, t in load_reader(weights).state_dict().items()}
    a, b, c = (small(random_state=s).fit(X, y) for s in (3, 3, 4))
    assert np.array_equal(a.predict_proba(X), b.predict_proba(X))
    assert not np.array_equal(a.predict_proba(X), c.predict_proba(X))
    a.set_budget(keep_rate=0.3)
    assert load_reader(weights).encoder.default_budget.keep_rate == 1  # it is a copy
    assert all(torch.equal(t, before[name]) for name, t in load_reader(weights).state_dict().items())


def test_shares_and_history(small):
    X, y = waves()
    fitted = small().fit(X, y)
    (network,) = fitted.networks_
    assert network.shares.sum() == pytest.approx(1, abs=1e-5) and 0 <= network.share <= 1
    assert fitted.history_[0].epochs == []


@pytest.mark.parametrize("committee", ["kernels", "budgets", "seeds", [dict(keep_rate=0.5)]])
def test_committees(small, committee):
    X, y = waves(40)
    fitted = small(committee=committee, n_members=2 if committee == "seeds" else 1).fit(X, y)
    assert fitted.calibration_.samples == 40  # all, each as if left out
    assert set(fitted.predict_stage(X)) <= {0, 1}
    assert (fitted.predict(X) == y).mean() > 0.9


def test_saved_loaded_and_pickled_it_says_the_same(small, tmp_path, monkeypatch):
    X, y = waves(channels=2)
    fitted = small(keep_rate=0.5, committee="kernels").fit(X, y)
    fitted.save(tmp_path / "model.safetensors")
    monkeypatch.setattr("timeseries.estimators.classifier.load_reader", None)  # the file brings its weights
    for again in (JumboClassifier.load(tmp_path / "model.safetensors"), pickle.loads(pickle.dumps(fitted))):
        assert np.array_equal(again.predict_proba(X), fitted.predict_proba(X))
        assert np.array_equal(again.predict_stage(X), fitted.predict_stage(X))


def test_unequal_lengths_and_holes(small):
    X, y = waves(40, channels=2)
    X[np.random.default_rng(0).random(X.shape) < 0.1] = np.nan
    lengths = np.random.default_rng(1).integers(30, 48, 40)
    frames = [pd.DataFrame(x[:, :length].T, columns=["a", "b"]) for x, length in zip(X, lengths, strict=True)]
    fitted = small().fit(frames, y)
    together = fitted.predict_proba(frames)
    assert np.isfinite(together).all() and (fitted.predict(frames) == y).mean() > 0.9
    alone = np.concatenate([fitted.predict_proba([f]) for f in frames[:5]])
    assert np.allclose(together[:5], alone, atol=1e-4)


def test_pictures(small):
    pytest.importorskip("matplotlib").use("Agg")
    X, y = waves(channels=2)
    fitted = small().fit(X, y)
    drawn = fitted.plot_attention(X[:1]).images[0].get_array()
    assert drawn.shape == (1, 48) and np.unique(drawn).size > 4
    kept = fitted.plot_kept(X[:1], keep_rate=0.5).images[0].get_array()
    assert kept.shape == (1, 48)


ODD = {
    "one series a class": waves(2),
    "more classes than tenths of the series": (waves(24)[0], np.arange(24) % 12),
    "series of 1 step": waves(12, T=1),
    "series of 3 steps": waves(12, T=3),
    "series of 100,000 steps": waves(4, T=100_000),
    "constant channels": (np.ones((6, 2, 20)), np.array([0, 1] * 3)),
    "40 channels": waves(8, channels=40),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_series(small, name):
    X, y = ODD[name]
    p = small().fit(X, y).predict_proba(X)
    assert np.isfinite(p).all() and np.allclose(p.sum(1), 1)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            dict(embed_dim=32),
            ValueError,
            "embed_dim=32 is for an encoder that is trained .* give pretrained=None with it",
        ),
        (dict(max_epochs=5), ValueError, "max_epochs=5 is for an encoder that is trained"),
        (dict(elastic=True), ValueError, "elastic=True is for an encoder that is trained"),
        (dict(encoder=dict(jumbo_ffn="patch")), ValueError, "encoder=.* give pretrained=None with it"),
        (dict(pretrained=3), TypeError, "pretrained 3: give 'synthetic', a path, or the name of a repository"),
        (dict(keep_rate=0), ValueError, "keep_rate 0: give a share above 0"),
    ],
)
def test_bad_parameters(arguments, error, message):
    with pytest.raises(error, match=message):
        JumboClassifier(**arguments)


def test_bad_weights_are_told_at_fit(small, weights, tmp_path, monkeypatch):
    about, tensors = about_weights(weights, "classify")

    def fit(source):
        small(pretrained=source).fit(*waves(6))

    def written(name, **changes):
        save_file(tensors, tmp_path / name, metadata=dict(jumbo=json.dumps(about | changes)))
        return tmp_path / name

    with pytest.raises(ValueError, match="has version 99 of the format, this package reads 1"):
        fit(written("a.safetensors", version=99))
    with pytest.raises(ValueError, match="does not hold the weights that its header describes"):
        fit(written("b.safetensors", sizes=about["sizes"] | dict(embed_dim=16)))
    (tmp_path / "c.safetensors").write_bytes(Path(weights).read_bytes()[:-50])
    with pytest.raises(ValueError, match="c.safetensors is damaged or no safetensors file"):
        fit(tmp_path / "c.safetensors")
    with pytest.raises(ValueError, match="holds no weights for classification: `jumbo pretrain-series classify` makes"):
        fit(shipped("forecast"))
    with pytest.raises(FileNotFoundError, match="is no file: give 'synthetic', None, the path of a file"):
        fit("sinthetic")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(FileNotFoundError, match="'nobody/nothing': classify.safetensors could not be had from the hub"):
        fit("nobody/nothing")


def test_pretrain_asks_for_random_weights(small):
    with pytest.raises(ValueError, match="pretrain trains an encoder from random weights.*give pretrained=None"):
        small().pretrain(waves()[0])
