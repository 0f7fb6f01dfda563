"""What both estimators share: ``encoder=`` for ablations, no training at ``max_epochs=0``; learned normalisation."""

import numpy as np
import pandas as pd
import pytest
import torch

pytest.importorskip("sktime")
from timeseries import JumboClassifier, JumboForecaster

SIZES = dict(embed_dim=8, depth=1, num_heads=2, jumbo_multiplier=2, random_state=0)
REGISTERS = dict(jumbo_ffn="patch", jumbo_multiplier=5)


def forecaster(**arguments):
    return JumboForecaster(**{**SIZES, **dict(max_epochs=1, pretrained=None), **arguments})


def classifier(**arguments):
    return JumboClassifier(**{**SIZES, **dict(max_epochs=2, num_kernels=84, pretrained=None), **arguments})


BOTH = [forecaster, classifier]


def wave(T=120):
    rng = np.random.default_rng(0)
    return pd.DataFrame({"a": 10 + np.sin(np.arange(T) / 2) + 0.05 * rng.normal(size=T)})


def chaos(T=400):
    """The logistic map: what comes next follows from the last value, and no linear map tells it."""
    values = [0.3]
    for _ in range(T - 1):
        values.append(3.9 * values[-1] * (1 - values[-1]))
    return pd.DataFrame({"a": values})


def panel():
    return pd.concat({n: wave(100 + n) for n in range(3)}, names=["series", "time"])


def labelled(n=24):
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    X = rng.normal(size=(n, 1, 32))
    X[y == 1] += np.sin(np.arange(32))
    return X, y


def fit(estimator):
    return estimator.fit(wave(), fh=[1, 3]) if isinstance(estimator, JumboForecaster) else estimator.fit(*labelled())


def answer(estimator):
    if isinstance(estimator, JumboForecaster):
        return estimator.predict_quantiles(alpha=[0.1, 0.5]).to_numpy()
    return estimator.predict_proba(labelled()[0])


def weights(module):
    return torch.cat([p.detach().flatten() for p in module.parameters()])


# ---- encoder=


@pytest.mark.parametrize("make", BOTH)
def test_arguments_of_the_encoder_are_used_saved_and_cloned(make, tmp_path):
    fitted = fit(make(encoder=REGISTERS, jumbo_multiplier=3))
    core = fitted.networks_[0].encoder.encoder
    assert core.jumbo_multiplier == 5 and core.jumbo_mlp is None  # they come before the parameters
    assert fitted.networks_[0].head.in_features == 2 * 8
    fitted.save(tmp_path / "m.safetensors")
    loaded = type(fitted).load(tmp_path / "m.safetensors")
    assert loaded.encoder == REGISTERS
    np.testing.assert_array_equal(answer(loaded), answer(fitted))
    np.testing.assert_array_equal(answer(fit(fitted.clone())), answer(fitted))


def test_no_arguments_change_nothing_and_others_do():
    def forecast(encoder):
        fitted = forecaster(max_epochs=4, context_length=8, encoder=encoder).fit(chaos(), fh=[1])
        assert fitted.history_[0].best > 0  # it learned
        return answer(fitted)

    plain = forecast(None)
    np.testing.assert_array_equal(forecast({}), plain)
    np.testing.assert_array_equal(forecast(dict(jumbo_ffn="shared")), plain)
    for encoder in (dict(mlp_ratio=1.0), dict(jumbo_ffn="none"), dict(jumbo_ffn="per_layer"), dict(jumbo_lora_rank=2)):
        assert not np.array_equal(forecast(encoder), plain)
    alone = answer(fit(classifier()))
    np.testing.assert_array_equal(answer(fit(classifier(encoder={}))), alone)


@pytest.mark.parametrize("make", BOTH)
@pytest.mark.parametrize(
    ("encoder", "error", "message"),
    [
        (["patch"], TypeError, r"encoder \['patch'\]: give a dict of arguments, such as dict\(jumbo_ffn='patch'\)"),
        (dict(ffn="patch"), ValueError, "encoder has no argument 'ffn': choose among .*jumbo_ffn"),
        (dict(keep_rate=0.5), ValueError, "encoder has no argument 'keep_rate'"),
        (dict(jumbo_ffn="deep"), ValueError, "unknown jumbo_ffn 'deep': choose one of"),
        (dict(jumbo_multiplier=0), ValueError, "jumbo_multiplier must be at least 1, got 0"),
        (dict(jumbo_ffn="none", jumbo_lora_rank=2), ValueError, "jumbo_lora_rank=2 updates the shared FFN"),
        (dict(embed_dim=9), ValueError, "9.*2"),
    ],
)
def test_what_is_no_argument_of_the_encoder_is_refused_at_once(make, encoder, error, message):
    before = torch.get_rng_state()
    with pytest.raises(error, match=message):
        make(encoder=encoder)
    make(encoder=REGISTERS)
    assert torch.equal(torch.get_rng_state(), before)


def test_kept_patches_are_drawn_over_the_blocks_there_are():
    pytest.importorskip("matplotlib").use("Agg")
    fitted = fit(classifier(depth=2, encoder=dict(depth=4)))
    X, _ = labelled()
    assert (fitted.plot_kept(X[:1], 1.0).images[0].get_array() == 1).all()
    assert fitted.plot_attention(X[:1], block=3) is not None


def test_a_pretrained_encoder_of_other_arguments_is_refused():
    X, y = labelled()
    pretrained = classifier(pretrain_epochs=1).pretrain(X)
    with pytest.raises(ValueError, match="pretrained with .*'jumbo_ffn': None.*, now set to .*'patch'"):
        pretrained.clone().set_params(encoder=dict(jumbo_ffn="patch")).fit(X, y)
    registers = classifier(pretrain_epochs=1, encoder=REGISTERS).pretrain(X)
    registers.clone().fit(X, y)
    with pytest.raises(ValueError, match="pretrained with .*'jumbo_ffn': 'patch'.*, now set to .*None"):
        registers.set_params(encoder=None).fit(X, y)


# ---- max_epochs=0


def test_a_forecaster_without_training_is_its_closed_form():
    told = []
    fitted = forecaster(max_epochs=0, callbacks=[told.append]).fit(wave(), fh=range(1, 7))
    (network,) = fitted.networks_
    assert not told and not fitted.history_[0].epochs
    with torch.random.fork_rng():
        torch.manual_seed(int(np.random.SeedSequence(0).generate_state(1)[0]))
        begun = fitted.design_.build()
    assert torch.equal(weights(network.encoder), weights(begun.encoder)) and not network.head.weight.any()
    assert network.linear.weight.any()
    assert (fitted.predict() - wave(126)[120:]).abs().to_numpy().max() < 0.3  # noise of 0.05, swing of 1
    fitted.update(wave(200)[120:])
    assert fitted.networks_[0] is network and fitted.cutoff[0] == 199


@pytest.mark.parametrize("changes", [dict(validation=0), dict(elastic=True), dict(keep_rate=0.5), dict(n_members=2)])
def test_a_forecaster_without_training_takes_every_other_parameter(changes):
    assert np.isfinite(answer(fit(forecaster(max_epochs=0, **changes)))).all()


def test_what_was_pretrained_forecasts_as_it_is():
    pretrained = forecaster(max_epochs=0, pretrain_epochs=1, horizon=3).pretrain(panel())
    before = pretrained.pretrained_.networks[0]
    network = pretrained.fit(wave(), fh=[1, 2]).networks_[0]
    assert torch.equal(weights(network), weights(before)) and network.head.weight.any()
    masked = forecaster(max_epochs=0, pretrain_epochs=1, horizon=3, pretraining="masked").pretrain(panel())
    encoder = weights(masked.pretrained_.networks[0].encoder)
    network = masked.fit(wave(), fh=[1, 2]).networks_[0]
    assert torch.equal(weights(network.encoder), encoder) and network.linear.weight.any()


def test_pretraining_needs_epochs():
    with pytest.raises(ValueError, match="pretrain learns nothing in max_epochs=0: give pretrain_epochs, the number"):
        forecaster(max_epochs=0).pretrain(panel())


@pytest.mark.parametrize("changes", [{}, dict(validation=0.0), dict(n_members=2), dict(committee="kernels")])
def test_a_classifier_without_training_is_its_convolutions(changes):
    X, _ = labelled()
    told = []
    fitted = fit(classifier(max_epochs=0, callbacks=[told.append], **changes))
    assert not told and all(network.share == 0 for network in fitted.networks_)
    if "committee" not in changes:
        x = torch.stack(fitted._tensors(list(X.transpose(0, 2, 1))))
        with torch.no_grad():
            alone = [network.convolutions(x, None).double().softmax(dim=1) for network in fitted.networks_]
        np.testing.assert_allclose(answer(fitted), torch.stack(alone).mean(dim=0), rtol=1e-5)
    assert (fitted.predict(X) == labelled()[1]).mean() > 0.8


def test_a_classifier_without_training_keeps_its_pretrained_encoder():
    X, y = labelled()
    pretrained = classifier(max_epochs=0, pretrain_epochs=1).pretrain(X)
    before = weights(pretrained.pretrained_.encoders[0])
    assert torch.equal(weights(pretrained.fit(X, y).networks_[0].encoder), before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(num_kernels=0), "max_epochs=0 trains no network and num_kernels=0 fits no convolutions"),
        (
            dict(committee="budgets"),
            "committee 'budgets' asks the transformer alone, and max_epochs=0 does not train it",
        ),
        (dict(committee=[dict(keep_rate=0.5)]), "asks the transformer alone, and max_epochs=0 does not train it"),
    ],
)
def test_a_classifier_that_could_learn_nothing_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        classifier(max_epochs=0, **arguments)


@pytest.mark.parametrize("make", BOTH)
def test_epochs_are_no_negative_number(make):
    with pytest.raises(ValueError, match="max_epochs must be at least 0, got -1"):
        make(max_epochs=-1)
    with pytest.raises(TypeError, match="max_epochs must be an integer, got None"):
        make(max_epochs=None)


# ---- normalisation


def test_a_learned_scale_and_shift_is_saved_with_the_forecaster(tmp_path):
    fitted = forecaster(affine=True, max_epochs=4, context_length=8).fit(chaos(), fh=[1, 2])
    norm = fitted.networks_[0].encoder.norm
    assert norm.weight != 1 and norm.bias != 0
    fitted.save(tmp_path / "m.safetensors")
    pd.testing.assert_frame_equal(JumboForecaster.load(tmp_path / "m.safetensors").predict(), fitted.predict())


# ---- how long it takes


@pytest.mark.parametrize("make", BOTH)
def test_a_long_fit_says_so_once(make, monkeypatch, caplog, capsys):
    monkeypatch.setattr("timeseries.fitting.notice._LONG", 0.0)
    monkeypatch.setattr("timeseries.fitting.notice._LISTEN", 0.0)
    fit(make(n_members=2))
    (said,) = caplog.messages
    assert said.startswith(f"{type(make()).__name__}: training of 2 networks takes about ")
    assert "verbose=1 shows progress" in said
    caplog.clear()
    fit(make(verbose=1))
    assert not caplog.records and "step" in capsys.readouterr().err


@pytest.mark.parametrize("make", BOTH)
def test_a_short_fit_says_nothing(make, caplog, capsys):
    fit(make())
    assert not caplog.records and capsys.readouterr() == ("", "")
