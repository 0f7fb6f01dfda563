"""Ensembles and cascades: what they answer, who is asked, and what they refuse."""

import copy
import math
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from jumbo_backbone import Cascade, ComputeBudget, Ensemble, create_model
from jumbo_backbone.committees.committee import confidence_of
from tests.conftest import images, tiny_model


class Table(nn.Module):
    """Looks scores up: samples are row numbers (B,) or (B, 1, 1) whose answers are dense."""

    def __init__(self, scores: torch.Tensor) -> None:
        super().__init__()
        self.scores = nn.Parameter(scores)
        self.asked = []

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        self.asked.append(len(rows))
        return self.scores[rows.long().flatten()]


def tables(count: int = 3, samples: int = 12, classes: int = 4, grid: tuple[int, ...] = ()) -> list[Table]:
    generator = torch.Generator().manual_seed(0)
    return [Table(3 * torch.randn(samples, classes, *grid, generator=generator)) for _ in range(count)]


ROWS = torch.arange(12.0)


def slowly(members: list[Table], thresholds, kind: str, ensemble: bool, valid=None) -> tuple[torch.Tensor, list[int]]:
    """A cascade of one sample at a time."""
    answers, stages = [], []
    for row in range(12):
        probabilities = []
        for number, member in enumerate(members):
            probabilities.append(member.scores[row].detach().softmax(dim=0))
            p = torch.stack(probabilities).mean(dim=0) if ensemble else probabilities[-1]
            top = p.topk(2, dim=0).values
            sure = {
                "max_probability": top[0],
                "margin": top[0] - top[1],
                "entropy": 1 + (p * p.log()).sum(dim=0) / math.log(len(p)),
            }[kind]
            sure = sure[valid[row]].mean() if valid is not None else sure.mean()
            if number == len(members) - 1 or sure >= thresholds[number]:
                break
        answers.append(p)
        stages.append(number)
    return torch.stack(answers), stages


@pytest.mark.parametrize("ensemble", [False, True])
@pytest.mark.parametrize("kind", ["max_probability", "margin", "entropy"])
@pytest.mark.parametrize("grid", [(), (3, 5)])
def test_a_cascade_answers_as_one_that_takes_samples_singly(kind, ensemble, grid):
    members = tables(grid=grid)
    together = [members[0], Ensemble(members[:2]) if ensemble else members[1]]
    thresholds = [float(confidence_of(m(ROWS), kind).detach().quantile(0.6)) - 1e-4 for m in together]
    valid = torch.rand(12, *grid, generator=torch.Generator().manual_seed(1)) > 0.3 if grid else None
    cascade = Cascade(members, thresholds, kind, ensemble)
    scores, stage = cascade.route(ROWS, valid=valid)
    expected, stages = slowly(members, thresholds, kind, ensemble, valid)
    assert stage.tolist() == stages and len(set(stages)) == 3  # some leave with each
    torch.testing.assert_close(scores.softmax(dim=1), expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(cascade(ROWS, valid=valid), scores)


def test_threads_get_their_own_answers():
    """Budgets of one model, asked at once: what one call is told does not reach the other."""
    model, x = tiny_model(), images(4, 3, 64, 64)
    cascade = Cascade([(model, ComputeBudget(0.5, resolution=0.5)), model], [1.0])
    inside = threading.Barrier(2, timeout=30)
    with torch.inference_mode():
        alone = [cascade.ask(i, x) for i in (0, 1)]

    def meet(*_) -> None:
        inside.wait()

    handle = model.patch_embed.register_forward_pre_hook(meet)

    def ask(i: int) -> torch.Tensor:
        with torch.inference_mode():
            return cascade.ask(i, x)

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(ask, (0, 1)))
    handle.remove()
    assert all(torch.equal(a, b) for a, b in zip(found, alone, strict=True)) and not torch.equal(*found)
    assert model.default_budget == ComputeBudget()


@pytest.mark.parametrize(("threshold", "goes_on"), [(0.0, 0), (math.inf, 12), (1.0, 12)])
def test_nobody_or_everybody_goes_on(threshold, goes_on):
    first, second = members = tables(2)
    scores, stage = Cascade(members, [threshold]).route(ROWS)
    assert second.asked == ([goes_on] if goes_on else []) and first.asked == [12]
    assert stage.eq(1).sum() == goes_on
    torch.testing.assert_close(scores, members[goes_on > 0].scores)


def test_one_sample_goes_on():
    first, second = members = tables(2)
    confidence = confidence_of(first.scores)
    lowest, next_one = confidence.sort().values[:2].tolist()
    scores, stage = Cascade(members, [(lowest + next_one) / 2]).route(ROWS)
    (row,) = stage.nonzero()
    assert second.asked == [1] and row == confidence.argmin()
    torch.testing.assert_close(scores[row], second.scores[row])
    torch.testing.assert_close(scores[stage == 0], first.scores[stage == 0])


def test_equal_confidences_take_one_way():
    first = Table(torch.tensor([[1.0, 0.0]]).repeat(12, 1))
    at = float(confidence_of(first.scores.detach())[0])
    for threshold, stage in ((at, 0), (at + 1e-4, 1)):
        assert Cascade([first, *tables(1, classes=2)], [threshold]).route(ROWS).stage.unique().tolist() == [stage]


def test_an_ensemble_is_the_mean():
    members = tables(3, grid=(2, 2))
    probabilities = torch.stack([m.scores.softmax(dim=1) for m in members]).mean(dim=0)
    torch.testing.assert_close(Ensemble(members)(ROWS).exp(), probabilities)
    torch.testing.assert_close(Ensemble(members[:1])(ROWS).softmax(dim=1), members[0].scores.softmax(dim=1))


def test_an_ensemble_is_a_member_like_any_other():
    a, b, c = tables(3)
    nested = Cascade([a, Ensemble([b, c])], [math.inf])
    torch.testing.assert_close(nested(ROWS), Ensemble([b, c])(ROWS))


def test_temperatures_divide_scores():
    a, b = tables(2)
    probabilities = ((a.scores / 2).softmax(dim=1) + (b.scores / 0.5).softmax(dim=1)) / 2
    torch.testing.assert_close(Ensemble([a, b], temperatures=[2.0, 0.5])(ROWS).exp(), probabilities)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model = create_model("jumbo_pico_patch16_224", img_size=64, num_classes=5).eval()
    nn.init.normal_(model.head.weight, std=0.05)
    return model


def test_budgets_of_one_model_share_its_weights(model):
    cheap = ComputeBudget(0.5, resolution=0.5)
    cascade = Cascade([(model, cheap), model], [0.0])
    assert sum(p.numel() for p in cascade.parameters()) == sum(p.numel() for p in model.parameters())
    assert len(cascade.state_dict()) == len(model.state_dict())
    assert cascade.names == ["JumboViT, keep 0.5 at 0.5", "JumboViT"]
    x = torch.randn(6, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        small, full = model(x, budget=cheap), model(x)
        lower, upper = confidence_of(small).sort().values[2:4].tolist()
        cascade.thresholds = [(lower + upper) / 2]
        leaves = confidence_of(small) >= cascade.thresholds[0]
        assert leaves.sum() == 3
        expected = torch.where(leaves[:, None], small, full)
        torch.testing.assert_close(cascade(x), expected, atol=1e-5, rtol=0)
        # nor does it matter who comes with whom
        singly = torch.cat([cascade(sample[None]) for sample in x])
        torch.testing.assert_close(singly, expected, atol=1e-5, rtol=0)


def test_a_copy_and_a_pickle_share_their_own_weights(model):
    cascade = Cascade([(model, ComputeBudget(0.5)), model], [0.9])
    for other in (copy.deepcopy(cascade), pickle.loads(pickle.dumps(cascade))):
        assert other.members[0].model is other.members[1].model is other.models[0]
        assert other.models[0] is not model and other.thresholds == (0.9,)


def test_members_may_be_of_another_type(model):
    half = copy.deepcopy(model).to(torch.bfloat16)
    double = copy.deepcopy(model).double()
    x = torch.randn(2, 3, 64, 64)
    for member in (half, double):
        out = Ensemble([model, member])(x)
        assert out.dtype == torch.float32
        torch.testing.assert_close(out.softmax(dim=1), model(x).softmax(dim=1), atol=0.05, rtol=0)


@pytest.mark.cuda
def test_members_may_be_on_another_device(model):
    x = torch.randn(2, 3, 64, 64)
    out = Cascade([model, copy.deepcopy(model).cuda()], [math.inf])(x)
    assert out.device.type == "cpu"
    torch.testing.assert_close(out, model(x), atol=1e-3, rtol=0)


def test_inputs_may_be_several_with_gaps():
    def member(x, flags):
        assert flags is None or flags.dtype == torch.bool
        return x if flags is None else torch.where(flags[:, None], x, -x)

    x, flags = torch.tensor([[3.0, 0.0], [0.1, 0.0]]), torch.tensor([True, False])
    cascade = Cascade([member, lambda x, flags: 2 * x], [0.7])
    torch.testing.assert_close(cascade(x, flags), torch.tensor([[3.0, 0.0], [0.2, 0.0]]))
    torch.testing.assert_close(cascade(x, None), torch.tensor([[3.0, 0.0], [0.2, 0.0]]))


def test_a_member_keeps_what_it_returned():
    kept = torch.tensor([[3.0, 0.0], [0.0, 0.0]])
    Cascade([lambda x: kept, lambda x: x], [0.7])(torch.full((2, 2), 9.0))
    assert kept.tolist() == [[3.0, 0.0], [0.0, 0.0]]


BAD = [
    (lambda a, b: Cascade([a, b], []), ValueError, "0 thresholds for 2 members: give 1"),
    (lambda a, b: Cascade([a, b], [0.5, 0.5]), ValueError, "2 thresholds for 2 members"),
    (lambda a, b: Cascade([a, b], [1.5]), ValueError, "from 0 to 1, or math.inf"),
    (lambda a, b: Cascade([a, b], [-0.1]), ValueError, "from 0 to 1"),
    (lambda a, b: Cascade([a, b], [math.nan]), ValueError, "from 0 to 1"),
    (lambda a, b: Cascade([a, b], [0.5], "certainty"), ValueError, "max_probability, margin, entropy"),
    (lambda a, b: Cascade([], []), ValueError, "at least one"),
    (lambda a, b: Ensemble([a, "b"]), TypeError, r"a pair \(model, ComputeBudget\)"),
    (lambda a, b: Ensemble([a, (b, 0.5)]), TypeError, r"a pair \(model, ComputeBudget\)"),
    (lambda a, b: Ensemble([a, b], temperatures=[1.0]), ValueError, "1 temperatures for 2 members"),
    (lambda a, b: Ensemble([a, b], temperatures=[1.0, 0.0]), ValueError, "above 0"),
    (lambda a, b: Ensemble([a, b], names=["a"]), ValueError, "1 names for 2 members"),
    (lambda a, b: Ensemble([a, *tables(1, classes=3)])(ROWS), ValueError, "3 classes, Table 1 of 4 classes"),
    (lambda a, b: Cascade([a, *tables(1, classes=3)], [1])(ROWS), ValueError, "tell the same classes apart"),
    (lambda a, b: Ensemble([*tables(1, grid=(2, 2)), *tables(1, grid=(4, 4))])(ROWS), ValueError, "on 4x4.*one grid"),
    (lambda a, b: Ensemble(tables(1, classes=1))(ROWS), ValueError, "2 or more classes"),
    (lambda a, b: Ensemble([lambda x: [x]])(ROWS), ValueError, "gave list"),
    (lambda a, b: Ensemble([a])("rows"), TypeError, "asked about tensors"),
]


@pytest.mark.parametrize(("make", "kind", "told"), BAD)
def test_bad_input(make, kind, told):
    with pytest.raises(kind, match=told):
        make(*tables(2))
