"""Updates: the data always move on; the networks change when there is enough to learn from, and only for the better."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch

pytest.importorskip("sktime")

from timeseries import JumboForecaster

H = 7


def process(kind, length, seed=0):
    """Daily values: a noisy week, an autoregression, a random walk, or a period that changes after 200 days."""
    noise = np.random.default_rng(seed).normal(size=length)
    t = np.arange(length)
    values = dict(
        seasonal=3 * np.sin(2 * np.pi * t / 7) + noise,
        walk=noise.cumsum(),
        change=3 * np.sin(2 * np.pi * t / np.where(t < 200, 7, 5)) + 0.3 * noise,
    ).get(kind, noise)
    if kind == "autoregression":
        for i in range(1, length):
            values[i] += 0.8 * values[i - 1]
    return pd.Series(values, index=pd.date_range("2020", periods=length))


def forecaster(**arguments):
    return JumboForecaster(**{**dict(horizon=H, random_state=0, embed_dim=8, depth=1, pretrained=None), **arguments})


def weights(fitted):
    return torch.cat([p.flatten() for network in fitted.networks_ for p in network.parameters()])


def scores(fitted, y, cuts):
    """Mean absolute error, and the share inside 80 % intervals, over forecasts from some cuts."""
    center, quantiles = fitted.forecast_at(y, np.asarray(cuts), alpha=(0.1, 0.9))
    truth = np.stack([y.to_numpy()[k : k + H] for k in cuts])
    inside = (quantiles[:, :, 0, 0] <= truth) & (truth <= quantiles[:, :, 0, 1])
    return np.abs(center[..., 0] - truth).mean(), inside.mean()


@pytest.fixture(scope="module")
def before_a_change():
    return forecaster().fit(process("change", 200))


def test_few_rows_move_the_data_on_and_nothing_else():
    y = process("seasonal", 230)
    fitted = forecaster(max_epochs=1).fit(y[:200], fh=[1, 2])
    still = copy.deepcopy(fitted)
    for k in range(200, 230):
        fitted.update(y[k : k + 1])
        still.update(y[k : k + 1], update_params=False)
    assert torch.equal(weights(fitted), weights(still))
    assert fitted.predict().index.equals(pd.date_range(y.index[-1], periods=3)[1:])
    assert np.array_equal(fitted.predict(), still.predict())


def test_it_learns_what_changed_however_the_rows_come(before_a_change):
    y, cuts = process("change", 400), range(380, 393)
    at_once, in_parts = copy.deepcopy(before_a_change), copy.deepcopy(before_a_change)
    at_once.update(y[200:380])
    in_parts.update(y[200:300], update_params=False)  # what was not learned from yet is learned from later
    in_parts.update(y[300:380])
    assert torch.equal(weights(at_once), weights(in_parts))
    assert scores(at_once, y, cuts)[0] < 0.5 * scores(before_a_change, y, cuts)[0]


def test_it_learns_from_many_small_updates(before_a_change):
    y, fitted, changes = process("change", 400), copy.deepcopy(before_a_change), []
    for k in range(200, 380, 4):
        old = weights(fitted)
        fitted.update(y[k : k + 4])
        changes.append(not torch.equal(old, weights(fitted)))
    assert 1 <= sum(changes) <= 4  # once for a quarter of what is remembered
    assert scores(fitted, y, range(380, 393))[0] < 0.5 * scores(before_a_change, y, range(380, 393))[0]


def test_what_gains_nothing_is_not_kept():
    """A walk has nothing to learn but that the last value stays, which is where the network begins."""
    y = process("walk", 300, seed=1)
    fitted = forecaster(max_epochs=2).fit(y[:200])
    with torch.no_grad():  # it knows
        for parameter in [*fitted.networks_[0].linear.parameters(), *fitted.networks_[0].head.parameters()]:
            parameter.zero_()
    before = weights(fitted)
    fitted.update(y[200:300])
    assert torch.equal(weights(fitted), before)
    assert fitted._learned[None] == 300  # it was tried


def test_memory_is_bounded():
    y = process("seasonal", 3000)
    fitted = forecaster(context_length=24, max_epochs=1).fit(y[:1000])
    assert len(fitted._tails[None].values) == 512
    fitted.update(y[1000:1010], update_params=False)
    assert np.array_equal(fitted._tails[None].values[:, 0], y[498:1010])
    longer = forecaster(context_length=400, max_epochs=1).fit(y[:1200])
    assert len(longer._tails[None].values) == 2 * 400 + 8 * H


def test_a_panel_learns_together_and_takes_new_series():
    parts = {f"s{i}": process("change", 400, seed=i).to_frame("a") for i in range(3)}
    whole = pd.concat(parts, names=["series", "time"])
    times = whole.index.get_level_values(1)
    start = parts["s0"].index[0]
    fitted = forecaster().fit(whole[(times < start + pd.Timedelta(days=200))].drop("s2"))
    before = copy.deepcopy(fitted)
    fitted.update(whole[(times >= start + pd.Timedelta(days=200)) & (times < start + pd.Timedelta(days=380))])
    assert list(fitted._tails) == ["s0", "s1", "s2"] and set(fitted._learned) == {"s0", "s1", "s2"}
    y, cuts = parts["s2"]["a"], range(380, 393)
    assert scores(fitted, y, cuts)[0] < 0.5 * scores(before, y, cuts)[0]


def test_a_series_that_no_network_has_learned_is_saved_as_such(tmp_path):
    new = process("seasonal", 60).to_frame("a")
    fitted = forecaster(max_epochs=1).fit(pd.concat({"old": new}), fh=[1])
    fitted.update(pd.concat({"new": new}), update_params=False).save(tmp_path / "one.safetensors")
    loaded = JumboForecaster.load(tmp_path / "one.safetensors")
    assert loaded._learned == fitted._learned and set(loaded._learned) == {"old"}
    loaded.update(pd.concat({"new": new + 1}))


@pytest.mark.slow
@pytest.mark.parametrize("length", [100, 200])
@pytest.mark.parametrize("kind", ["seasonal", "autoregression", "walk"])
def test_sixty_updates_are_not_worse_than_none(kind, length):
    """Of one row each, by five seeds, paired: no worse in error nor coverage than noise would have it."""
    differences = []
    for seed in range(5):
        y = process(kind, length + 60 + H, seed)
        fitted = JumboForecaster(horizon=H, random_state=seed, pretrained=None).fit(y[:length])
        still = copy.deepcopy(fitted)
        found = []
        for k in range(length, length + 60):
            fitted.update(y[k : k + 1])
            still.update(y[k : k + 1], update_params=False)
            found.append(np.subtract(scores(fitted, y, [k + 1]), scores(still, y, [k + 1])))
        differences.append(np.mean(found, axis=0))
    error, coverage = np.mean(differences, axis=0)
    noise = np.std(differences, axis=0, ddof=1) / np.sqrt(5)
    assert error <= 0.02 + 2 * noise[0] and coverage >= -0.02 - 2 * noise[1], (differences, noise)
