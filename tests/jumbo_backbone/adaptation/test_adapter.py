"""What Tent and SAR have in common: answers, state, going back, bad input."""

import copy
import io

import pytest
import torch
from torch import nn

from jumbo_backbone import ComputeBudget
from jumbo_backbone.adaptation import METHODS, SAR, Tent
from tests.conftest import images, tiny_model

BOTH = pytest.mark.parametrize("method", list(METHODS.values()), ids=list(METHODS))
LOUD = dict(lr=1.0)  # so that a step shows


def sure_model(seed: int = 0, **overrides) -> nn.Module:
    """Its answers are sure enough for SAR to learn from."""
    model = tiny_model(seed, **overrides)
    with torch.no_grad():
        model.head.weight.mul_(6)
    return model


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(one: dict, other: dict) -> bool:
    """Bit by bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


class Dense(nn.Module):
    """A segmentor of the patch tokens, whose logits are as large as the images."""

    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.backbone = tiny_model(num_classes=0, global_pool="", depth=4)
        torch.manual_seed(0)
        self.head = nn.Conv2d(48, classes, 1)
        nn.init.normal_(self.head.weight, std=2.0)

    def forward(self, x, budget=None):
        (maps,) = self.backbone.forward_intermediates(x, [3], intermediates_only=True, budget=budget)
        return nn.functional.interpolate(self.head(maps), x.shape[2:], mode="bilinear")


# ---- answers


@BOTH
def test_the_first_answer_is_the_models_own_and_the_next_ones_are_not(method):
    model, x = sure_model(), images(8, 3, 64, 64)
    before, expected = weights(model), model(x).detach()
    adapter = method(model, **LOUD)
    answer = adapter(x)
    torch.testing.assert_close(answer, expected)
    assert not answer.requires_grad and adapter.steps == 1 and not adapter.left_out
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == set(adapter.adapted)
    assert adapter.entropies(adapter(x)).mean() < adapter.entropies(expected).mean()


@BOTH
@pytest.mark.parametrize("around", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_callers_without_gradients_get_the_same(method, around):
    def run(around):
        model = sure_model()
        adapter = method(model, **LOUD)
        with around():
            x = images(4, 3, 64, 64)
            answers = [adapter(x).clone() for _ in range(3)]
            adapter.reset()
        return torch.stack(answers), weights(model)

    expected, answers = run(torch.enable_grad), run(around)
    assert torch.equal(expected[0], answers[0]) and same(expected[1], answers[1])


@BOTH
def test_a_model_built_without_gradients(method):
    with torch.no_grad():
        adapter = method(sure_model(), **LOUD)
        assert not torch.equal(adapter(images(4, 3, 64, 64)), adapter(images(4, 3, 64, 64)))


@BOTH
def test_reset_is_exact_and_forgets_the_momentum(method, device):
    model = sure_model().to(device)
    before = weights(model)
    adapter = method(model, **LOUD)
    first = [adapter(images(4, 3, 64, 64, seed=i).to(device)) for i in range(3)]
    assert not same(weights(model), before)
    adapter.reset()
    assert same(weights(model), before) and adapter.steps == 0
    again = [adapter(images(4, 3, 64, 64, seed=i).to(device)) for i in range(3)]
    assert all(map(torch.equal, first, again))


@BOTH
def test_an_episode_depends_on_its_batch_alone_and_is_answered_after_the_step(method):
    model, x = sure_model(), images(4, 3, 64, 64)
    plain = copy.deepcopy(model)(x).detach()
    once = method(copy.deepcopy(model), **LOUD)
    once(x)
    with torch.no_grad():
        expected = once.model(x)
    adapter = method(model, episodic=True, **LOUD)
    adapter(images(4, 3, 64, 64, seed=1))
    answer = adapter(x)
    assert torch.equal(answer, expected) and not torch.allclose(answer, plain)


@BOTH
def test_a_batch_of_one(method):
    adapter = method(sure_model(), **LOUD)
    answers = [adapter(images(1, 3, 64, 64, seed=i)) for i in range(4)]
    assert all(a.shape == (1, 10) and a.isfinite().all() for a in answers) and adapter.steps == 4


@BOTH
def test_no_images(method):
    adapter = method(sure_model())
    assert adapter(images(0, 3, 64, 64)).shape == (0, 10) and adapter.steps == 0


@BOTH
def test_the_rate_is_in_proportion_to_the_batch(method):
    """Eight times the same image are a batch of the same mean, so the step is as many times longer."""
    x, moved = images(1, 3, 64, 64), []
    for count in (1, 8):
        adapter = method(sure_model(), lr=0.01, momentum=0.0)
        adapter(x.expand(count, -1, -1, -1))
        moved.append(torch.cat([(p - adapter.start[n]).flatten() for n, p in adapter.adapted.items()]))
    torch.testing.assert_close(moved[1], 8 * moved[0], rtol=0.02, atol=1e-6)


@BOTH
def test_a_budget_passes_through(method):
    model, x, budget = sure_model(), images(4, 3, 64, 64), ComputeBudget(keep_rate=0.5, resolution=0.5)
    adapter = method(copy.deepcopy(model), **LOUD)
    torch.testing.assert_close(adapter(x, budget=budget), model(x, budget=budget).detach())
    expected = method(copy.deepcopy(model), **LOUD)
    expected.model.default_budget = budget
    expected(x)
    assert same(weights(adapter.model), weights(expected.model)) and adapter.steps == 1


@BOTH
def test_the_rest_of_the_model_keeps_its_gradients_and_its_mode(method):
    model = sure_model(drop_path_rate=0.5).train()
    adapter = method(model)
    adapter.train()
    adapter(images(2, 3, 64, 64))
    assert not model.training and all(p.requires_grad and p.grad is None for p in model.parameters())


@BOTH
def test_gradients_that_are_left_from_elsewhere_do_not_count(method):
    models, x = [sure_model(), sure_model()], images(4, 3, 64, 64)
    models[0](x).square().sum().backward()
    for model in models:
        method(model, **LOUD)(x)
    assert same(weights(models[0]), weights(models[1]))


# ---- images whose logits are no numbers


@BOTH
def test_images_with_nan_are_left_out_and_counted(method):
    x = images(6, 3, 64, 64)
    spoiled = x.clone()
    spoiled[[1, 4]] = float("nan")
    adapter, expected = (method(sure_model(), **LOUD) for _ in range(2))
    answer = adapter(spoiled)
    expected(x[[0, 2, 3, 5]])
    assert adapter.left_out == 2 and answer[[1, 4]].isnan().all() and answer[[0, 2, 3, 5]].isfinite().all()
    assert same(weights(adapter.model), weights(expected.model)) and adapter.steps == 1


@BOTH
def test_a_batch_of_nan_changes_nothing(method):
    adapter = method(sure_model())
    before = weights(adapter.model)
    adapter(torch.full((2, 3, 64, 64), float("nan")))
    assert same(weights(adapter.model), before) and adapter.left_out == 2 and adapter.steps == 0


# ---- state


@BOTH
def test_a_saved_state_goes_on_as_if_nothing_had_been(method):
    adapter = method(sure_model(), **LOUD)
    for i in range(2):
        adapter(images(4, 3, 64, 64, seed=i))
    saved = io.BytesIO()
    torch.save(adapter.state_dict(), saved)
    saved.seek(0)
    other = method(sure_model(seed=1), **LOUD)
    other.load_state_dict(torch.load(saved))
    x = images(4, 3, 64, 64, seed=2)
    assert torch.equal(adapter(x), other(x)) and torch.equal(adapter(x), other(x))
    assert same(weights(adapter.model), weights(other.model)) and other.steps == adapter.steps == 4
    other.reset()
    assert same(weights(other.model), weights(sure_model()))


@BOTH
def test_a_copy_is_independent(method):
    adapter = method(sure_model(), **LOUD)
    adapter(images(4, 3, 64, 64))
    other = copy.deepcopy(adapter)
    kept = weights(adapter.model)
    other(images(4, 3, 64, 64, seed=1))
    assert same(weights(adapter.model), kept) and not same(weights(other.model), kept)


def test_a_state_of_other_parameters_is_refused():
    state = Tent(sure_model(), share=0.4).state_dict()
    with pytest.raises(ValueError, match="of an adapter of other parameters: give the model and the share"):
        Tent(sure_model()).load_state_dict(state)


# ---- segmentors


@BOTH
def test_a_segmentor_adapts_to_pixels_that_are_no_padding(method):
    x = images(2, 3, 64, 64)
    valid = torch.ones(2, 64, 64, dtype=torch.bool)
    valid[:, 48:] = False
    adapter, expected = (method(Dense(), loss_stride=1, **LOUD) for _ in range(2))
    plain = expected.model(x).detach()
    torch.testing.assert_close(adapter(x, valid=valid), plain)
    cut = expected.entropies(plain[:, :, :48])
    torch.testing.assert_close(adapter.entropies(plain, valid), cut)
    assert not torch.allclose(adapter.entropies(plain), cut)
    assert adapter.entropies(adapter(x, valid=valid), valid).mean() < cut.mean()


@BOTH
def test_a_segmentor_looks_at_a_lattice_drawn_anew_in_each_step(method):
    logits = images(1, 4, 32, 32)
    adapter, seen = method(Dense()), []
    for step in range(20):
        adapter.steps = step
        seen.append(adapter.entropies(logits).item())
    whole = method(Dense(), loss_stride=1).entropies(logits).item()
    assert 6 < len(set(seen)) <= 16 and abs(sum(seen) / 20 - whole) < 0.05


@BOTH
def test_an_image_of_padding_alone_is_left_out(method):
    valid = torch.ones(2, 64, 64, dtype=torch.bool)
    valid[1] = False
    adapter = method(Dense())
    adapter(images(2, 3, 64, 64), valid=valid)
    assert adapter.left_out == 1 and all(p.isfinite().all() for p in adapter.model.parameters())


# ---- bad input


@BOTH
@pytest.mark.parametrize(
    "model, x, error, message",
    [
        (sure_model, torch.zeros(2, 3, 64, 64, dtype=torch.uint8), TypeError, "images are torch.uint8: give floats"),
        (lambda: tiny_model(num_classes=1), images(2, 3, 64, 64), ValueError, "gives 1 class, .*2 classes or more"),
        (lambda: Dense(1), images(2, 3, 64, 64), ValueError, "the model gives 1 class"),
        (lambda: tiny_model(num_classes=0, global_pool=""), images(2, 3, 64, 64), TypeError, r"\(2, 20, 48\), not log"),
    ],
)
def test_images_and_answers_that_cannot_be_learned_from(method, model, x, error, message):
    adapter = method(model())
    before = weights(adapter.model)
    with pytest.raises(error, match=message):
        adapter(x)
    assert same(weights(adapter.model), before) and all(p.requires_grad for p in adapter.model.parameters())


@pytest.mark.parametrize(
    "method, options, message",
    [
        (Tent, dict(lr=0), "lr=0, .*a rate above 0"),
        (Tent, dict(lr=float("nan")), "lr=nan, .*a rate above 0"),
        (Tent, dict(momentum=1.0), "momentum=1.0.*a momentum from 0 to below 1"),
        (SAR, dict(loss_stride=0), "loss_stride=0: .*a stride from 1"),
        (SAR, dict(margin=0), "margin=0, .*above 0 and up to 1"),
        (SAR, dict(margin=1.5), "margin=1.5, .*above 0 and up to 1"),
        (SAR, dict(rho=0), "rho=0, .*a rho above 0"),
        (SAR, dict(recovery=0.5), "recovery=0.5: .*below the margin"),
        (SAR, dict(recovery=-0.1), "recovery=-0.1"),
    ],
)
def test_numbers_out_of_range(method, options, message):
    with pytest.raises(ValueError, match=message):
        method(sure_model(), **options)
