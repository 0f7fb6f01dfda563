"""Thresholds: the cheapest that are good enough, against every choice there is."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import accuracy_score, confusion_matrix

from jumbo_backbone import Calibration, Cascade, Outcomes, ask_all, calibrate, fit_temperatures, member_costs
from jumbo_backbone.committees.outcomes import all_groups, stage_groups, tally

COSTS = [1.0, 3.0, 10.0]


def members(count: int, samples: int = 40, classes: int = 4, grid: tuple[int, ...] = (), seed: int = 0):
    """Scores of members that get better, by row number, and the labels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (samples, *grid), generator=generator)
    truth = F.one_hot(labels, classes).movedim(-1, 1).float()
    tables = [(1 + i) * truth + torch.randn(truth.shape, generator=generator) for i in range(count)]
    return [lambda rows, t=t: t[rows] for t in tables], labels


def in_batches(labels: torch.Tensor, size: int = 16):
    for rows in torch.arange(len(labels)).split(size):
        yield rows, labels[rows]


def result(cascade: Cascade, labels: torch.Tensor, costs) -> tuple[float, float]:
    """Metric and mean cost when the cascade runs; the metric by scikit-learn."""
    scores, stage = cascade.route(torch.arange(len(labels)))
    cost = np.cumsum(costs)[stage.numpy()].mean()
    given = scores.argmax(dim=1)
    if labels.ndim == 1:
        return accuracy_score(labels, given), cost
    seen = labels != 255
    counts = confusion_matrix(labels[seen], given[seen], labels=range(scores.shape[1]))
    with np.errstate(invalid="ignore"):
        return np.nanmean(counts.diagonal() / (counts.sum(0) + counts.sum(1) - counts.diagonal())), cost


@pytest.mark.parametrize("target", ["last", 0.5, 0.65])
@pytest.mark.parametrize("ensemble", [False, True])
@pytest.mark.parametrize("grid", [(), (4, 4)])
@pytest.mark.parametrize("seed", range(2))
def test_two_members_get_the_best_threshold_there_is(seed, grid, ensemble, target):
    models, labels = members(2, grid=grid, seed=seed)
    cascade = Cascade(models, [0.5], ensemble=ensemble)
    outcomes = ask_all(cascade, in_batches(labels))
    found = calibrate(cascade, outcomes, COSTS[:2], target)
    metric, cost = result(cascade, labels, COSTS)
    assert (metric, cost) == pytest.approx((found.value, found.expected_cost))
    least = outcomes.metric_of(stage_groups(2, ensemble)[1]) if target == "last" else target
    confidences = outcomes.of((0,))[0].tolist()
    every = []
    for threshold in (math.inf, *(c - 1e-6 for c in confidences)):
        cascade.thresholds = [threshold]
        every.append(result(cascade, labels, COSTS))
    assert found.expected_cost == pytest.approx(min(cost for metric, cost in every if metric >= least - 1e-9))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("grid", [(), (4, 4)])
def test_what_may_be_lost_is_cost_that_is_saved(grid, seed):
    models, labels = members(2, grid=grid, seed=seed)
    cascade = Cascade(models, [0.5])
    outcomes = ask_all(cascade, in_batches(labels))
    last = outcomes.metric_of((1,))
    for tolerance in (0.0, 0.05, 0.1):
        found = calibrate(cascade, outcomes, COSTS[:2], tolerance=tolerance)
        own = calibrate(cascade, outcomes, COSTS[:2], last - tolerance)
        assert found == own and found.value >= last - tolerance - 1e-9
    assert found.expected_cost < calibrate(cascade, outcomes, COSTS[:2]).expected_cost


@pytest.mark.parametrize("seed", range(4))
def test_by_loss_none_leaves_whose_cross_entropy_tells_that_the_last_member_is_better(seed):
    models, labels = members(2, samples=25, seed=seed)
    cascade = Cascade(models, [0.5])
    outcomes = ask_all(cascade, in_batches(labels))
    found = calibrate(cascade, outcomes, COSTS[:2], by_loss=True)
    first, last = (F.cross_entropy(m(torch.arange(25)).double(), labels, reduction="none") for m in models)
    confidence, tallies = (torch.stack(t) for t in zip(*map(outcomes.of, stage_groups(2, False)), strict=True))
    costs = []
    for threshold in (math.inf, *(confidence[0] - 1e-6).tolist()):
        leave = confidence[0] >= threshold
        excess = torch.where(leave, first - last, 0.0)
        right = torch.where(leave, tallies[0, :, 0], tallies[1, :, 0]).sum()
        if excess.mean() <= excess.std() / 5 + 1e-9 and right >= tallies[1].sum():
            costs.append(1 + COSTS[1] * float((~leave).double().mean()))
    assert found.expected_cost == pytest.approx(min(costs))
    assert found.expected_cost >= calibrate(cascade, outcomes, COSTS[:2]).expected_cost


def test_without_errors_the_loss_tells_who_is_better():
    labels = torch.arange(20) % 2
    truth = F.one_hot(labels, 2).float()
    cascade = Cascade([lambda rows: 0.4 * truth[rows], lambda rows: 4 * truth[rows]], [0.5])
    outcomes = ask_all(cascade, in_batches(labels))
    assert calibrate(cascade, outcomes, COSTS[:2]).shares == [1.0, 0.0]  # both are always right
    assert calibrate(cascade, outcomes, COSTS[:2], by_loss=True).shares == [0.0, 1.0]


@pytest.mark.parametrize("seed", range(5))
def test_three_members_get_thresholds_that_no_single_change_betters(seed):
    models, labels = members(3, seed=seed)
    cascade = Cascade(models, [0.5, 0.5])
    outcomes = ask_all(cascade, in_batches(labels))
    found = calibrate(cascade, outcomes, COSTS)
    assert found.value >= outcomes.metric_of((2,))
    assert result(cascade, labels, COSTS) == pytest.approx((found.value, found.expected_cost))
    assert sum(found.shares) == pytest.approx(1) and found.worst_cost == 14
    levels = [[math.inf, *(c - 1e-6 for c in outcomes.of((i,))[0].tolist())] for i in range(2)]
    changes = itertools.chain(
        ((x, found.thresholds[1]) for x in levels[0]), ((found.thresholds[0], x) for x in levels[1])
    )
    for thresholds in changes:
        cascade.thresholds = thresholds
        metric, cost = result(cascade, labels, COSTS)
        assert metric < found.value or cost >= found.expected_cost - 1e-9 or metric < found.target


def test_a_target_that_nobody_reaches_names_the_best_there_is():
    models, labels = members(2)
    cascade = Cascade(models, [0.5])
    outcomes = ask_all(cascade, in_batches(labels))
    with pytest.raises(ValueError, match=r"accuracy of 1\.01 .* the best is (0\.\d+|1)") as error:
        calibrate(cascade, outcomes, COSTS[:2], 1.01)
    best = float(str(error.value).split("the best is ")[1].split(";")[0])
    assert calibrate(cascade, outcomes, COSTS[:2], best - 1e-4).value == pytest.approx(best, abs=1e-4)


def test_equal_confidences_leave_together():
    labels = torch.tensor([0, 0, 1, 1])
    first = torch.tensor([[2.0, 0], [1, 0], [1, 0], [1, 0]])  # the last three equally sure, two of them wrong
    last = F.one_hot(labels, 2).float()
    cascade = Cascade([lambda rows: first[rows], lambda rows: last[rows]], [0.5])
    found = calibrate(cascade, ask_all(cascade, in_batches(labels)), [1, 1])
    assert found.shares == [0.25, 0.75] and found.value == 1


def test_classes_that_are_nowhere_do_not_count():
    models, labels = members(2, classes=4, grid=(3, 3))
    labels[labels == 3] = 0
    scores = [m(torch.arange(40)) for m in models]
    for s in scores:
        s[:, 3] = -99
    outcomes = tally(scores, labels, all_groups(2))
    assert outcomes.metric_of((0,)) == pytest.approx(
        result(Cascade([lambda rows: scores[0][rows]], []), labels, [1])[0]
    )
    assert math.isfinite(outcomes.metric_of((0, 1)))


def test_pixels_without_a_label_do_not_count():
    models, labels = members(2, grid=(3, 3))
    labels[:, 0] = 255
    outcomes = ask_all(Cascade(models, [0.5]), in_batches(labels))
    seen = tally([m(torch.arange(40))[:, :, 1:] for m in models], labels[:, 1:], stage_groups(2, False))
    assert outcomes.metric_of((1,)) == seen.metric_of((1,))


def test_outcomes_can_be_kept_and_parted(tmp_path):
    models, labels = members(3)
    cascade = Cascade(models, [0.5, 0.5])
    outcomes = ask_all(cascade, in_batches(labels), all_groups(3))
    outcomes.save(tmp_path / "outcomes.safetensors")
    again = Outcomes.load(tmp_path / "outcomes.safetensors")
    assert again.groups == outcomes.groups and again.metric == "accuracy" and len(again) == 40
    assert calibrate(cascade, again, COSTS) == calibrate(cascade, outcomes, COSTS)
    first, second = again.part(torch.arange(10)), again.part(torch.arange(10, 40))
    joined = Outcomes.concatenate([first, second])
    torch.testing.assert_close(joined.tallies, outcomes.tallies)
    assert len(first) == 10


def test_a_saved_calibration_is_the_same_again(tmp_path):
    models, labels = members(2)
    cascade = Cascade(models, [0.5], "margin", True, [1.5, 2.0], ["small", "large"])
    found = calibrate(cascade, ask_all(cascade, in_batches(labels)), [1, 3], unit="ms")
    found.save(tmp_path / "calibration.json")
    other = Calibration.load(tmp_path / "calibration.json").apply(Cascade(models, [0], names=["small", "large"]))
    assert (other.thresholds, other.temperatures, other.confidence, other.ensemble) == (
        cascade.thresholds,
        (1.5, 2.0),
        "margin",
        True,
    )
    assert "target" in str(found) and "large" in str(found)
    with pytest.raises(ValueError, match="the cascade has .*'big'.* calibrate it anew"):
        found.apply(Cascade(models, [0], names=["small", "big"]))


def test_thresholds_that_send_all_on_are_kept(tmp_path):
    models, labels = members(2)
    wrong = Cascade([lambda rows: -models[1](rows), models[1]], [0.5])
    found = calibrate(wrong, ask_all(wrong, in_batches(labels)), [1, 3])
    assert found.thresholds == [math.inf] and found.shares == [0, 1]
    found.save(tmp_path / "calibration.json")
    assert Calibration.load(tmp_path / "calibration.json") == found


def test_temperatures_are_those_of_the_least_loss():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(5000, 3, generator=generator)
    labels = torch.multinomial(logits.softmax(dim=1), 1, generator=generator)[:, 0]
    cold, hot = fit_temperatures([3 * logits, logits / 2], labels)
    assert (cold, hot) == (pytest.approx(3, rel=0.1), pytest.approx(0.5, rel=0.1))
    losses = [float(F.cross_entropy(3 * logits / t, labels)) for t in (cold * 0.99, cold, cold * 1.01)]
    assert losses[1] == min(losses)


def test_few_samples_that_scores_separate_are_not_certain():
    labels = torch.arange(20) % 2
    separated = F.one_hot(labels, 2).float()
    (certain,) = fit_temperatures([separated], labels)
    (smooth,) = fit_temperatures([separated], labels, label_smoothing=1 / 21)
    assert (separated / certain).softmax(1).amax() > 0.999999
    # n+1 labels, one of which may be of any class
    assert (separated / smooth).softmax(1).amax() == pytest.approx(1 - 0.5 / 21, abs=1e-4)


def test_costs_are_counted_or_measured():
    small, large = torch.nn.Linear(8, 4), torch.nn.Sequential(torch.nn.Linear(8, 4000), torch.nn.Linear(4000, 4))
    cascade = Cascade([small, large], [0.5])
    x = torch.randn(2, 8)
    assert member_costs(cascade, x) == [2 * 2 * 8 * 4, 2 * 2 * (8 + 4) * 4000]
    fast, slow = member_costs(cascade, x, unit="ms", repeats=3)
    assert 0 < fast < slow


BAD = [
    (lambda c, o: calibrate(c, o, [1]), r"costs \[1\] for 2 members"),
    (lambda c, o: calibrate(c, o, [1, 0]), "above 0"),
    (lambda c, o: calibrate(c, o, [1, 2], "best"), "unknown target 'best'"),
    (lambda c, o: calibrate(c, o, [1, 2], tolerance=-0.1), "tolerance -0.1 of target 'last'"),
    (lambda c, o: calibrate(c, o, [1, 2], tolerance=1), "from 0 to 1"),
    (lambda c, o: calibrate(c, o, [1, 2], 0.5, tolerance=0.1), "none with another"),
    (lambda c, o: calibrate(c, dataclasses.replace(o, losses=None), [1, 2], by_loss=True), "no cross-entropy"),
    (lambda c, o: calibrate(Cascade([c, c], [1], ensemble=True), o, [1, 2]), r"members \(0, 1\) were not validated"),
    (lambda c, o: ask_all(c, []), "no batches"),
    (lambda c, o: ask_all(c, [(torch.arange(2), torch.tensor([0, 7]))]), "labels from 0 to 7.* 4 classes"),
    (lambda c, o: ask_all(c, [(torch.arange(2), torch.tensor([0]))]), "and 1 labels"),
    (lambda c, o: tally([torch.zeros(0, 3)], torch.zeros(0), [(0,)]), "no samples"),
    (lambda c, o: fit_temperatures([torch.zeros(0, 3)], torch.zeros(0)), "no samples"),
    (lambda c, o: member_costs(c, torch.arange(2), unit="hours"), "FLOPs, ms"),
]


@pytest.mark.parametrize(("do", "told"), BAD)
def test_bad_input(do, told):
    models, labels = members(2)
    cascade = Cascade(models, [0.5])
    outcomes = ask_all(cascade, in_batches(labels))
    with pytest.raises(ValueError, match=told):
        do(cascade, outcomes)


def test_labels_in_a_list_are_refused():
    with pytest.raises(TypeError, match=r"labels are a list: .* give a tensor of classes \(n,\)"):
        tally([torch.zeros(2, 3)], [0, 1], [(0,)])


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"thresholds": [0.5]}'])
def test_a_file_of_something_else_is_told_so(tmp_path, content):
    path = tmp_path / "calibration.json"
    with pytest.raises(FileNotFoundError, match="no calibration at"):
        Calibration.load(path)
    path.write_text(content)
    with pytest.raises(ValueError, match="holds no calibration"):
        Calibration.load(path)


def test_a_confidence_of_ones_own_cannot_be_saved(tmp_path):
    models, labels = members(2)
    cascade = Cascade(models, [0.5], lambda scores: scores.softmax(dim=1).amax(dim=1))
    with pytest.raises(ValueError, match="a file cannot hold"):
        calibrate(cascade, ask_all(cascade, in_batches(labels)), [1, 3]).save(tmp_path / "x.json")


def test_members_are_known_by_their_content():
    models, labels = members(2)
    cascade = Cascade(models, [0.5], names=["small", "large"])
    found = calibrate(cascade, ask_all(cascade, in_batches(labels)), [1, 3])
    found = dataclasses.replace(found, members=["a", "b"])
    other = Cascade(models, [0.0], names=["cheap", "dear"])
    assert found.apply(other, ["a", "b"]).thresholds == cascade.thresholds
    for contents, told in {
        ("b", "a"): "which has the same ones in another order: .'cheap', 'dear'. differ",
        ("a", "c"): r"calibrated for other members: \['dear'\] differ",
        ("a",): "calibrated for 2 members.* the cascade has 1",
    }.items():
        with pytest.raises(ValueError, match=told):
            found.apply(other, contents)
