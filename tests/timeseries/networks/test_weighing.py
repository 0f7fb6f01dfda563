"""The weigher of experts: a convex mixture, with quantiles that rise, at any step of any horizon."""

import pytest
import torch

from timeseries.networks.weighing import FACTS, LEVELS, PAST, PLACES, Case, ExpertWeigher

E = 5
SIZES = dict(embed_dim=8, depth=1, num_heads=2, jumbo_multiplier=2)


def case(B=3, S=7, seed=0):
    torch.manual_seed(seed)
    observed = torch.arange(32)[None] >= torch.tensor([0, 20, 31])[:B, None]
    return Case(
        torch.randn(B, 32),
        observed,
        torch.randn(B, FACTS + PLACES),
        torch.randn(B, E, 2 * PLACES + PAST),
        torch.randn(B, E, S),
        torch.rand(B, E, S) + 0.1,
        torch.linspace(0, 1, S).expand(B, S),
    )


def weigher(random=True, **sizes):
    torch.manual_seed(1)
    net = ExpertWeigher(E, context=32, patch_length=8, blocks=3, **SIZES | sizes)
    if random:
        for p in net.parameters():
            torch.nn.init.normal_(p, std=0.5)
    return net.eval()


@torch.no_grad()
def test_weights_are_convex_and_quantiles_rise():
    verdict = weigher()(case())
    assert (verdict.weights >= 0).all()
    assert torch.allclose(verdict.weights.sum(dim=-1), torch.ones(3, 7), atol=1e-6)
    assert (verdict.offsets.diff(dim=-1) > 0).all()
    assert (verdict.offsets[..., LEVELS.index(0.5)] == 0).all()


@torch.no_grad()
def test_the_centre_is_the_mixture_and_a_bounded_correction():
    c, net = case(), weigher()
    verdict = net(c)
    mixed = torch.einsum("bse,bes->bs", verdict.weights, c.points)
    apart = (c.points - mixed[:, None]).square() + c.spreads.square()
    spread = torch.einsum("bse,bes->bs", verdict.weights, apart).sqrt()
    correction = verdict.center - mixed
    assert correction.abs().max() > 0.01  # there is one
    assert (correction.abs() <= 0.5 * spread + 1e-6).all()


@torch.no_grad()
def test_without_training_past_errors_decide_and_quantiles_are_normal():
    c, net = case(), weigher(random=False)
    verdict = net(c)
    record = c.briefs[..., -PAST:] @ net.record
    assert torch.allclose(verdict.weights[:, 0], (-record).softmax(dim=-1), atol=1e-6)
    q90 = verdict.offsets[..., LEVELS.index(0.9)]
    assert torch.allclose(q90, -verdict.offsets[..., LEVELS.index(0.1)], atol=1e-5)
    mixed = torch.einsum("bse,bes->bs", verdict.weights, c.points)
    apart = (c.points - mixed[:, None]).square() + c.spreads.square()
    spread = torch.einsum("bse,bes->bs", verdict.weights, apart).sqrt()
    assert torch.allclose(q90, 1.2816 * spread, rtol=1e-3)


@torch.no_grad()
def test_a_step_does_not_depend_on_which_others_are_asked_for():
    c, net = case(S=9), weigher()
    some = c._replace(points=c.points[..., ::4], spreads=c.spreads[..., ::4], places=c.places[:, ::4])
    whole, part = net(c), net(some)
    assert torch.allclose(whole.center[:, ::4], part.center, atol=1e-6)
    assert torch.allclose(whole.offsets[:, ::4], part.offsets, atol=1e-5)


@torch.no_grad()
def test_what_is_not_observed_changes_nothing():
    c, net = case(), weigher()
    other = c._replace(context=torch.where(c.observed, c.context, 99.0))
    assert torch.equal(net(c).center, net(other).center)


@pytest.mark.parametrize("encoder", [dict(jumbo_ffn="patch", jumbo_multiplier=5), dict(jumbo_ffn="none")])
def test_registers_may_stand_in_the_place_of_the_jumbo_token(encoder):
    net = weigher(**encoder)
    verdict = net(case())
    verdict.center.sum().backward()
    assert net.weigh.weight.grad.abs().sum() > 0
    assert ExpertWeigher(E, **net.sizes).state_dict().keys() == net.state_dict().keys()


@torch.no_grad()
def test_patches_before_all_series_make_no_difference():
    c, net = case(), weigher()
    c = c._replace(observed=c.observed & (torch.arange(32) >= 19))
    short, whole = net(c), net.train()(c)  # it leaves them out when it does not train
    for a, b in zip(short, whole, strict=True):
        assert torch.allclose(a, b, atol=1e-5)
