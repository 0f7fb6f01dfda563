"""Features of a pretrained reader, the mean of ridge regressions, and the network that joins them."""

import pytest
import torch

from jumbo_backbone import ComputeBudget
from timeseries.data.windows import Batch, pad_together
from timeseries.networks.channel_features import ChannelFeatures, resampled, steps_for
from timeseries.networks.closed_net import ClosedNet, shortened
from timeseries.networks.ridge import average_of_ridges, coded, of_classes, of_numbers, ridge, weightings_of
from timeseries.networks.series_reader import SeriesReader

CPU = torch.device("cpu")
SIZES = dict(embed_dim=16, depth=2, num_heads=2, jumbo_multiplier=2)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def features(channels=2):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ChannelFeatures(SeriesReader(**SIZES), channels).eval()


def closed(channels=2, classes=3, **arguments):
    return ClosedNet(features(channels), classes, 40, **arguments).eval()


# ---- the reader's features


def test_a_padded_batch_gives_what_single_series_give():
    series = [random(2, length, seed=length) for length in (40, 33, 20, 600)]
    series[1][0, 4:9] = torch.nan
    module = features()
    with torch.inference_mode():
        together = module(*pad_together(series, CPU))
        assert together.shape == (4, module.num_features) and together.isfinite().all()
        for row, one in zip(together, series, strict=True):
            assert torch.allclose(row, module(*pad_together([one], CPU))[0], atol=1e-4)


def test_level_spread_and_length_are_features_but_reach_the_reader_as_shapes():
    x, module = random(3, 1, 50), features(1)
    with torch.inference_mode():
        plain, moved = module(x), module(5 + 2 * x)
    read = len(module.steps) * module.reader.width
    assert torch.allclose(plain[:, :read], moved[:, :read], atol=1e-3)
    assert torch.allclose(moved[:, read], 5 + 2 * x.mean(2)[:, 0], atol=1e-4)
    assert torch.allclose(moved[:, read + 1], 2 * x.std(2, correction=0)[:, 0], atol=1e-4)
    assert torch.allclose(plain[:, -1], torch.tensor(50.0).log().expand(3))


def test_gaps_are_crossed_in_a_straight_line():
    line = torch.linspace(-1, 1, 40).expand(1, 2, 40).clone()
    holes = line.clone()
    holes[0, 0, 5:9] = torch.nan
    module = features()
    with torch.inference_mode():
        assert torch.allclose(module(line), module(*pad_together([holes[0]], CPU)), atol=1e-4)
        nothing = module(*pad_together([torch.full((2, 40), torch.nan)], CPU))
    assert nothing.isfinite().all()


@pytest.mark.parametrize("length", [1, 2, 3, 700])
@pytest.mark.parametrize("channels", [1, 5, 40])
def test_any_length_and_number_of_channels(length, channels):
    module = features(channels)
    with torch.inference_mode():
        told = module(random(2, channels, length))
    assert told.shape == (2, module.num_features) and told.isfinite().all()
    assert (
        module.num_features
        == min(channels, 40 if channels <= 32 else 2) * (len(steps_for(channels)) * module.reader.width + 3) + 1
    )


def test_resampling_keeps_lines_and_means():
    line = torch.arange(10.0).expand(1, 1, 10)
    assert torch.allclose(resampled(line, torch.ones(1, 10, dtype=torch.bool), 19)[0, 0], torch.arange(19) / 2)
    noise, live = random(1, 1, 900), torch.ones(1, 900, dtype=torch.bool)
    fewer = resampled(noise, live, 90)
    assert torch.allclose(fewer[0, 0], noise.view(90, 10).mean(1), atol=1e-5)
    short = live.clone()
    short[:, 450:] = False  # what comes after the end is not read
    assert torch.allclose(resampled(noise, short, 90)[0, 0], noise[0, 0, :450].view(90, 5).mean(1), atol=1e-5)


# ---- the mean of ridge regressions


def test_weightings_sum_to_one_and_have_each_set_alone():
    found = weightings_of(3)
    assert all(sum(w) == pytest.approx(1) for w in found) and len(set(found)) == len(found)
    assert {(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)} <= set(found)
    assert weightings_of(1) == [(1.0,)]


def test_a_set_that_says_nothing_counts_less():
    labels = torch.arange(60) % 3
    good = coded(labels, 3).repeat(1, 5) + 0.5 * random(60, 15).double()
    bad = random(60, 400, seed=1).double()
    found = average_of_ridges([good, bad, bad.flip(0)], coded(labels, 3), of_classes)
    assert sum(found.shares) == pytest.approx(1)
    alike = average_of_ridges([bad, bad, bad], coded(labels, 3), of_classes)
    assert found.shares[0] > alike.shares[0] + 0.05 and max(found.shares[1:]) < max(alike.shares[1:])
    assert (found.left_out.argmax(1) == labels).double().mean() > 0.95
    assert max(alike.shares) < 0.6  # no evidence: no set is left out


def test_its_scores_are_the_weights_applied():
    labels = torch.arange(30) % 2
    sets = [random(30, 8, seed=s).double() for s in range(3)]
    found = average_of_ridges(sets, coded(labels, 2), of_classes)
    said = sum(x @ w for x, w in zip(sets, found.weights, strict=True)) + found.intercept
    (alone,) = average_of_ridges(sets[:1], coded(labels, 2), of_classes).weights
    assert torch.allclose(said.sum(1), torch.zeros(30).double(), atol=1e-9)  # as the targets: +1 and -1
    assert ((said - found.left_out).abs() > 1e-6).any(1).all()  # each sample has a say in its own score
    centred = sets[0] - sets[0].mean(0)
    dual = ridge(centred @ centred.T / 8, coded(labels, 2))
    ratio = alone / (centred.T @ dual.coefficients / 8)  # but for a temperature, one set is one ridge regression
    assert torch.allclose(ratio, ratio[0, 0].expand_as(ratio))


def test_many_samples_are_weighed_on_some():
    labels = torch.arange(700) % 2
    good = coded(labels, 2) + random(700, 2).double()
    found = average_of_ridges(
        [good, random(700, 4, seed=1).double(), random(700, 4, seed=2).double()], coded(labels, 2), of_classes
    )
    assert sum(found.shares) == pytest.approx(1) and found.shares[0] > 0.3
    assert len(found.left_out) == 700


def test_numbers_are_judged_by_their_errors():
    x, truth = random(50, 6).double(), random(6, 1, seed=1).double()
    found = average_of_ridges(
        [x, random(50, 6, seed=2).double(), random(50, 6, seed=3).double()], x @ truth, of_numbers
    )
    assert found.shares[0] > 0.5
    assert (found.left_out - x @ truth).square().mean() < 0.1 * (x @ truth).square().mean()


# ---- the network


@pytest.fixture(scope="module")
def fitted():
    x = random(24, 2, 40)
    labels = torch.arange(24) % 3
    x[labels == 1] += torch.sin(torch.arange(40) / 2)
    x[labels == 2] *= 3
    half = ComputeBudget(keep_rate=0.5)
    network = closed(num_kernels=200, kernels_first=True, budgets=[half])
    told = network.fit(Batch(x, None), labels, torch.ones(3), torch.Generator().manual_seed(0))
    return network, x, labels, told


def test_it_learns_and_tells_every_stage(fitted):
    network, x, labels, told = fitted
    half = ComputeBudget(keep_rate=0.5)
    assert set(told) == {"whole", "tokens", "kernels", half}
    assert all(scores.shape == (24, 3) for scores in told.values())
    with torch.inference_mode():
        assert (network(x).argmax(1) == labels).float().mean() > 0.9
        assert not torch.allclose(network.from_tokens(x), network.from_tokens(x, None, half))
        shares = torch.empty(24, network.num_shares)
        first = network.from_kernels(x, None, shares)
        assert torch.equal(network(x, None, shares), network(x))
    assert first.shape == (24, 3) and network.shares.sum() == pytest.approx(1, abs=1e-5)
    assert (told["whole"].argmax(1) == labels).float().mean() <= (network(x).argmax(1) == labels).float().mean()


def test_class_weights_shift_the_scores():
    x, labels = random(20, 1, 30), (torch.arange(20) % 5 == 0).long()
    said = []
    for weight in (1.0, 5.0):
        network = closed(1, 2)
        network.fit(Batch(x, None), labels, torch.tensor([1.0, weight]), torch.Generator().manual_seed(0))
        said.append(network(x).softmax(1)[:, 1].mean())
    assert said[0] < said[1]


def test_without_convolutions_the_tokens_answer():
    x, labels = random(12, 2, 30), torch.arange(12) % 2
    network = closed(2, 2)
    network.fit(Batch(x, None), labels, torch.ones(2), torch.Generator().manual_seed(0))
    assert network.share == 1 and network.convolutions is None
    assert torch.allclose(network(x), network.from_tokens(x), atol=1e-3)


def test_long_series_are_averaged_over_stretches():
    x = random(2, 1, 20_000)
    x[0, 0, 5:11] = torch.nan
    batch = pad_together(list(x), CPU)
    fewer = shortened(batch)
    assert fewer.values.shape == (2, 1, 6667)
    assert torch.allclose(fewer.values[1, 0, :6666], x[1, 0, :19998].view(-1, 3).mean(1), atol=1e-5)
    assert torch.allclose(fewer.values[0, 0, 1], x[0, 0, 3:5].mean(), atol=1e-5)  # of what was observed
    assert fewer.observed[0, 0, :4].tolist() == [True, True, False, True]
    assert torch.equal(shortened(Batch(x[1:, :, :8000], None)).values, x[1:, :, :8000])
