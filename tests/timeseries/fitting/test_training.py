"""The loop: seeded, stoppable, and with the best weights at the end."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from timeseries.fitting.training import Schedule, draw_seeds, seeded, train

CPU = torch.device("cpu")


def problem(score=True, loss=None, epochs=6, **options):
    """A line to be found; the validation score of each epoch is the distance from it."""
    with seeded(0) as generator:
        model = nn.Linear(3, 1)
        truth = torch.tensor([[1.0, -2.0, 0.5]])

        def batches(generator, steps):
            for _ in range(steps):
                yield torch.randn(32, 3, generator=generator)

        def squared(x, step, total):
            return (model(x) - x @ truth.T).square().mean()

        history = train(
            model,
            loss(model, squared) if loss else squared,
            batches,
            (lambda m: (m.weight.detach() - truth).abs().sum().round(decimals=1).expand(4)) if score else None,
            Schedule(epochs, steps=20, learning_rate=0.05, **options.pop("schedule", {})),
            generator=generator,
            device=CPU,
            **options,
        )
    return model, history


def test_it_learns_and_keeps_the_best_epoch():
    model, history = problem()
    scores = [e.score for e in history.epochs]
    assert scores[-1] < 0.4 < scores[0] and history.best == 1 + int(np.argmin(scores))
    assert not model.training
    told = []
    problem(callbacks=[told.append])
    assert [e.number for e in told] == [1, 2, 3, 4, 5, 6] and told[0].is_best


def test_the_same_seed_gives_the_same_weights_and_leaves_global_generators_alone():
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    expected = torch.rand(1), np.random.rand()  # noqa: NPY002
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    (a, _), (b, _) = problem(), problem()
    draw_seeds(None, 3)
    assert torch.equal(a.weight, b.weight)
    assert (torch.rand(1), np.random.rand()) == expected  # noqa: NPY002


@pytest.mark.parametrize("frozen_epochs", [0, 3, 6, 9])
def test_frozen_parameters_stay_for_the_first_epochs(frozen_epochs):
    with seeded(0) as generator:
        model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))
        before, seen = model[0].weight.detach().clone(), []
        train(
            model,
            lambda x, *_: (model(x) - 1).square().mean(),
            lambda generator, steps: (torch.randn(8, 3, generator=generator) for _ in range(steps)),
            None,
            Schedule(6, steps=2, weight_decay=0.1, frozen_epochs=frozen_epochs),
            generator=generator,
            device=CPU,
            callbacks=[lambda epoch: seen.append(torch.equal(model[0].weight, before))],
            frozen=list(model[0].parameters()),
        )
    assert seen == [number <= frozen_epochs for number in range(1, 7)]
    assert all(p.requires_grad for p in model.parameters())


def test_it_stops_when_nothing_improves_or_a_callback_says_so():
    _, history = problem(epochs=50, schedule=dict(patience=2))
    assert len(history.epochs) < 50 and len(history.epochs) - history.best == 2
    _, history = problem(callbacks=[lambda epoch: epoch.number == 2])
    assert len(history.epochs) == 2


def test_a_gain_within_its_own_error_is_no_gain():
    """What helps one validation sample of two and hurts the other as much leaves the model as it was."""
    for scores, kept in (([0.0, 2.0], False), ([0.9, 0.8], True)):
        with seeded(0) as generator:
            model = nn.Linear(1, 1)
            before = model.weight.clone()
            told = iter([torch.ones(2)] + [torch.tensor(scores) - 0.01] * 3)
            history = train(
                model,
                lambda x, step, total, model=model: model(x).square().mean(),
                lambda generator, steps: [torch.ones(2, 1)] * steps,
                lambda m, told=told: next(told),
                Schedule(3, steps=5),
                generator=generator,
                device=CPU,
            )
        assert (history.best == 1) == kept and torch.equal(model.weight, before) == (not kept)


def test_ctrl_c_keeps_the_best_so_far():
    calls = []

    def interrupting(model, loss):
        def of(x, step, total):
            calls.append(1)
            if len(calls) > 50:  # in the third epoch
                raise KeyboardInterrupt
            return loss(x, step, total)

        return of

    with pytest.warns(RuntimeWarning, match="interrupted after 2 of 6 epochs; the weights of epoch 2 are kept"):
        model, history = problem(loss=interrupting)
    assert len(history.epochs) == 2 and model.weight.isfinite().all()


@pytest.mark.parametrize(("when", "kept"), [(50, "of epoch 2"), (5, "its latest weights")])
def test_a_loss_that_is_no_number_ends_training_with_sound_weights(when, kept):
    calls = []

    def breaking(model, loss):
        def of(x, step, total):
            calls.append(1)
            return loss(x, step, total) * (float("nan") if len(calls) > when else 1)

        return of

    with pytest.warns(RuntimeWarning, match=f"diverged, the loss was nan.*{kept}.*") as told:
        model, _ = problem(loss=breaking)
    assert model.weight.isfinite().all() and "lower learning_rate" in str(told[0].message)


def test_without_validation_the_last_epoch_is_kept():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, history = problem(score=False)
    assert history.best == 6 and history.epochs[-1].score is None


def test_progress_is_shown_on_request(capsys):
    problem(epochs=1)
    assert capsys.readouterr().err == ""
    problem(epochs=1, verbose=1, title="learning lines")
    assert "learning lines" in capsys.readouterr().err


def test_seeds():
    assert draw_seeds(3, 2) == draw_seeds(3, 2) != draw_seeds(4, 2)
    assert draw_seeds(None, 1) != draw_seeds(None, 1)
    assert draw_seeds(np.random.RandomState(0), 2) == draw_seeds(np.random.RandomState(0), 2)
    with pytest.raises(TypeError, match="random_state must be an integer, a numpy RandomState or None, got 'x'"):
        draw_seeds("x", 1)
