"""Fitting the network of a classifier: the encoder by gradients, the convolutions in closed form, and the share."""

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
from .committee import KERNELS, SeriesClassifier, Stage, Unseen, answers
from .training import History, Schedule, is_gain, seeded, shuffled, train

BATCH = 32  # series in a training batch
_PER_PASS = 256  # series in one pass of prediction
_STEPS = (20, 100)  # batches in an epoch, at least and at most


def steps_of(series: int) -> int:
    """Batches in an epoch."""
    least, most = _STEPS
    return min(max(math.ceil(series / BATCH), least), most)


class Fitted(NamedTuple):
    """A network, the course of its training, and the scores of its stages for series that they did not learn from."""

    network: SeriesClassifier
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

    Some of the series are held out. They decide when to stop training the encoder, and set its share of the scores. If
    the share is above 0, the encoder is then trained anew on all series, for as many epochs. The convolutions
    are fitted on all series at once: their closed form also gives the scores of each series as if it had been left out.

    Args:
        build: Builds a network, and returns it with those of its parameters that are pretrained.
        data: Series (C, T_i), NaN where nothing was observed.
        labels: Their classes (n,), 0 … K-1.
        class_weights: Weight of each class in the loss (K,).
        schedule: Epochs and learning rates; its ``steps`` are replaced, by the number of series. With 0 epochs the
            encoder's share is 0.
        validation: Fraction of each class to hold out.
        label_smoothing: Fraction of the target that is spread evenly over all classes.
        seed: Seed of everything random.
        device: Where to train.
        plan: The compute budgets at which to train (see ``training_plan``).
        stages: Stages of a committee (see ``stages_of``). Their scores for held-out series come from the network before
            it is trained on these series. If no stage asks the encoder, all series are scored, each as if left out.
        split: Rows to train on, and rows to hold out. Default: they are drawn.
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
        """Scores of the stages for series not learned from. ``left_out`` are scores of the convolutions for each series
        as if it had been left out; ``left_out_first`` are those of the first set of convolutions."""
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
        if KERNELS in stages:  # with a generator of its own, so that the network is the same as without a committee
            own = torch.Generator().manual_seed(seed)
            left_out_first = network.convolutions.fit_first(everything, y, class_weights, own)
        if not schedule.epochs:
            network.share.zero_()  # the encoder was not trained
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
    """The encoder's share, in tenths, from the scores (n, K) of held-out series: the smallest share whose cross-entropy
    is within one standard error of the least (Breiman et al., 1984, section 3.4.3)."""
    shares = [i / 10 for i in range(11)]
    losses = [F.cross_entropy(from_convolutions.lerp(from_tokens, share), labels, reduction="none") for share in shares]
    best = min(losses, key=torch.mean)
    return next(share for share, loss in zip(shares, losses, strict=True) if not is_gain(loss - best))


def probabilities(
    networks: Sequence[SeriesClassifier], data: Sequence[torch.Tensor], device: torch.device
) -> torch.Tensor:
    """Class probabilities (n, K) of series (C, T_i), float64: the mean over the networks."""
    return torch.stack([outputs(network, data, device).softmax(dim=1) for network in networks]).mean(dim=0)


def outputs(network: nn.Module, data: Sequence[torch.Tensor], device: torch.device) -> torch.Tensor:
    """What a network says (n, K) of series (C, T_i), float64."""
    parts = []
    with _placed(network, device), torch.inference_mode():
        for rows, batch in _passes(data, device):
            parts.append((rows, network(*batch).double().cpu()))
    rows, told = (torch.cat(p) for p in zip(*parts, strict=True))
    return told[rows.argsort()].clone()


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
    """Move a module from the CPU to a device, and back afterwards. On CPU nothing is done: going over all tensors would
    take longer than classifying a series."""
    if device.type == "cpu":
        yield
        return
    module.to(device)
    try:
        yield
    finally:
        module.cpu()


def _passes(data: Sequence[torch.Tensor], device: torch.device) -> Iterator[tuple[torch.Tensor, Batch]]:
    """Batches of the data with their rows. Series of similar length are batched together, to pad little."""
    order = torch.tensor([s.shape[1] for s in data]).argsort(stable=True)
    for rows in order.split(_PER_PASS):
        yield rows, pad_together([data[i] for i in rows.tolist()], device)


def stratified(labels: torch.Tensor, share: float, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows to train on and rows to hold out: the same fraction of each class, with at least one row to train on."""
    parts = []
    for c in labels.unique():
        rows = (labels == c).nonzero()[:, 0]
        rows = rows[torch.randperm(len(rows), generator=generator)]
        parts.append(rows[: min(round(share * len(rows)), len(rows) - 1)])
    held_out = torch.cat(parts)
    keep = torch.ones(len(labels), dtype=torch.bool)
    keep[held_out] = False
    return keep.nonzero()[:, 0], held_out
