"""The networks: the images' encoder inside, padding that changes nothing, quantiles that cannot cross."""

import pytest
import torch

from jumbo_backbone import JumboEncoder
from jumbo_backbone.budgets.flops import count_flops
from timeseries.data.windows import pad_together
from timeseries.networks.network import ClassifierNet, ForecastNet

SIZES = dict(embed_dim=8, depth=2, num_heads=2, jumbo_multiplier=3)
QUANTILES = (0.1, 0.25, 0.5, 0.9)


def shaken(network, seed=0):
    """With heads that are not zero."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for p in network.parameters():
            torch.nn.init.normal_(p, std=0.3)
    return network.eval()


def forecaster(**arguments):
    return shaken(
        ForecastNet(
            **{**dict(context=20, horizon=6, quantiles=QUANTILES, patch_length=4, patch_stride=4), **SIZES, **arguments}
        )
    )


def test_the_encoder_is_the_one_that_reads_images():
    assert isinstance(forecaster().encoder.encoder, JumboEncoder)


@torch.no_grad()
@pytest.mark.parametrize("median_is_center", [True, False])
def test_quantiles_never_cross(median_is_center):
    x = torch.randn(50, 1, 20, generator=torch.Generator().manual_seed(0))
    center, offsets = forecaster(median_is_center=median_is_center)(x)
    assert center.shape == (50, 6) and offsets.shape == (50, 6, 4)
    assert (offsets.diff(dim=-1) > 0).all()
    assert (offsets[..., 2] == 0).all() == median_is_center


@torch.no_grad()
def test_forecasts_follow_level_and_scale():
    network, x = forecaster(), torch.randn(5, 1, 20, generator=torch.Generator().manual_seed(0))
    center, offsets = network(x)
    moved, moved_offsets = network(3 * x - 7)
    assert torch.allclose(moved, 3 * center - 7, atol=1e-4) and torch.allclose(moved_offsets, 3 * offsets, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("normalisation", ["standard", "last", "difference"])
def test_a_new_network_repeats_the_last_value(normalisation):
    network = ForecastNet(20, 6, QUANTILES, 4, 4, normalisation=normalisation, **SIZES).eval()
    x = torch.randn(5, 1, 20, generator=torch.Generator().manual_seed(0))
    observed = torch.ones_like(x, dtype=torch.bool)
    observed[0, 0, -3:] = False
    center, _ = network(x, observed)
    expected = torch.cat([x[:1, 0, -4:-3], x[1:, 0, -1:]])
    assert torch.allclose(center, expected.expand(-1, 6), atol=1e-5)


@torch.no_grad()
def test_the_future_of_the_series_is_never_read_and_that_of_covariates_is():
    network = forecaster(covariates=(False, True))
    x = torch.randn(4, 3, 26, generator=torch.Generator().manual_seed(0))
    center, _ = network(x)
    changed = x.clone()
    changed[:, :2, 20:] += 5
    assert torch.equal(network(changed)[0], center)
    changed[:, 2, 24] += 5
    assert not torch.allclose(network(changed)[0], center)


@torch.no_grad()
def test_a_padded_batch_gives_what_single_series_give():
    network = shaken(ClassifierNet(2, 3, length=40, patch_length=6, patch_stride=3, **SIZES))
    generator = torch.Generator().manual_seed(1)
    series = [torch.randn(2, length, generator=generator) for length in (40, 13, 5, 31)]
    series[3][0, 4:9] = torch.nan
    together = network(*pad_together(series, torch.device("cpu")))
    alone = torch.cat([network(*pad_together([s], torch.device("cpu"))) for s in series])
    assert torch.allclose(together, alone, atol=1e-5)


@torch.no_grad()
def test_nothing_observed_still_gives_numbers():
    x = torch.zeros(2, 1, 20)
    nothing = torch.zeros_like(x, dtype=torch.bool)
    assert all(t.isfinite().all() for t in forecaster()(x, nothing))
    network = shaken(ClassifierNet(1, 3, length=20, patch_length=4, patch_stride=2, **SIZES))
    assert network(x, nothing).isfinite().all()


@torch.no_grad()
def test_fewer_patches_cost_less_and_padding_still_changes_little():
    series = [torch.randn(2, length, generator=torch.Generator().manual_seed(length)) for length in (40, 13)]
    x, observed = pad_together(series, torch.device("cpu"))
    operations = []
    for keep_rate in (1.0, 0.5):
        network = ClassifierNet(2, 3, length=40, patch_length=4, patch_stride=2, keep_rate=keep_rate, **SIZES)
        network = shaken(network)
        assert network(x, observed).isfinite().all()
        operations.append(count_flops(network, x, observed))
        e = network.encoder(x, observed)
        assert e.patches.shape[1] == e.live.shape[1] == (20 if keep_rate == 1 else 5 + 1)
        assert torch.allclose(network(x, observed)[:1], network(*pad_together(series[:1], torch.device("cpu"))))
    assert operations[1] < 0.75 * operations[0]


def test_every_parameter_learns(device):
    network = forecaster(covariates=(True,), affine=True, median_is_center=False).train().to(device)
    x, observed = torch.randn(4, 2, 26, device=device), torch.rand(4, 2, 26, device=device) > 0.2
    center, offsets = network(x, observed)
    (center.square().sum() + offsets.square().sum()).backward()
    assert [n for n, p in network.named_parameters() if p.grad is None] == []


def test_attention_is_of_patches():
    network = shaken(ClassifierNet(1, 2, length=24, patch_length=4, patch_stride=4, **SIZES))
    x = torch.randn(3, 1, 24)
    shares = network.encoder.attention(x)
    assert shares.shape == (3, 6) and (shares > 0).all() and (shares.sum(dim=1) < 1).all()
    observed = torch.ones_like(x, dtype=torch.bool)
    observed[..., 8:12] = False
    assert (network.encoder.attention(x, observed)[:, 2] == 0).all()


def test_of_registers_the_heads_read_the_class_token_alone():
    x = torch.randn(2, 1, 20)
    for network in (
        forecaster(jumbo_ffn="patch", jumbo_multiplier=5),
        shaken(ClassifierNet(1, 3, 20, patch_length=4, patch_stride=4, **SIZES | dict(jumbo_ffn="patch"))),
    ):
        e, core = network.encoder(x), network.encoder.encoder
        slices = core(network.encoder.embed(e.normed)[0])[:, : core.jumbo_multiplier]
        assert core.jumbo_multiplier > 1 and torch.allclose(e.jumbo, slices[:, 0], atol=1e-6)
        assert not torch.allclose(e.jumbo, slices[:, 1], atol=1e-2)
        assert network.head.in_features == 8 + 8  # and the mean of the patches
    none = forecaster(jumbo_ffn="none")
    assert none.encoder(x).jumbo.shape == (2, 3 * 8) and none.spread.in_features == 3 * 8
