"""JumboClassifier: multivariate, unequal lengths, missing values, honest probabilities."""

import numpy as np
import pandas as pd
import pytest
import torch

pytest.importorskip("sktime")
from sktime.utils import check_estimator

from timeseries import JumboClassifier
from timeseries.fitting.classification import choose_share, stratified

SMALL = JumboClassifier.get_test_params()[0]


def small(**arguments):
    return JumboClassifier(**{**SMALL, **arguments})


def waves(n=40, T=48, channels=1, seed=0):
    """Slow waves ("slow") and fast ones ("fast") of any phase, (n, C, T)."""
    rng = np.random.default_rng(seed)
    y = np.array(["slow", "fast"])[rng.integers(2, size=n)]
    period = np.where(y == "slow", 24, 8)[:, None, None]
    phase = rng.uniform(0, 6.3, (n, channels, 1))
    X = np.sin(2 * np.pi * np.arange(T) / period + phase) + 0.2 * rng.normal(size=(n, channels, T))
    return X, y


def as_frames(X, lengths):
    return [
        pd.DataFrame(x[:, :length].T, columns=[f"c{i}" for i in range(len(x))])
        for x, length in zip(X, lengths, strict=True)
    ]


@pytest.fixture(scope="module")
def fitted():
    X, y = waves(60, channels=2)
    return JumboClassifier(embed_dim=32, depth=2, max_epochs=12, pretrained=None, random_state=0).fit(X, y)


def test_it_tells_waves_apart(fitted):
    X, y = waves(60, channels=2, seed=1)
    assert (fitted.predict(X) == y).mean() > 0.9
    probabilities = fitted.predict_proba(X)
    assert probabilities.dtype == np.float64 and np.allclose(probabilities.sum(axis=1), 1)
    assert fitted.classes_.tolist() == ["fast", "slow"]
    assert (fitted.classes_[probabilities.argmax(axis=1)] == fitted.predict(X)).all()


def test_series_of_unequal_lengths_and_with_holes(fitted):
    X, y = waves(60, channels=2, seed=2)
    X[np.random.default_rng(0).random(X.shape) < 0.1] = np.nan
    lengths = np.random.default_rng(1).integers(30, 48, 60)
    frames = as_frames(X, lengths)
    assert (fitted.predict(frames) == y).mean() > 0.8
    together = fitted.predict_proba(frames)
    alone = np.concatenate([fitted.predict_proba([f]) for f in frames[:8]])
    assert np.allclose(together[:8], alone, atol=1e-5)


def test_random_state_decides_everything_and_global_generators_stay():
    X, y = waves()
    torch.manual_seed(1)
    state = torch.get_rng_state()
    a, b, c = (small(random_state=s).fit(X, y) for s in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(a.predict_proba(X), b.predict_proba(X))
    (a,), (c,) = a.networks_, c.networks_
    assert not torch.equal(a.head.weight, c.head.weight)
    assert not torch.equal(a.convolutions.features.rivals_0, c.convolutions.features.rivals_0)


def test_members_are_averaged():
    X, y = waves()
    together = small(n_members=2, num_kernels=0).fit(X, y)
    both, each = together.networks_, []
    for network in both:
        together.networks_ = [network]
        each.append(together.predict_proba(X))
    together.networks_ = both
    assert np.allclose(together.predict_proba(X), sum(each) / 2) and not np.allclose(*each)


def test_class_weights():
    X, y = waves(60)
    y = np.where(np.arange(60) < 6, "rare", "usual")
    plain, balanced = (
        small(class_weight=w, max_epochs=3).fit(X, y).predict_proba(X)[:, 0].mean() for w in (None, "balanced")
    )
    given = small(class_weight={"rare": 50, "usual": 1}, max_epochs=3).fit(X, y).predict_proba(X)[:, 0].mean()
    assert plain < balanced < given
    with pytest.raises(ValueError, match=r"class_weight has no weight for \[.*'rare'.*\]: give one for each of"):
        small(class_weight={"usual": 1}).fit(X, y)


def test_tokens_count_as_much_as_they_know():
    labels = torch.arange(60) % 3
    good, bad = 3 * torch.nn.functional.one_hot(labels, 3).float(), torch.randn(60, 3)
    even = torch.ones(3)
    assert choose_share(good, bad, labels, even) == 0 and choose_share(bad, good, labels, even) == 1
    assert choose_share(good, good.clone(), labels, even) == 0  # no gain, no share


def test_the_committee_is_at_least_its_better_half():
    X, y = waves(40, T=32)
    classifier = small(max_epochs=2, num_kernels=500).fit(X, y)
    (network,) = classifier.networks_
    x = torch.from_numpy(((X - classifier.location_[:, None]) / classifier.scale_[:, None]).astype(np.float32))
    with torch.inference_mode():
        scores = network.convolutions(x).lerp(network.from_tokens(x), network.share)
    assert np.allclose(classifier.predict_proba(X), scores.softmax(1), atol=1e-5)
    assert (classifier.predict(waves(60, T=32, seed=1)[0]) == waves(60, T=32, seed=1)[1]).mean() > 0.95
    alone = small(max_epochs=2, num_kernels=0).fit(X, y).networks_[0]
    assert alone.convolutions is None and alone.share == 1


def test_every_class_stays_in_the_training_part():
    labels = torch.tensor([0] * 10 + [1] * 4 + [2])
    train_on, held_out = stratified(labels, 0.3, torch.Generator().manual_seed(0))
    assert torch.bincount(labels[train_on]).tolist() == [7, 3, 1] and torch.bincount(labels[held_out]).tolist() == [
        3,
        1,
    ]
    assert sorted([*train_on.tolist(), *held_out.tolist()]) == list(range(15))


def test_saved_and_loaded_it_says_the_same(fitted, tmp_path):
    X, _ = waves(20, channels=2, seed=3)
    fitted.save(tmp_path / "model.safetensors")
    loaded = JumboClassifier.load(tmp_path / "model.safetensors")
    assert np.array_equal(loaded.predict_proba(X), fitted.predict_proba(X))
    assert loaded.predict(X).tolist() == fitted.predict(X).tolist()


def test_attention_is_drawn(fitted):
    pytest.importorskip("matplotlib").use("Agg")
    X, _ = waves(2, channels=2)
    ax = fitted.plot_attention(X[:1])
    assert len(ax.lines) == 2 and len(ax.images) == 1
    assert np.array_equal(ax.images[0].get_array(), fitted.plot_attention(X[0]).images[0].get_array())
    with pytest.raises(ValueError, match="block indices"):
        fitted.plot_attention(X[:1], block=7)


def test_kept_patches_are_drawn(fitted):
    pytest.importorskip("matplotlib").use("Agg")
    X, _ = waves(2, channels=2)
    everything, half = (fitted.plot_kept(X[:1], keep_rate).images[0].get_array() for keep_rate in (1.0, 0.5))
    assert (everything == 1).all() and half.shape == (1, 48)
    assert half.min() == 0 and half.max() > half.mean()
    with pytest.raises(ValueError, match="keep_rate 0"):
        fitted.plot_kept(X[:1], 0)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_tiny_series(length):
    X, y = waves(10, T=length)
    assert small(patch_length=8).fit(X, y).predict(X).shape == (10,)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (dict(patch_length=0), ValueError, "patch_length must be at least 1 steps, got 0"),
        (dict(num_kernels=-1), ValueError, "num_kernels must be at least 0, got -1"),
        (dict(depth="3"), TypeError, "depth must be an integer, got '3'"),
        (dict(label_smoothing=1.0), ValueError, "label_smoothing 1.0: give a fraction from 0 to below 1"),
        (
            dict(class_weight="even"),
            ValueError,
            "class_weight 'even': give 'balanced', a dict of weights by label, or None",
        ),
        (dict(keep_rate=0), ValueError, "keep_rate 0: give a share above 0 and at most 1"),
        (dict(normalisation="z"), ValueError, "unknown normalisation 'z'"),
    ],
)
def test_bad_parameters(arguments, error, message):
    with pytest.raises(error, match=message):
        small(**arguments)


def test_bad_data(fitted):
    X, y = waves(10)
    X[0, 0, 3] = np.inf
    with pytest.raises(ValueError, match="infinite values: replace them with NaN"):
        small().fit(X, y)
    with pytest.raises(ValueError, match="series of 1 channels, fitted on series of 2"):
        fitted.predict(waves(4)[0])
    constant = np.ones((6, 1, 20))
    assert np.isfinite(small().fit(constant, np.array([0, 1] * 3)).predict_proba(constant)).all()
    with pytest.warns(UserWarning, match="single label"):
        assert small().fit(waves(6)[0], np.zeros(6)).predict(waves(4)[0]).tolist() == [0] * 4


QUICK = "test_constructor test_clone test_fit_returns_self test_fit_does_not_overwrite_hyper_params test_set_params"
QUICK += " test_non_state_changing_method_contract test_classifier_output test_multivariate_input_exception"
QUICK += " test_save_estimators_to_file test_handles_single_class"


@pytest.mark.parametrize("name", QUICK.split())
def test_sktime_contract_in_part(name):
    assert check_estimator(
        JumboClassifier, tests_to_run=name, raise_exceptions=True, verbose=False
    )  # there is such a test


@pytest.mark.slow
def test_sktime_contract():
    results = check_estimator(JumboClassifier, raise_exceptions=True, verbose=False)
    assert len(results) > 200 and set(results.values()) == {"PASSED"}


def test_keep_rate_is_learned_with_and_saved(tmp_path):
    X, y = waves(40)
    fitted = small(keep_rate=0.5, num_kernels=0, max_epochs=3, validation=0).fit(X, y)  # all epochs, on any machine
    probabilities = fitted.predict_proba(X)
    full = small(num_kernels=0, max_epochs=3, validation=0).fit(X, y)
    assert not np.array_equal(full.predict_proba(X), probabilities)
    fitted.save(tmp_path / "model.safetensors")
    assert np.array_equal(JumboClassifier.load(tmp_path / "model.safetensors").predict_proba(X), probabilities)
