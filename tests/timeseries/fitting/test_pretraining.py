"""Masked patches: nothing leaks, the loss falls, and what was learned lives through fit, clone and saving."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch

from timeseries.data.windows import Batch
from timeseries.fitting.pretraining import Reconstruction, mask_stretches, pretrain_encoder
from timeseries.fitting.training import Schedule, seeded
from timeseries.networks.series_encoder import SeriesEncoder

CPU = torch.device("cpu")
SIZES = dict(embed_dim=16, depth=2, num_heads=2, jumbo_multiplier=2)


def sines(n=64, T=48, channels=1, seed=0):
    """Of any phase, (n, C, T), with a period that is the panel's."""
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 6.3, (n, channels, 1))
    return np.sin(2 * np.pi * np.arange(T) / 12 + phase) + 0.05 * rng.normal(size=(n, channels, T))


def encoder(seed=0, channels=1, **arguments):
    with seeded(seed):
        return SeriesEncoder(channels, **{**dict(length=48, patch_length=6, patch_stride=6), **SIZES, **arguments})


def pretrained(seed=0, epochs=15, device=CPU, **arguments):
    network, x = encoder(**arguments), torch.tensor(sines(), dtype=torch.float32)

    def batches(generator, steps):
        for _ in range(steps):
            yield Batch(x[torch.randint(len(x), (16,), generator=generator)], None)

    return network, pretrain_encoder(
        network, batches, Schedule(epochs, steps=20, learning_rate=3e-3), seed=seed, device=device
    )


# ---- the task


def test_the_loss_falls_on_sines(device):
    _, history = pretrained(device=device)
    assert history.epochs[0].loss > 0.8 and history.epochs[-1].loss < 0.4


def test_the_same_seed_gives_the_same_encoder():
    (a, _), (b, _), (c, _) = (pretrained(seed=s, epochs=1) for s in (3, 3, 4))
    weights = [torch.cat([p.flatten() for p in network.parameters()]) for network in (a, b, c)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


@torch.no_grad()
@pytest.mark.parametrize("normalisation", ["none", "standard", "last", "difference"])
@pytest.mark.parametrize("stride", [2, 6])
@pytest.mark.parametrize("align", ["start", "end"])
def test_masked_steps_are_not_seen(normalisation, stride, align):
    network = encoder(channels=2, normalisation=normalisation, patch_stride=stride, align=align, length=45)
    task = Reconstruction(network).eval()
    for parameter in task.parameters():
        torch.nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(5, 2, 45, generator=generator)
    observed = torch.rand(5, 2, 45, generator=generator) > 0.1
    masked = mask_stretches(5, 45, 6, align == "end", generator)
    changed = torch.where(masked[:, None], 100 * torch.randn(5, 2, 45, generator=generator), x)
    reconstructed, target, weight = task(x, observed, masked)
    again, other, _ = task(changed, observed, masked)
    assert torch.equal(reconstructed, again) and not torch.allclose(target, other)
    # what is to be found is masked and known, and nothing of the padding
    steps = torch.stack([masked, masked], dim=1) & observed
    if normalisation != "difference" and stride == 6:
        assert (weight > 0).sum() == steps.sum()
    assert weight.any() and reconstructed.shape == weight.shape


@torch.no_grad()
def test_errors_count_in_units_of_the_whole_series():
    x = torch.tensor(sines(2), dtype=torch.float32)
    x[..., 12:] *= 1e-3
    masked = torch.zeros(2, 48, dtype=torch.bool)
    masked[:, :12] = True
    reconstructed, target, weight = Reconstruction(encoder()).eval()(x, None, masked)
    assert target.abs().max() > 100  # of what was shown, the spread was small
    assert ((reconstructed - target).square() * weight).max() < 10


@torch.no_grad()
def test_masked_patches_are_attended_to_and_missing_ones_are_not():
    task = Reconstruction(encoder()).eval()
    x = torch.tensor(sines(4), dtype=torch.float32)
    seen = []
    task.encoder.encoder.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["key_mask"]), with_kwargs=True
    )
    masked = torch.zeros(4, 48, dtype=torch.bool)
    masked[:, 6:12] = True
    task(x, None, masked)
    assert seen[-1] is None
    observed = torch.ones_like(x, dtype=torch.bool)
    observed[0, :, 36:] = False
    task(x, observed, masked)
    assert seen[-1].sum(dim=1).tolist() == [6, 8, 8, 8]


def test_stretches():
    generator = torch.Generator().manual_seed(0)
    masked = mask_stretches(50, 60, 6, False, generator)
    assert (masked.sum(dim=1) == 24).all()  # 40 %
    assert (masked.unflatten(1, (10, 6)).float().mean(dim=2) % 1 == 0).all()  # whole ones
    assert masked.any(dim=0).all()
    ragged = mask_stretches(50, 20, 6, True, generator)
    assert (ragged[:, :2].all(dim=1) | ~ragged[:, :2].any(dim=1)).all()  # the first is the short one
    assert not mask_stretches(3, 5, 6, False, generator).any()
    assert (mask_stretches(20, 12, 6, False, generator).sum(dim=1) == 6).all()


def test_nothing_masked_or_observed_gives_a_loss_of_zero():
    task, x = Reconstruction(encoder()), torch.zeros(2, 1, 48)
    nothing = torch.zeros_like(x, dtype=torch.bool)
    assert task.loss(x, nothing, torch.ones(2, 48, dtype=torch.bool)) == 0
    assert task.loss(x, None, torch.zeros(2, 48, dtype=torch.bool)) == 0


# ---- the estimators

sktime = pytest.importorskip("sktime")
from timeseries import JumboClassifier, JumboForecaster  # noqa: E402

SMALL = dict(embed_dim=8, num_heads=2, depth=1, jumbo_multiplier=2, max_epochs=2, pretrain_epochs=2, random_state=0)


def classifier(**arguments):
    return JumboClassifier(**{**SMALL, **dict(num_kernels=0, pretrained=None), **arguments})  # the network alone


def forecaster(**arguments):
    return JumboForecaster(
        **{**SMALL, **dict(pretraining="masked", horizon=4, context_length=24, pretrained=None), **arguments}
    )


def panel(n=4, T=100, columns=("a",)):
    tables = {f"s{i}": pd.DataFrame(x.T, columns=list(columns)) for i, x in enumerate(sines(n, T, len(columns)))}
    return pd.concat(tables, names=["series", "time"])


def encoder_weights(network):
    return torch.cat([p.detach().flatten() for p in network.encoder.parameters()])


def labelled(n=20, channels=2):
    X = sines(n, channels=channels, seed=1)
    y = np.arange(n) % 2
    X[y == 1] *= 2
    return X, y


def test_a_frozen_encoder_stays_as_it_was_pretrained():
    X, y = labelled()
    for frozen, same in ((2, True), (1, False)):
        pretrained = classifier(frozen_epochs=frozen).pretrain(X)
        before = torch.cat([p.detach().flatten() for p in pretrained.pretrained_.encoders[0].parameters()])
        after = pretrained.fit(X, y).networks_[0]
        assert torch.equal(encoder_weights(after), before) == same
        assert after.head.weight.any() and all(p.requires_grad for p in after.parameters())


def test_a_forecaster_begins_with_the_encoder_pretrained():
    pretrained = forecaster(frozen_epochs=2).pretrain(panel())
    before = encoder_weights(pretrained.pretrained_.networks[0])
    assert not torch.equal(encoder_weights(pretrained.pretrained_.design.build()), before)
    network = pretrained.fit(panel(1, 150).loc["s0"], fh=[1, 2]).networks_[0]
    assert torch.equal(encoder_weights(network), before)
    assert network.linear.weight.any() and not pretrained.pretrained_.networks[0].linear.weight.any()  # closed form


def test_a_classifier_lives_on_from_pretraining_to_saving(tmp_path):
    X, y = labelled()
    pretrained = classifier(n_members=2).pretrain(X)
    assert not pretrained.is_fitted and len(pretrained.history_) == 2
    fitted = pretrained.clone().fit(X, y)
    again = pretrained.clone().set_params(frozen_epochs=5).set_params(frozen_epochs=pretrained.frozen_epochs)
    probabilities = fitted.predict_proba(X)
    assert np.array_equal(again.fit(X, y).predict_proba(X), probabilities)
    assert np.array_equal(again.fit(X, y).predict_proba(X), probabilities)  # fit resets, pretraining stays
    assert not np.array_equal(classifier(n_members=2).fit(X, y).predict_proba(X), probabilities)
    fitted.save(tmp_path / "model.safetensors")
    loaded = JumboClassifier.load(tmp_path / "model.safetensors")
    assert np.array_equal(loaded.predict_proba(X), probabilities)
    copied = pickle.loads(pickle.dumps(pretrained)).fit(X, y)
    assert np.array_equal(copied.predict_proba(X), probabilities)


def test_a_clone_does_not_share_what_was_pretrained():
    X, y = labelled()
    pretrained = classifier().pretrain(X)
    clone = pretrained.clone()
    assert clone.pretrained_.encoders[0] is not pretrained.pretrained_.encoders[0]
    before = pretrained.pretrained_.encoders[0]
    further = pretrained.clone().pretrain(X)  # goes on
    assert not torch.equal(further.pretrained_.encoders[0].embed.from_values.weight, before.embed.from_values.weight)


def test_a_classifier_pretrains_on_series_of_unequal_lengths_with_holes():
    X, y = labelled(12)
    frames = [pd.DataFrame(x[:, : 20 + i].T, columns=["a", "b"]) for i, x in enumerate(X)]
    frames[0].iloc[3:9] = np.nan
    fitted = classifier().pretrain(frames).fit(X, y)
    assert np.isfinite(fitted.predict_proba(X)).all()


def test_a_forecaster_lives_on_from_masked_pretraining_to_saving(tmp_path):
    y = panel(1, 150).loc["s0"]
    pretrained = forecaster().pretrain(panel())
    fitted = pretrained.clone().fit(y, fh=[1, 2, 6])
    out = fitted.predict()
    assert pretrained.fit(y, fh=[1, 2, 6]).predict().equals(out)
    assert pretrained.fit(y, fh=[1, 2, 6]).predict().equals(out)
    fitted.save(tmp_path / "model.safetensors")
    assert JumboForecaster.load(tmp_path / "model.safetensors").predict().equals(out)
    two = panel(1, 150, columns=("a", "b")).loc["s0"]
    assert pretrained.clone().fit(two, fh=[1, 2]).predict().shape == (2, 2)  # each column is read by itself
    with pytest.warns(UserWarning, match="too few to learn from"):
        pretrained.clone().fit(y[:1], fh=[1])


def test_covariates_are_masked_with_the_series():
    y = panel()
    X = y.rename(columns={"a": "x"}) ** 2
    pretrained = forecaster().pretrain(y, X=X)
    one = y.loc["s0"]
    fitted = pretrained.fit(one[:90], X=X.loc["s0"][:90], fh=[1, 2])
    assert fitted.predict(X=X.loc["s0"][90:92]).notna().all(axis=None)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (dict(pretrain_epochs=0), ValueError, "pretrain_epochs must be at least 1, got 0"),
        (dict(frozen_epochs=-1), ValueError, "frozen_epochs must be at least 0, got -1"),
        (dict(frozen_epochs=0.5), TypeError, "frozen_epochs must be an integer, got 0.5"),
    ],
)
def test_bad_parameters(arguments, error, message):
    for make in (classifier, forecaster):
        with pytest.raises(error, match=message):
            make(**arguments)


def test_bad_data():
    with pytest.raises(ValueError, match="unknown pretraining 'contrast': choose one of forecast, masked"):
        forecaster(pretraining="contrast")
    X, y = labelled()
    pretrained = classifier().pretrain(X)
    for call in (lambda: pretrained.fit(X[:, :1], y), lambda: pretrained.pretrain(X[:, :1])):
        with pytest.raises(ValueError, match="pretrained on series of 2 channels, now they have 1: give the same"):
            call()
    with pytest.raises(ValueError, match="pretrained with {'embed_dim': 8}, now set to {'embed_dim': 16}: pretrain"):
        pretrained.clone().set_params(embed_dim=16).fit(X, y)
    with pytest.raises(ValueError, match="infinite values"):
        classifier().pretrain(np.where(X > 1, np.inf, X))
    with pytest.raises(ValueError, match=r"pretrained with the columns \[\] of X, now they are \['x'\]"):
        series = panel(1).loc["s0"]
        forecaster().pretrain(panel()).fit(series, X=series.rename(columns={"a": "x"}))
