"""Fitting the network of a classifier: tokens by gradients, convolutions in closed form, and how much each counts."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from jumbo_backbone import ComputeBudget

from .budgets import Plan, training_loss
from .network import ClassifierNet
from .training import History, Schedule, is_gain, seeded, shuffled, train
from .windows import Batch, pad_together

BATCH = 32  # series in a training batch
_PER_PASS = 256  # in prediction
_STEPS = (20, 100)  # batches in an epoch, at least and at most


def steps_of(series: int) -> int:
    """Batches in an epoch."""
    least, most = _STEPS
    return min(max(math.ceil(series / BATCH), least), most)


def fit_network(
    build: Callable[[], tuple[ClassifierNet, list[nn.Parameter]]],
    data: Sequence[torch.Tensor],
    labels: torch.Tensor,
    class_weights: torch.Tensor,
    schedule: Schedule,
    *,
    validation: float,
    label_smoothing: float,
    seed: int,
    device: torch.device,
    plan: Plan = None,
    **options: Any,
) -> tuple[ClassifierNet, History]:
    """A fitted network, on the CPU.

    A part of the series is held out: it tells when to stop training, and which share of the scores the tokens should
    have. If they have any, they are then trained anew for as long on all series; the convolutions are fitted on all at
    once, since they know what they would say of a series left out.

    Args:
        build: Makes a network, and says which of its parameters are pretrained.
        data: Series (C, T_i), NaN where nothing was observed.
        labels: Their classes (n,), 0 … K-1.
        class_weights: In the loss (K,).
        schedule: How long and how fast; ``steps`` follow from the number of series.
        validation: Share of each class to hold out.
        label_smoothing: Share of the target that is spread over all classes.
        seed: Decides everything random.
        device: Where.
        plan: At which compute budgets to train (see ``training_plan``).
        options: Further arguments of ``train``.
    """
    class_weights = class_weights.to(device)

    def batch(rows: torch.Tensor) -> tuple[Batch, torch.Tensor]:
        return pad_together([data[i] for i in rows.tolist()], device), labels[rows].to(device)

    def from_tokens(network: ClassifierNet, rows: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return torch.cat([network.from_tokens(*batch(some)[0]).float() for some in rows.split(_PER_PASS)])

    def run(rows: torch.Tensor, held_out: torch.Tensor, schedule: Schedule) -> tuple[ClassifierNet, History]:
        network, pretrained = build()

        def loss(rows: torch.Tensor, step: int, total: int) -> torch.Tensor:
            x, y = batch(rows)

            def predict(budget: ComputeBudget) -> torch.Tensor:
                return network.from_tokens(*x, budget)

            def criterion(scores: torch.Tensor) -> torch.Tensor:
                return F.cross_entropy(scores, y, weight=class_weights, label_smoothing=label_smoothing)

            own = network.encoder.encoder.default_budget
            return training_loss(predict, criterion, plan, own, step, total)

        def score(network: ClassifierNet) -> torch.Tensor:
            y = labels[held_out].to(device)
            return F.cross_entropy(from_tokens(network, held_out), y, weight=class_weights, reduction="none").cpu()

        history = train(
            network,
            loss,
            shuffled(rows, BATCH),
            score if len(held_out) else None,
            replace(schedule, steps=steps_of(len(rows))),
            generator=generator,
            device=device,
            frozen=pretrained,
            **options,
        )
        return network, history

    with seeded(seed) as generator:
        train_on, held_out = stratified(labels, validation, generator)
        network, history = run(train_on, held_out, schedule)
        if network.convolutions is None:
            return network, history
        everything, y = batch(torch.arange(len(labels)))
        left_out = network.to(device).convolutions.fit(everything, y, class_weights, generator)
        if len(held_out):
            held = held_out.to(device)
            share = choose_share(left_out[held], from_tokens(network, held_out), y[held], class_weights)
            if share > 0 and history.best:
                convolutions = network.convolutions
                network, _ = run(torch.arange(len(labels)), held_out[:0], replace(schedule, epochs=history.best))
                network.convolutions = convolutions
            network.share.fill_(share)
    return network.cpu().eval(), history


def choose_share(
    from_convolutions: torch.Tensor, from_tokens: torch.Tensor, labels: torch.Tensor, class_weights: torch.Tensor
) -> float:
    """Share of the tokens in the scores (n, K) of held-out series, in tenths: the smallest whose cross-entropy is not
    above the least by more than its own standard error (Breiman et al., 1984, section 3.4.3)."""
    shares = [i / 10 for i in range(11)]
    losses = [F.cross_entropy(from_convolutions.lerp(from_tokens, share), labels, reduction="none") for share in shares]
    best = min(losses, key=torch.mean)
    return next(share for share, loss in zip(shares, losses, strict=True) if not is_gain(loss - best))


def probabilities(
    networks: Sequence[ClassifierNet], data: Sequence[torch.Tensor], device: torch.device
) -> torch.Tensor:
    """Of each class (n, K), float64, the mean over some networks, of series (C, T_i)."""
    total = torch.zeros(len(data), networks[0].head.out_features, dtype=torch.float64)
    # series of like length together, so that little is padded
    order = torch.tensor([s.shape[1] for s in data]).argsort(stable=True)
    for network in networks:
        network.to(device)
        with torch.inference_mode():
            for rows in order.split(_PER_PASS):
                scores = network(*pad_together([data[i] for i in rows.tolist()], device))
                total[rows] += scores.double().softmax(dim=1).cpu()
        network.cpu()
    return total / len(networks)


def stratified(labels: torch.Tensor, share: float, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows to train on and rows to hold out, of each class the same share, and always one of each to train on."""
    held_out = []
    for c in labels.unique():
        rows = (labels == c).nonzero()[:, 0]
        rows = rows[torch.randperm(len(rows), generator=generator)]
        held_out.append(rows[: min(round(share * len(rows)), len(rows) - 1)])
    held_out = torch.cat(held_out)
    keep = torch.ones(len(labels), dtype=torch.bool)
    keep[held_out] = False
    return keep.nonzero()[:, 0], held_out
