"""Fixed convolutions and the linear classifier of them: what they count, and that leaving out is exact."""

import pytest
import torch

from timeseries.data.windows import Batch, pad_together
from timeseries.networks.convolutions import ConvolutionClassifier, ConvolutionFeatures
from timeseries.networks.ridge import leave_one_out

CPU = torch.device("cpu")


def series(lengths=(40, 33, 20, 12, 40), channels=2):
    g = torch.Generator().manual_seed(0)
    return [torch.randn(channels, length, generator=g) for length in lengths]


@pytest.fixture(scope="module")
def features():
    module = ConvolutionFeatures(2, 40, 500)
    module.fit(pad_together(series(), CPU), torch.Generator().manual_seed(1))
    return module


def test_a_padded_batch_gives_what_single_series_give(features):
    together = features(pad_together(series(), CPU))
    assert together.shape == (5, features.num_features)
    for row, one in zip(together, series(), strict=True):
        assert torch.allclose(row, features(Batch(one[None], None))[0], atol=1e-5)


def test_shares_and_counts(features):
    out = features(pad_together(series(), CPU))
    first = 84 * features.levels
    assert ((out[:, :first] >= 0) & (out[:, :first] <= 1)).all() and out[:, :first].std() > 0.05
    lost = out[:, first + 256 : first + 512].unflatten(1, (8, 32))  # roots of how often each rival was lowest
    assert torch.allclose(lost.square().sum(1), torch.tensor([40.0, 33, 20, 12, 40])[:, None].expand(-1, 32))


def test_thresholds_are_levels_of_training_series():
    x = torch.randn(1, 1, 200, generator=torch.Generator().manual_seed(0))  # the only series to take them from
    module = ConvolutionFeatures(1, 200, 84 * 5 * 9)
    module.fit(Batch(x, None), torch.Generator().manual_seed(0))
    golden = (5**0.5 + 1) / 2
    levels = torch.tensor([(i + 1) * golden % 1 for i in range(module.levels)])
    shares = module(Batch(x, None))[0, : 84 * module.levels].unflatten(0, (module.levels, 84))
    assert torch.allclose(shares, (1 - levels)[:, None].expand_as(shares), atol=0.01)


def test_gaps_are_crossed_in_a_straight_line(features):
    line = torch.linspace(-1, 1, 40).expand(2, 40).clone()
    holes = line.clone()
    holes[0, 5:9], holes[1, 20] = torch.nan, torch.nan
    a, b = (features(pad_together([x], CPU))[:, : 84 * features.levels] for x in (line, holes))
    assert (a - b).abs().mean() < 1e-3
    nothing = features(pad_together([torch.full((2, 40), torch.nan)], CPU))
    assert nothing.isfinite().all()


def test_leaving_one_out_is_fitting_without_it():
    g = torch.Generator().manual_seed(0)
    x, labels = torch.randn(12, 30, generator=g), torch.arange(12) % 3
    solution, intercept, left_out = leave_one_out(x, labels, 3)

    def ridge(rows, penalty):
        z = torch.cat([x[rows].double(), torch.ones(len(rows), 1, dtype=torch.float64)], 1)
        y = 2.0 * torch.nn.functional.one_hot(labels[rows], 3).double() - 1
        free = penalty * torch.eye(31, dtype=torch.float64)
        free[30, 30] = 0  # the intercept
        return torch.linalg.solve(z.T @ z + free, z.T @ y)

    everything = torch.arange(12)
    penalties = 30 * torch.logspace(-5, 1, 13, dtype=torch.float64)
    exact = [p for p in penalties if torch.allclose(ridge(everything, p)[:30], solution, atol=1e-6)]
    assert len(exact) == 1
    assert torch.allclose(ridge(everything, exact[0])[30], intercept, atol=1e-6)
    for i in range(12):
        found = ridge(everything[everything != i], exact[0])
        assert torch.allclose(x[i].double() @ found[:30] + found[30], left_out[i], atol=1e-6)


def test_the_closed_form_learns_and_weighs_classes():
    g = torch.Generator().manual_seed(0)
    labels = (torch.arange(60) % 6 == 0).long()  # one in six
    phase, t = 6 * torch.rand(60, 1, 1, generator=g), torch.arange(50)
    x = torch.sin(t / (2 + labels[:, None, None]) + phase) + torch.randn(60, 1, 50, generator=g)
    rare = []
    for weight in (1.0, 5.0):
        classifier = ConvolutionClassifier(1, 50, 500, 2)
        g, weights = torch.Generator().manual_seed(0), torch.tensor([1.0, weight])
        left_out = classifier.fit(Batch(x[:40], None), labels[:40], weights, g)
        assert left_out.shape == (40, 2)
        assert (classifier(x[40:]).argmax(1) == labels[40:]).float().mean() > 0.8
        rare.append(classifier(x[40:]).softmax(1)[:, 1].mean())
    assert rare[0] < rare[1]
