"""The picture of a committee shows what was measured."""

import pytest
import torch

from jumbo_backbone.committees.outcomes import all_groups, tally
from jumbo_backbone.committees.plot import frontier_of, plot_committee, standard_error


def test_members_ensembles_and_cascades_are_drawn():
    pytest.importorskip("matplotlib").use("Agg")
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(4, (60,), generator=generator)
    truth = torch.nn.functional.one_hot(labels, 4)
    scores = [(1 + i) * truth + torch.randn(60, 4, generator=generator) for i in range(3)]
    outcomes = tally(scores, labels, all_groups(3))
    axes = plot_committee(outcomes, [1, 2, 4], ["a", "b", "c"], "ms")
    texts = {text.get_text() for text in axes.texts}
    assert texts == {"1", "2", "3", "1 + 2", "1 + 3", "2 + 3", "1 + 2 + 3"}
    bars = [(bar.lines[0].get_xydata()[0], bar.lines[2][0].get_segments()[0]) for bar in axes.containers]
    points = {(float(x), float(y)): segment for (x, y), segment in bars}
    for cost, group in ((1.0, (0,)), (7.0, (0, 1, 2))):
        value, error = 100 * outcomes.metric_of(group), 100 * standard_error(outcomes, group)
        assert points[cost, value][:, 1].tolist() == pytest.approx([value - error, value + error])
    assert len(bars) == 7 and len([line for line in axes.lines if len(line.get_xdata()) > 1]) == 8 + 1
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    members = ["member 1: a", "member 2: b", "member 3: c", "ensembles"]
    lines = ["cascades", "cascades, answers averaged", "the best at no higher cost"]
    assert sorted(labels) == sorted([*members, *lines])
    assert axes.get_xlabel() == "mean cost of a sample, ms"
    assert axes.get_ylabel() == "accuracy on 60 validation samples, %"


def test_what_was_chosen_is_marked():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("Agg")
    outcomes = tally([torch.eye(2).repeat(5, 1)] * 2, torch.tensor([0, 1] * 5), all_groups(2))
    axes = plot_committee(outcomes, [1, 2], ["a", "b"], ax=pyplot.subplots()[1], chosen=(1.5, 0.75))
    (star,) = [line for line in axes.lines if line.get_marker() == "*"]
    assert star.get_xydata().tolist() == [[1.5, 75.0]]


def test_the_standard_error_is_that_of_a_share():
    """Of an accuracy it has a formula."""
    right = torch.arange(400) % 4 > 0
    scores = torch.stack([right.float(), 1 - right.float()], dim=1)
    outcomes = tally([scores, scores], torch.zeros(400, dtype=torch.long), [(0,), (1,)])
    assert outcomes.metric_of((0,)) == 0.75
    assert standard_error(outcomes, (0,)) == pytest.approx((0.75 * 0.25 / 400) ** 0.5, rel=0.15)


def test_the_frontier_is_what_nothing_beats():
    points = [(1.0, 0.5), (2.0, 0.4), (2.0, 0.7), (3.0, 0.7), (4.0, 0.9), (1.0, 0.5)]
    assert frontier_of(points) == [(1.0, 0.5), (2.0, 0.7), (4.0, 0.9)]
