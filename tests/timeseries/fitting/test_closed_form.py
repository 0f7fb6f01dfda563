"""The linear part and the spread, found without gradients."""

import numpy as np
import pytest
import torch

from timeseries.data.windows import Cuts, Panel
from timeseries.fitting.closed_form import Ridge, fit_linear
from timeseries.fitting.design import Design
from timeseries.fitting.forecasting import Windows

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
SIZES = dict(patch_length=4, patch_stride=4, embed_dim=4, depth=1, num_heads=2, jumbo_multiplier=2)


def windows(series, covariates=(), loss="mae", normalisation="standard"):
    """A network and windows to fit it on and to judge it by."""
    design = Design(12, 4, 1, covariates, LEVELS, loss, dict(SIZES, normalisation=normalisation))
    panel, T = Panel([series]), len(series)
    halves = [Cuts(torch.tensor([a]), torch.tensor([b])) for a, b in ((12, T // 2 - 4), (T // 2, T - 4))]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = design.build().eval()
    return network, design, [Windows(panel, design, cuts, torch.device("cpu")) for cuts in halves]


@torch.no_grad()
def error(network, windows):
    return float(torch.cat([(network(*c).center - t.values[:, 0]).abs() for c, t in windows.in_order()]).mean())


@pytest.mark.parametrize("normalisation", ["standard", "last", "difference"])
def test_a_recurrence_is_found_exactly(normalisation):
    """A sum of waves obeys a linear recurrence on its lags."""
    t = np.arange(400.0)
    network, _, (fit_on, others) = windows((np.sin(t) + np.sin(0.37 * t))[:, None], normalisation=normalisation)
    before = error(network, others)
    ridge = fit_linear(network, fit_on.some(), others.some(), squared=True)
    assert ridge.penalty == 1e-2 and error(network, others) < 0.15 * before


def test_a_random_walk_keeps_its_last_value():
    walk = np.cumsum(np.random.default_rng(0).normal(size=300))[:, None]
    network, _, (fit_on, others) = windows(walk)
    ridge = fit_linear(network, fit_on.some(), others.some(), squared=True)
    assert ridge.penalty >= 100 and not ridge.drift
    assert network.linear.weight.abs().sum() < 0.3 and not network.linear.bias.any()


def test_a_drift_is_fitted_where_there_is_one():
    rises = np.cumsum(np.random.default_rng(0).normal(0.4, 1, size=3000))[:, None]
    network, _, (fit_on, others) = windows(rises)
    ridge = fit_linear(network, fit_on.some(), others.some(), squared=True)
    assert ridge.drift and (network.linear.bias > 0).all()
    with_drift = error(network, others)
    fit_linear(network, fit_on.some(), [], squared=True, ridges=(ridge._replace(drift=False),))
    assert not network.linear.bias.any() and with_drift < 0.98 * error(network, others)


def test_quantiles_are_those_of_what_is_left():
    noise = np.random.default_rng(0).normal(size=(3000, 1))
    network, _, (fit_on, others) = windows(noise)
    fit_linear(network, fit_on.some(), others.some(), squared=True)
    below = []
    with torch.no_grad():
        for context, target in others.in_order():
            center, offsets = network(*context)
            below.append(target.values[:, 0, :, None] < center[..., None] + offsets)
    shares = torch.cat(below).float().mean(dim=(0, 1))
    assert torch.allclose(shares, torch.tensor(LEVELS), atol=0.03)


def test_covariates_are_fitted_beside_the_lags():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 2))
    y = 3 * x[:, :1] + 0.1 * rng.normal(size=(400, 1))
    network, _, (fit_on, others) = windows(np.hstack([y, x]), covariates=(True, True))
    fit_linear(network, fit_on.some(), others.some(), squared=True)
    used, unused = network.from_covariates.weight[0].abs().tolist()
    assert used > 0.8 and unused < 0.1 and error(network, others) < 0.2  # 1 without


def test_what_was_not_observed_does_not_count():
    t = np.arange(400.0)
    series = (np.sin(t) + np.sin(0.37 * t))[:, None]
    holes = np.where(np.random.default_rng(0).random(series.shape) < 0.05, np.nan, series)
    network, _, (fit_on, others) = windows(holes)
    fit_linear(network, fit_on.some(), others.some(), squared=True)
    assert all(p.isfinite().all() for p in network.parameters())
    network, _, (fit_on, others) = windows(np.full((60, 1), np.nan))
    before = network.linear.weight.clone()
    fit_linear(network, fit_on.some(), others.some(), squared=True)
    assert torch.equal(network.linear.weight, before)


def test_a_constant_stays():
    network, _, (fit_on, others) = windows(np.full((100, 1), 3.0))
    fit_linear(network, fit_on.some(), others.some(), squared=True)
    assert all(p.isfinite().all() for p in network.parameters()) and error(network, others) == 0


def test_few_windows_read_fewer_lags():
    """A damped wave with noise, of which two lags say everything: the end of the context is enough."""
    rng, y = np.random.default_rng(0), np.zeros(150)
    for t in range(2, 150):
        y[t] = 1.6 * y[t - 1] - 0.9 * y[t - 2] + rng.normal()
    network, fit_on, others = few_windows(y)
    ridge = fit_linear(network, fit_on.some(), others.some(), squared=True)
    used = ridge.used(40)
    assert ridge.share < 1 and not network.linear.weight[:, : used.start].any()
    shorter = error(network, others)
    fit_linear(network, fit_on.some(), [], squared=True, ridges=(ridge._replace(share=1.0),))
    assert shorter < error(network, others)


def test_with_few_windows_intervals_are_as_wide_as_the_errors_on_new_windows():
    """Residuals within the rows of the fit are smaller, with 40 lags and 60 rows: 0.69 would be inside, of 0.8."""
    inside = []
    for seed in range(3):
        noise = np.random.default_rng(seed).normal(size=4000)
        network, fit_on, _ = few_windows(noise[:120])
        fit_linear(network, fit_on.some(), [], squared=True, ridges=(Ridge(1.0, False),))
        _, new, _ = few_windows(noise)
        with torch.no_grad():
            for context, target in new.in_order():
                center, offsets = network(*context)
                miss = target.values[:, 0] - center
                inside.append((miss >= offsets[..., 0]) & (miss <= offsets[..., -1]))
    assert 0.75 < torch.cat(inside).float().mean() < 0.85


def test_steps_with_few_windows_have_their_own_widths():
    walk = np.cumsum(np.random.default_rng(0).normal(size=300))
    network, _, (fit_on, _) = windows(walk[:, None])
    fit_linear(network, fit_on.some(), [], squared=True, ridges=(Ridge(float("inf"), False),))
    with torch.no_grad():
        context, _ = fit_on.at(torch.tensor([0]))
        offsets = network(*context).offsets[0]
    width = offsets[:, -1] - offsets[:, 0]
    assert width[3] / width[0] == pytest.approx(2, rel=0.3)  # it grows with the root of the steps


def few_windows(series):
    """A network with 40 lags, and the windows of two halves of a series."""
    design = Design(40, 4, 1, (), LEVELS, "mae", dict(SIZES, normalisation="last"))
    T = len(series)
    halves = [Cuts(torch.tensor([a]), torch.tensor([b])) for a, b in ((40, T * 5 // 6), (T * 5 // 6 + 4, T - 4))]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = design.build().eval()
    panel = Panel([series[:, None]])
    return network, *(Windows(panel, design, cuts, torch.device("cpu")) for cuts in halves)


@pytest.mark.parametrize("share, first", [(1.0, 0), (0.5, 4), (0.125, 7)])
@pytest.mark.parametrize("drift", [False, True])
def test_a_shorter_context_reads_its_last_lags_and_every_static_covariate(share, first, drift):
    columns = range(8 + 3 + 1)[Ridge(1.0, drift, share).used(8, static=3)]  # eight lags, three covariates, a one
    assert list(columns) == list(range(first, 11 + drift))
