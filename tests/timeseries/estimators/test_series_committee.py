"""Committees of the classifier: who answers which series, with what, and how sure is sure enough."""

import math
import pickle

import numpy as np
import pandas as pd
import pytest
import torch

pytest.importorskip("sktime")
from sktime.exceptions import NotFittedError

from jumbo_backbone import ComputeBudget
from timeseries import JumboClassifier
from timeseries.data.windows import Batch
from timeseries.fitting.classification import fit_network
from timeseries.fitting.committee import KERNELS, WHOLE, Unseen, calibrated, cascade_of, stages_of
from timeseries.networks.convolutions import ConvolutionFeatures

SMALL = dict(
    embed_dim=4,
    num_heads=2,
    depth=1,
    jumbo_multiplier=2,
    patch_length=4,
    max_epochs=1,
    num_kernels=300,
    pretrained=None,
    random_state=0,
    device="cpu",
)
COMMITTEES = {"kernels": {}, "budgets": {}, "seeds": dict(n_members=2, num_kernels=0)}


def waves(n=40, T=24, seed=0, noise=0.9):
    """Slow and fast waves in so much noise that some are mistaken, (n, 1, T)."""
    rng = np.random.default_rng(seed)
    y = np.array(["slow", "fast"])[np.arange(n) % 2]
    phase = rng.uniform(0, 6.3, (n, 1))
    X = np.sin(2 * np.pi * np.arange(T) / np.where(y == "slow", 16, 7)[:, None] + phase)
    return (X + noise * rng.normal(size=(n, T)))[:, None], y


def classifier(committee=None, **changes):
    usual = COMMITTEES[committee] if isinstance(committee, str) else {}
    return JumboClassifier(committee=committee, **{**SMALL, **usual, **changes})


def units(fitted, X):
    """As the networks read it."""
    return torch.from_numpy(((X - fitted.location_[:, None]) / fitted.scale_[:, None]).astype(np.float32))


def said_by(fitted, X):
    """What each stage says of every series: probabilities (n, K)."""
    x = units(fitted, X)
    with torch.inference_mode():
        if fitted.committee == "seeds":
            each = torch.stack([network(x).double().softmax(1) for network in fitted.networks_])
            return [each[: i + 1].mean(0).numpy() for i in range(len(each))]
        (network,) = fitted.networks_
        if fitted.committee == "kernels":
            less = [network.convolutions.first.scores_of(network.convolutions.features.shares(Batch(x, None)))]
        else:
            less = [network.from_tokens(x, budget=budget) for budget in stages_of(fitted.committee)[:-1]]
        return [scores.double().softmax(1).numpy() for scores in (*less, network(x))]


def apart(fitted, X):
    """With thresholds such that about half of these series leave at every stage, and heads that say something."""
    for number, network in enumerate(fitted.networks_):
        torch.nn.init.normal_(network.head.weight, std=0.3, generator=torch.Generator().manual_seed(number))
    for number, said in enumerate(said_by(fitted, X)[:-1]):
        fitted.calibration_.thresholds[number] = float(np.quantile(said.max(1), 0.5))
    return fitted


@pytest.fixture(scope="module", params=list(COMMITTEES))
def fitted(request):
    usual = dict(n_members=3) if request.param == "seeds" else {}
    return apart(classifier(request.param, **usual).fit(*waves()), waves(seed=1)[0])


# ---- who answers


def test_a_series_has_the_answer_of_its_stage(fitted):
    X, _ = waves(seed=1)
    said, stage, answer = said_by(fitted, X), fitted.predict_stage(X), fitted.predict_proba(X)
    assert stage.dtype.kind == "i" and stage.shape == (40,)
    assert set(stage) == set(range(len(said)))
    for number, expected in enumerate(said):
        assert np.allclose(answer[stage == number], expected[stage == number], atol=1e-5)
    assert not np.allclose(said[0], said[-1], atol=1e-3)
    sure = said[0].max(1) >= fitted.calibration_.thresholds[0]
    assert ((stage == 0) == sure).mean() > 0.95  # but for rounding at the threshold
    assert (fitted.predict(X) == fitted.classes_[answer.argmax(1)]).all()


def test_who_leaves_at_once_has_exactly_the_first_answer(fitted):
    X, _ = waves(seed=1)
    stage, answer = fitted.predict_stage(X), fitted.predict_proba(X)
    before = list(fitted.calibration_.thresholds)
    try:
        fitted.calibration_.thresholds[:] = [0.0] * len(before)
        assert (fitted.predict_stage(X) == 0).all()
        assert np.array_equal(fitted.predict_proba(X)[stage == 0], answer[stage == 0])
        fitted.calibration_.thresholds[:] = [math.inf] * len(before)
        assert (fitted.predict_stage(X) == len(before)).all()
        assert np.allclose(fitted.predict_proba(X), said_by(fitted, X)[-1], atol=1e-5)
    finally:
        fitted.calibration_.thresholds[:] = before


def test_each_series_for_itself_in_any_order(fitted):
    X, _ = waves(seed=1)
    stage, answer = fitted.predict_stage(X), fitted.predict_proba(X)
    assert np.array_equal(fitted.predict_stage(X[::-1]), stage[::-1])
    alone = np.concatenate([fitted.predict_proba(X[i : i + 1]) for i in range(8)])
    assert np.allclose(alone, answer[:8], atol=1e-5)


def test_kernels_are_not_asked_twice():
    features = ConvolutionFeatures(2, 40, 700)
    x = torch.randn(5, 2, 40, generator=torch.Generator().manual_seed(0))
    features.fit(Batch(x, None), torch.Generator().manual_seed(1))
    everything, shares = features(Batch(x, None)), features.shares(Batch(x, None))
    assert shares.shape == (5, features.num_shares) and features.num_shares == 84 * features.levels * 3
    blocks = everything.unflatten(1, (3, -1))  # of each dilation shares, then wins
    assert torch.equal(blocks[:, :, : 84 * features.levels].flatten(1), shares)
    assert torch.equal(blocks[:, :, 84 * features.levels :].flatten(1), features.wins(Batch(x, None)))
    assert torch.equal(features(Batch(x, None), shares), everything)

    (network,) = (fitted := classifier("kernels").fit(*waves())).networks_
    asked = []
    real = network.convolutions.features.shares
    network.convolutions.features.shares = lambda batch: asked.append(len(batch.values)) or real(batch)
    fitted.calibration_.thresholds[:] = [math.inf]
    fitted.predict_proba(waves(7)[0])
    assert asked == [7]


# ---- calibration


@pytest.mark.parametrize("committee", list(COMMITTEES))
def test_as_good_as_everything_where_it_was_calibrated(committee):
    X, y = waves()
    calibration = classifier(committee).fit(X, y).calibration_
    assert calibration.value >= calibration.member_values[-1] - 1e-9 == calibration.target - 1e-9
    assert calibration.unit == "FLOPs" and sum(calibration.shares) == pytest.approx(1)
    assert calibration.samples in (40, 10)  # all, or a quarter of each class


def test_convolutions_are_calibrated_on_all_series_each_left_out():
    X, y = waves()
    fitted = classifier("kernels").fit(X, y)
    assert fitted.networks_[0].share == 0 and fitted.calibration_.samples == 40
    assert fitted.calibration_.names == ["kernels", "whole"]
    classes = torch.as_tensor(np.searchsorted(fitted.classes_, y))
    convolutions = pickle.loads(pickle.dumps(fitted.networks_[0].convolutions))
    x, even = Batch(units(fitted, X), None), torch.ones(2)
    left_out = convolutions.fit_first(x, classes, even, torch.Generator())
    right = (left_out.argmax(1) == classes).double().mean()
    assert fitted.calibration_.member_values[0] == pytest.approx(float(right))
    assert (convolutions.first.scores_of(convolutions.features.shares(x)).argmax(1) == classes).double().mean() > right


def test_a_target():
    X, y = waves()
    with pytest.raises(ValueError, match="no thresholds reach .* of 1 on the validation data"):
        classifier("kernels", committee_target=1.0).fit(*waves(noise=3.0))
    modest = classifier("kernels", committee_target=0.5).fit(X, y)
    assert modest.calibration_.target == 0.5 and (modest.predict_stage(X) == 0).all()


@pytest.mark.parametrize("committee", list(COMMITTEES))
def test_random_state_decides(committee):
    X, y = waves(24)
    a, b = (classifier(committee).fit(X, y) for _ in range(2))
    assert a.calibration_ == b.calibration_
    assert np.array_equal(a.predict_proba(X), b.predict_proba(X))


def test_seeds_hold_out_the_same_series(monkeypatch):
    X, y = waves()
    held = []

    def noting(*args, split, **options):
        held.append(split)
        return fit_network(*args, split=split, **options)

    monkeypatch.setattr("timeseries.estimators.classifier_learning.fit_network", noting)
    fit = classifier("seeds", n_members=2).fit(X, y)
    assert held[0] is held[1] and len(held[0][1]) == 10
    assert not torch.equal(*(network.encoder.encoder.jumbo_token for network in fit.networks_))


def test_seeds_are_calibrated_on_what_none_has_learned_from():
    X, y = waves()
    fitted = classifier("seeds", num_kernels=300).fit(X, y)
    assert [float(n.share) for n in fitted.networks_] == [0, 0] and fitted.calibration_.samples == 40
    labels, held = torch.arange(40) % 2, torch.tensor([1, 4, 7, 8])
    right = 4.0 * torch.nn.functional.one_hot(labels, 2)
    right[0], right[4] = right[0].flip(0), right[4].flip(0)  # of these four, one is mistaken
    unseen = [Unseen(torch.arange(40), [right]), Unseen(held, [torch.zeros(4, 2)])]
    example = Batch(torch.zeros(1, 1, 24), None)
    calibration = calibrated(fitted.networks_, "seeds", unseen, labels, "last", example)
    assert calibration.samples == 4 and calibration.member_values == [0.75, 0.75]


def test_a_list_of_budgets():
    X, y = waves()
    budgets = [dict(keep_rate=0.3), dict(resolution=0.5)]
    fitted = apart(classifier(budgets).fit(X, y), X)
    assert fitted.calibration_.names == ["tokens, keep 0.3", "tokens, at 0.5", WHOLE]
    assert stages_of("budgets") == stages_of([dict(keep_rate=0.5, resolution=0.5)])
    fitted.calibration_.thresholds[:] = [math.inf, 0.0]
    with torch.inference_mode():
        said = fitted.networks_[0].from_tokens(units(fitted, X), budget=ComputeBudget(resolution=0.5))
    assert (fitted.predict_stage(X) == 1).all()
    assert np.allclose(fitted.predict_proba(X), said.softmax(1), atol=1e-5)
    assert fitted.calibration_.costs[-1] > max(fitted.calibration_.costs[:2])


# ---- without


def test_none_is_as_before(tmp_path):
    X, y = waves()
    plain = classifier(num_kernels=200).fit(X, y)
    assert not hasattr(plain, "calibration_") and (plain.predict_stage(X) == 0).all()
    (network,) = plain.networks_
    assert network.convolutions.first is None and not [k for k in network.state_dict() if "first" in k]
    (other,) = classifier("kernels", num_kernels=200).fit(X, y).networks_
    weights = other.state_dict()
    assert all(torch.equal(t, weights[k]) for k, t in network.state_dict().items())
    assert len(weights) == len(network.state_dict()) + 2
    with torch.inference_mode():
        assert np.allclose(plain.predict_proba(X), network(units(plain, X)).softmax(1), atol=1e-6)


# ---- kept


def test_it_is_kept(fitted, tmp_path):
    X, _ = waves(seed=2)
    fitted.save(tmp_path / "c.safetensors")
    copies = [JumboClassifier.load(tmp_path / "c.safetensors"), pickle.loads(pickle.dumps(fitted))]
    for copy in copies:
        assert copy.calibration_ == fitted.calibration_
        assert np.array_equal(copy.predict_proba(X), fitted.predict_proba(X))
        assert np.array_equal(copy.predict_stage(X), fitted.predict_stage(X))
    assert fitted.clone().get_params() == fitted.get_params() and not hasattr(fitted.clone(), "calibration_")


def test_a_threshold_that_sends_all_on_is_saved(tmp_path):
    fitted = classifier([dict(keep_rate=0.5)]).fit(*waves())
    fitted.calibration_.thresholds[:] = [math.inf]
    fitted.save(tmp_path / "c.safetensors")
    loaded = JumboClassifier.load(tmp_path / "c.safetensors")
    assert loaded.calibration_.thresholds == [math.inf] and loaded.committee == [dict(keep_rate=0.5)]
    assert np.array_equal(loaded.predict_proba(waves()[0]), fitted.predict_proba(waves()[0]))


# ---- any series


@pytest.mark.parametrize("committee", list(COMMITTEES))
def test_series_of_unequal_lengths_and_with_holes(committee):
    X, y = waves(30)
    X[np.random.default_rng(0).random(X.shape) < 0.1] = np.nan
    lengths = np.random.default_rng(1).integers(16, 25, 30)
    frames = [pd.DataFrame(x[:, :length].T, columns=["c"]) for x, length in zip(X, lengths, strict=True)]
    fitted = apart(classifier(committee).fit(frames, y), waves(30)[0])
    fitted.calibration_.thresholds[:] = [0.0]
    fitted.calibration_.thresholds[:] = [float(np.median(fitted.predict_proba(frames).max(1)))]
    stage, answer = fitted.predict_stage(frames), fitted.predict_proba(frames)
    assert set(stage) == {0, 1}
    for i in range(6) if committee != "budgets" else ():  # below a keep rate of 1 padding counts
        assert np.allclose(fitted.predict_proba([frames[i]]), answer[i], atol=1e-5)
    assert np.isfinite(answer).all() and np.allclose(answer.sum(1), 1)


def test_more_series_than_in_one_pass():
    fitted = apart(classifier("kernels").fit(*waves()), waves()[0])
    X, _ = waves(300, seed=3)
    halves = [fitted.predict_stage(part) for part in (X[:150], X[150:])]
    assert np.array_equal(fitted.predict_stage(X), np.concatenate(halves))


# ---- bad input


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        (dict(committee="models"), ValueError, "unknown committee 'models': choose one of kernels, budgets, seeds"),
        (dict(committee=[]), ValueError, r"unknown committee \[\]: choose one of"),
        (dict(committee=3), ValueError, "unknown committee 3: choose one of"),
        (dict(committee=[0.5]), TypeError, "0.5 in the committee is no budget: give a dict"),
        (dict(committee=[dict(keep=0.5)]), TypeError, "keep"),
        (dict(committee=[dict(keep_rate=2.0)]), ValueError, "keep_rate 2.0: give a share above 0 and at most 1"),
        (dict(committee=[dict(resolution=(4, 4))]), TypeError, "a series has one side"),
        (dict(committee="kernels", num_kernels=0), ValueError, "num_kernels=0 has none: give a positive"),
        (dict(committee="seeds"), ValueError, "committee 'seeds' of n_members=1: give at least 2"),
        (dict(committee="kernels", n_members=2), ValueError, "n_members=2: give n_members=1, or committee='seeds'"),
        (dict(committee="budgets", n_members=2), ValueError, "n_members=2: give n_members=1, or committee='seeds'"),
        (dict(committee="kernels", validation=0), ValueError, "validation=0 holds out none: give a fraction above 0"),
        (dict(committee_target="best"), ValueError, "committee_target 'best': give an accuracy from 0 to 1, or 'last'"),
        (dict(committee_target=1.5), ValueError, "committee_target 1.5"),
    ],
)
def test_bad_parameters(arguments, error, told):
    with pytest.raises(error, match=told):
        JumboClassifier(**{**SMALL, **arguments})


def test_bad_use(fitted):
    with pytest.raises(NotFittedError):
        classifier("kernels").predict_stage(waves()[0])
    with pytest.raises(ValueError, match="thresholds were calibrated: fit with committee=None"):
        fitted.set_budget(keep_rate=0.5)
    with pytest.raises(ValueError, match="series of 2 channels, fitted on series of 1"):
        fitted.predict_stage(np.zeros((2, 2, 40)))
    X, y = waves(2)
    with pytest.raises(ValueError, match=r"classes of \[1, 1\] series validation holds out none: give more series"):
        classifier("budgets").fit(X, y)
    with pytest.raises(ValueError, match="smaller than one patch"):
        classifier([dict(resolution=0.01)]).fit(*waves(20))


def test_members_are_the_network_and_its_parts(fitted):
    cascade = cascade_of(fitted.networks_, fitted.committee)
    assert all(t == math.inf for t in cascade.thresholds)
    assert list(cascade.models) == (fitted.networks_ if fitted.committee == "seeds" else [fitted.networks_[0]])
    assert stages_of(None) == () and stages_of("kernels") == (KERNELS, WHOLE) and stages_of("seeds") == (WHOLE,)
