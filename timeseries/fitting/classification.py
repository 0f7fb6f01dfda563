"""Fitting the network of a classifier: tokens by gradients, convolutions in closed form, and the share of each."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from jumbo_backbone import Cascade, ComputeBudget

from ..data.windows import Batch, pad_together
from ..networks.network import ClassifierNet
from .budgets import Plan, training_loss
from .committee import KERNELS, Stage, Unseen, answers
from .training import History, Schedule, is_gain, seeded, shuffled, train

BATCH = 32  # series in a training batch
_PER_PASS = 256  # series in one pass of prediction
_STEPS = (20, 100)  # batches in an epoch, at least and at most


def steps_of(series: int) -> int:
    """Batches in an epoch."""
    least, most = _STEPS
    return min(max(math.ceil(series / BATCH), least), most)


class Fitted(NamedTuple):
    """A network, how its training went, and the scores that its stages give to series that they did not learn from."""

    network: ClassifierNet
    history: History
    unseen: Unseen


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
    stages: Sequence[Stage] = (),
    split: tuple[torch.Tensor, torch.Tensor] | None = None,
    **options: Any,
) -> Fitted:
    """A fitted network, on the CPU.

    A part of the series is held out: it tells when to stop training, and which share of the scores the tokens should
    have. If they have any, they are then trained anew for as long on all series. The convolutions are fitted on all
    series at once: their closed form gives the scores of each series as if it had been left out.

    Args:
        build: Makes a network, and says which of its parameters are pretrained.
        data: Series (C, T_i), NaN where nothing was observed.
        labels: Their classes (n,), 0 … K-1.
        class_weights: Weight of each class in the loss (K,).
        schedule: How long and how fast; ``steps`` follow from the number of series. After 0 epochs the tokens have no
            share.
        validation: Share of each class to hold out.
        label_smoothing: Share of the target that is spread over all classes.
        seed: Decides everything random.
        device: Where to train.
        plan: At which compute budgets to train (see ``training_plan``).
        stages: Of a committee (see ``stages_of``). Their scores of held-out series come from the network that has not
            yet been trained on these. Where no stage asks the tokens, all series are scored, each left out.
        split: Rows to train on and to hold out, if they are not to be drawn.
        options: Further arguments of ``train``.
    """
    class_weights = class_weights.to(device)

    def batch(rows: torch.Tensor) -> tuple[Batch, torch.Tensor]:
        return pad_together([data[i] for i in rows.tolist()], device), labels[rows].to(device)

    def from_tokens(network: ClassifierNet, rows: torch.Tensor, budget: ComputeBudget | None = None) -> torch.Tensor:
        with torch.no_grad():
            return torch.cat([network.from_tokens(*batch(some)[0], budget).float() for some in rows.split(_PER_PASS)])

    def run(rows: torch.Tensor, held_out: torch.Tensor, schedule: Schedule) -> tuple[ClassifierNet, History]:
        network, pretrained = build()

        def loss(rows: torch.Tensor, step: int, total: int) -> torch.Tensor:
            x, y = batch(rows)

            def predict(budget: ComputeBudget) -> torch.Tensor:
                return network.from_tokens(*x, budget)

            def criterion(scores: torch.Tensor) -> torch.Tensor:
                return F.cross_entropy(scores, y, weight=class_weights, label_smoothing=label_smoothing)

            own = network.encoder.default_budget
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

    def ask(left_out: torch.Tensor | None, left_out_first: torch.Tensor | None) -> Unseen:
        """Scores of the stages for series not learned from, given those of the convolutions for each left out."""
        tokens = network.share > 0 or any(isinstance(stage, ComputeBudget) for stage in stages)
        rows = held_out.sort().values if tokens else torch.arange(len(labels))
        here = rows.to(device)

        def of(stage: Stage) -> torch.Tensor:
            if stage == KERNELS:
                assert left_out_first is not None
                return left_out_first[here]
            if isinstance(stage, ComputeBudget):
                return from_tokens(network, rows, stage)
            if left_out is None:
                return from_tokens(network, rows)
            scores = left_out[here]
            return scores.lerp(from_tokens(network, rows), network.share) if network.share > 0 else scores

        return Unseen(rows, [of(stage).cpu() for stage in stages] if len(rows) else [])

    with seeded(seed) as generator:
        train_on, held_out = stratified(labels, validation, generator) if split is None else split
        network, history = run(train_on, held_out, schedule)
        network.to(device)
        if network.convolutions is None:
            unseen = ask(None, None)
            return Fitted(network.cpu(), history, unseen)
        everything, y = batch(torch.arange(len(labels)))
        left_out = network.convolutions.fit(everything, y, class_weights, generator)
        left_out_first = None
        if KERNELS in stages:  # by a generator of its own: the network is the same as without a committee
            own = torch.Generator().manual_seed(seed)
            left_out_first = network.convolutions.fit_first(everything, y, class_weights, own)
        if not schedule.epochs:
            network.share.zero_()  # tokens that were not trained know nothing
        elif len(held_out):
            held = held_out.to(device)
            network.share.fill_(choose_share(left_out[held], from_tokens(network, held_out), y[held], class_weights))
        unseen = ask(left_out, left_out_first)
        if len(held_out) and network.share > 0 and history.best:
            convolutions, share = network.convolutions, network.share
            network, _ = run(torch.arange(len(labels)), held_out[:0], replace(schedule, epochs=history.best))
            network.convolutions = convolutions
            network.share.copy_(share)
    return Fitted(network.cpu().eval(), history, unseen)


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
    """Probabilities (n, K) of the classes of series (C, T_i), float64: the mean over some networks."""
    total = torch.zeros(len(data), networks[0].head.out_features, dtype=torch.float64)
    for network in networks:
        with _placed(network, device), torch.inference_mode():
            for rows, batch in _passes(data, device):
                total[rows] += network(*batch).double().softmax(dim=1).cpu()
    return total / len(networks)


def routed(cascade: Cascade, data: Sequence[torch.Tensor], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities (n, K), float64, of series (C, T_i), and the number (n,) of the stage that gave them."""
    parts = []
    with _placed(cascade, device):
        for rows, batch in _passes(data, device):
            found = answers(cascade, batch)
            parts.append((rows, found.scores.double().softmax(dim=1).cpu(), found.stage.cpu()))
    rows, probabilities, stage = (torch.cat(p) for p in zip(*parts, strict=True))
    back = rows.argsort()
    return probabilities[back], stage[back]


@contextmanager
def _placed(module: nn.Module, device: torch.device) -> Iterator[None]:
    """Put a module of the CPU on a device for a while. On CPU nothing is done: to go over all tensors would take longer
    than to classify a series."""
    if device.type == "cpu":
        yield
        return
    module.to(device)
    try:
        yield
    finally:
        module.cpu()


def _passes(data: Sequence[torch.Tensor], device: torch.device) -> Iterator[tuple[torch.Tensor, Batch]]:
    """Batches of the data with their rows, series of like length together, so that little is padded."""
    order = torch.tensor([s.shape[1] for s in data]).argsort(stable=True)
    for rows in order.split(_PER_PASS):
        yield rows, pad_together([data[i] for i in rows.tolist()], device)


def stratified(labels: torch.Tensor, share: float, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows to train on and rows to hold out, of each class the same share, and always one of each to train on."""
    parts = []
    for c in labels.unique():
        rows = (labels == c).nonzero()[:, 0]
        rows = rows[torch.randperm(len(rows), generator=generator)]
        parts.append(rows[: min(round(share * len(rows)), len(rows) - 1)])
    held_out = torch.cat(parts)
    keep = torch.ones(len(labels), dtype=torch.bool)
    keep[held_out] = False
    return keep.nonzero()[:, 0], held_out
