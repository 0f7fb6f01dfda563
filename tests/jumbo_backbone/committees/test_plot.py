"""The picture of a committee shows what was measured."""

import pytest
import torch

from jumbo_backbone.committees.outcomes import all_groups, tally
from jumbo_backbone.committees.plot import frontier_of, plot_committee


def test_members_ensembles_and_cascades_are_drawn():
    pytest.importorskip("matplotlib").use("Agg")
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(4, (60,), generator=generator)
    truth = torch.nn.functional.one_hot(labels, 4)
    scores = [(1 + i) * truth + torch.randn(60, 4, generator=generator) for i in range(3)]
    outcomes = tally(scores, labels, all_groups(3))
    axes = plot_committee(outcomes, [1, 2, 4], ["a", "b", "c"], "ms")
    texts = {text.get_text() for text in axes.texts}
    assert texts == {"1: a", "2: b", "3: c", "1 + 2", "1 + 3", "2 + 3", "1 + 2 + 3"}
    points = [tuple(map(float, line.get_xydata()[0])) for line in axes.lines[:7]]
    assert (1.0, pytest.approx(100 * outcomes.metric_of((0,)))) in points
    assert (7.0, pytest.approx(100 * outcomes.metric_of((0, 1, 2)))) in points
    assert len(axes.lines) == 7 + 8 + 1  # three pairs and all, alone and together; the frontier
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["members", "ensembles", "cascades", "cascades of means", "frontier"]
    assert axes.get_xlabel() == "mean cost, ms" and axes.get_ylabel() == "accuracy, %"


def test_the_frontier_is_what_nothing_beats():
    points = [(1.0, 0.5), (2.0, 0.4), (2.0, 0.7), (3.0, 0.7), (4.0, 0.9), (1.0, 0.5)]
    assert frontier_of(points) == [(1.0, 0.5), (2.0, 0.7), (4.0, 0.9)]
