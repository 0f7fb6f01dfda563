"""One model for many budgets: which ones a step takes, what they learn from, and schedules that lead to one."""

import math
from collections import Counter

import pytest
import torch
import torch.nn.functional as F

from jumbo_backbone import ComputeBudget, ElasticBudgets, KeepRateWarmup, TokenDropping, distillation_loss, elastic_loss
from tests.conftest import images, tiny_model


def test_a_step_takes_four_budgets_in_two_pairs():
    weights = dict(small_weight=0.4, distill_share=0.3)
    elastic = ElasticBudgets(keep_rates=[0.5, 0.7], resolutions=[0.5, 32], reduce_at=[1], fuse=False, **weights)
    seen = set()
    for step in range(60):
        (full, reduced, *of_full), (small, small_reduced, *of_small) = elastic.draw(step)
        assert of_full == [1 / 2.8, 0.3] and of_small == [0.4 / 2.8, 0.3]  # weights of four losses add up to 1
        assert full == elastic.budget(1.0, None) and small == elastic.budget(1.0, small.resolution)
        assert reduced.resolution is None and small_reduced.resolution == small.resolution
        assert reduced.keep_rate == small_reduced.keep_rate
        assert reduced.reduce_at == (1,) and not reduced.fuse
        seen |= {reduced, small_reduced}
    assert seen == {b for b in elastic.grid() if b.keep_rate < 1}
    assert len(elastic.grid()) == 9 and elastic.grid()[0].keep_rate == 1 and elastic.grid()[0].resolution is None


def test_supervit_draws_what_the_paper_draws():
    """128, 160 or 192 beside 224 pixels, and for both a rate of their own; nothing is fused or warmed up."""
    plan, seen = ElasticBudgets.supervit(), Counter()
    for step in range(1200):
        (full, reduced, *of_full), (small, small_reduced, *of_small) = plan.draw(step, progress=0.0)
        assert of_full == of_small == [1.0, 1.0]
        assert full == ComputeBudget(fuse=False) and reduced.resolution is None and not reduced.fuse
        assert small.keep_rate == 1 and small.resolution == small_reduced.resolution and not small_reduced.fuse
        pixels = small.input_size((224, 224), (16, 16))
        seen[reduced.keep_rate, small_reduced.keep_rate, pixels] += 1
    assert set(seen) == {(a, b, (s, s)) for a in (0.5, 0.7) for b in (0.5, 0.7) for s in (128, 160, 192)}
    assert all(60 < count < 140 for count in seen.values())  # 12 equally likely ones: 100 each, s.d. 9.6
    assert len(plan.grid()) == 4 * 3 and ElasticBudgets.supervit(seed=3).seed == 3


def test_supervit_adds_its_four_losses():
    model, x, labels = tiny_model(), images(2, 3, 64, 64), torch.tensor([1, 2])
    pairs = ElasticBudgets.supervit(resolutions=(0.5,)).draw(3)
    loss = elastic_loss(lambda b: model(x, budget=b), lambda scores: F.cross_entropy(scores, labels), pairs)
    parts = []
    for full, reduced, *_ in pairs:
        scores = model(x, budget=full)
        parts += [F.cross_entropy(scores, labels), distillation_loss(model(x, budget=reduced), scores)]
    assert len(parts) == 4
    torch.testing.assert_close(loss, sum(parts))


def test_the_draws_depend_on_seed_and_step_alone():
    draws = [ElasticBudgets(seed=1).draw(step) for step in range(40)]
    torch.manual_seed(3)
    assert draws == [ElasticBudgets(seed=1).draw(step) for step in range(40)]
    assert draws != [ElasticBudgets(seed=2).draw(step) for step in range(40)]
    rates = [pairs[0].reduced.keep_rate for pairs in draws]
    assert set(rates) == set(ElasticBudgets().keep_rates)


def test_all_patches_are_kept_until_the_warmup():
    elastic = ElasticBudgets(keep_rates=(0.5,), warmup=[0.2, 0.6])
    rates = [[pair.reduced and pair.reduced.keep_rate for pair in elastic.draw(7, p)] for p in (0, 0.2, 0.4, 0.6, 1)]
    assert rates == [[None, None], [None, None], [pytest.approx(0.75)] * 2, [0.5, 0.5], [0.5, 0.5]]
    at_once = ElasticBudgets(keep_rates=(0.5,), warmup=None)
    assert at_once.draw(7, 0) == at_once.draw(7, 1) and at_once.draw(7, 0)[0].reduced.keep_rate == 0.5

    model, x, labels = tiny_model(), images(2, 3, 64, 64), torch.tensor([1, 2])
    pairs = elastic.draw(0, 0.1)
    loss = elastic_loss(lambda b: model(x, budget=b), lambda scores: F.cross_entropy(scores, labels), pairs)
    parts = [F.cross_entropy(model(x, budget=pair.full), labels) for pair in pairs]
    torch.testing.assert_close(loss, torch.stack(parts).mean())


def test_without_other_resolutions_a_step_takes_two():
    elastic = ElasticBudgets(keep_rates=(0.5,), resolutions=(1.0,))
    (pair,) = elastic.draw(0)
    assert pair.full.keep_rate == 1 and pair.reduced.keep_rate == 0.5
    assert len(elastic.grid()) == 2


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3, 2)])
def test_distillation_is_the_divergence_and_spares_the_twin(shape):
    student, teacher = (images(*shape, seed=i).requires_grad_() for i in range(2))
    loss = distillation_loss(student, teacher)
    positions = loss.new_tensor(shape[2:]).prod() * shape[0]
    expected = F.kl_div(student.log_softmax(1), teacher.softmax(1), reduction="sum") / positions
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert teacher.grad is None and student.grad.abs().sum() > 0
    assert distillation_loss(teacher, teacher) == 0


@pytest.mark.parametrize(("small", "share"), [(1.0, 1.0), (0.25, 1.0), (0.25, 0.4), (1.0, 0.0)])
def test_loss_is_the_mean_over_the_budgets(small, share):
    model, x, labels = tiny_model(), images(2, 3, 64, 64), torch.tensor([1, 2])
    pairs = ElasticBudgets(keep_rates=(0.5,), resolutions=(0.5,), small_weight=small, distill_share=share).draw(0)
    loss = elastic_loss(lambda b: model(x, budget=b), lambda scores: F.cross_entropy(scores, labels), pairs)
    parts = []
    for full, reduced, *_ in pairs:
        scores, student = model(x, budget=full), model(x, budget=reduced)
        learned = share * distillation_loss(student, scores) + (1 - share) * F.cross_entropy(student, labels)
        parts += [F.cross_entropy(scores, labels), learned]
    assert len(parts) == 4 and len({part.item() for part in parts}) == 4
    torch.testing.assert_close(loss, (parts[0] + parts[1] + small * (parts[2] + parts[3])) / (2 + 2 * small))


def test_elastic_training_brings_the_budgets_together():
    """The reduced model ends nearer to the full one than plain training leaves it."""

    def disagreement(elastic: bool, seed: int) -> float:
        model = tiny_model(seed, num_classes=4).train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
        budgets = ElasticBudgets(keep_rates=(0.1,), resolutions=(1.0,))
        labels = torch.arange(32) % 4
        x = images(32, 3, 64, 64)
        for i, label in enumerate(labels):
            x[i, :, :32, 16 * label : 16 * label + 16] += 1
        for step in range(40):
            pairs = budgets.draw(step)
            if elastic:
                loss = elastic_loss(lambda b: model(x, budget=b), lambda s: F.cross_entropy(s, labels), pairs)
            else:
                loss = F.cross_entropy(model(x), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            return distillation_loss(model(x, budget=pairs[0].reduced), model(x)).item()

    # how far apart plain training leaves them depends on the seed
    apart = {elastic: sum(disagreement(elastic, seed) for seed in range(2)) for elastic in (True, False)}
    assert apart[True] < 0.25 * apart[False]


def test_warmup_keeps_all_then_falls_along_a_cosine():
    own = ComputeBudget(0.6, reduce_at=(1,))
    rates = [KeepRateWarmup(0.2, 0.6).at(done / 10, own).keep_rate for done in range(11)]
    assert rates[:3] == [1, 1, 1] and rates[6:] == [0.6] * 5
    assert rates[4] == pytest.approx(0.8) and rates[3] == pytest.approx(0.6 + 0.4 * (1 + math.cos(math.pi / 4)) / 2)
    assert KeepRateWarmup().at(1, own) == own


def test_token_dropping_is_random_and_falls_linearly():
    budgets = [TokenDropping().at(done, ComputeBudget(resolution=0.5)) for done in (0, 0.5, 1)]
    assert [b.keep_rate for b in budgets] == pytest.approx([0.1, 0.5, 0.9])
    assert all(b.ranking == "random" and b.reduce_at == (0,) and b.resolution == 0.5 and not b.fuse for b in budgets)
    model, x = tiny_model(), images(1, 3, 64, 64)
    torch.manual_seed(0)
    kept = [model.encode(model.embed(x)[0], budget=budgets[0])[0].restore.places.tolist() for _ in range(30)]
    assert len(kept[0][0]) == math.ceil(0.1 * 16) and len({str(k) for k in kept}) > 10
    torch.manual_seed(0)
    assert model.encode(model.embed(x)[0], budget=budgets[0])[0].restore.places.tolist() == kept[0]


@pytest.mark.parametrize(
    ("make", "error", "told"),
    [
        (lambda: ElasticBudgets(keep_rates=()), ValueError, "keep_rates is empty"),
        (lambda: ElasticBudgets(small_weight=0), ValueError, "small_weight 0: give a number above 0"),
        (lambda: ElasticBudgets(small_weight="half"), ValueError, "small_weight 'half': give a number above 0"),
        (lambda: ElasticBudgets(distill_share=1.5), ValueError, "distill_share 1.5: give a share"),
        (lambda: ElasticBudgets(resolutions=[]), ValueError, "resolutions is empty"),
        (lambda: ElasticBudgets(keep_rates=0.5), TypeError, "give a list"),
        (lambda: ElasticBudgets(keep_rates=(0.5, 1.0)), ValueError, "rates below 1"),
        (lambda: ElasticBudgets(keep_rates=(0.5, 1.2)), ValueError, "at most 1"),
        (lambda: ElasticBudgets(keep_rates=(0.0,)), ValueError, "above 0"),
        (lambda: ElasticBudgets(resolutions=(-0.5,)), ValueError, "resolution -0.5"),
        (lambda: ElasticBudgets(reduce_at=(2, 1)), ValueError, "rising block numbers"),
        (lambda: ElasticBudgets(warmup=(0.6, 0.3)), ValueError, "rising shares"),
        (lambda: KeepRateWarmup(0.5, 0.5), ValueError, "rising shares"),
        (lambda: KeepRateWarmup(0.5, 1.5), ValueError, "rising shares"),
        (lambda: TokenDropping(first=1.0), ValueError, "first 1.0"),
        (lambda: TokenDropping(last=-0.1), ValueError, "last -0.1"),
        (lambda: ComputeBudget(ranking="best"), ValueError, "unknown ranking 'best'"),
    ],
)
def test_bad_input(make, error, told):
    with pytest.raises(error, match=told):
        make()
