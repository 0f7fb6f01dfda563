"""How good features are: a linear probe and nearest neighbours.

The probe is a linear map behind a BatchNorm without parameters, as He et al. ("Masked autoencoders are scalable vision
learners", appendix A.1). Features of a frozen encoder do not change, so the BatchNorm is a standardisation by the
training images.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.functional import cross_entropy, normalize, one_hot

from .features import Features

RATES = (3e-4, 1e-3, 3e-3, 1e-2)
TEMPERATURE = 0.07  # of the neighbours' votes (Wu et al., CVPR 2018)
_EPS = 1e-6
_ROWS = 256  # of features at a time


class ProbeScore(NamedTuple):
    """What a linear probe reached on the test images.

    Attributes:
        top1: Per cent of images whose class is the likeliest.
        top5: Per cent of images whose class is among the five likeliest.
        rate: The learning rate that was chosen.
    """

    top1: float
    top5: float
    rate: float


class Standard:
    """Features (n, F) less the mean and over the deviation of those that it is made from: a BatchNorm without
    parameters."""

    def __init__(self, features: torch.Tensor) -> None:
        variance, self.mean = torch.var_mean(features, dim=0, correction=0)
        self.deviation = (variance + _EPS).sqrt()

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        return (features - self.mean) / self.deviation


def linear_probe(
    train: Features,
    test: Features,
    read_out: str,
    *,
    epochs: int = 30,
    batch_size: int = 512,
    rates: Sequence[float] = RATES,
    seed: int = 0,
) -> ProbeScore:
    """Train a linear classifier on frozen features. Several learning rates are trained side by side, and every tenth
    training image chooses among them.

    Args:
        train, test: Features of both parts.
        read_out: See ``Features.read_out``.
        epochs: Passes over the training images, with AdamW and a cosine.
        batch_size: Images in a step.
        rates: The highest learning rates.
        seed: Decides the order of the images.

    Raises:
        ValueError: If there are too few training images to choose a rate.
    """
    n = len(train.labels)
    if n < 20:
        raise ValueError(f"a probe needs 20 images to train on, of which a tenth choose its rate; there are {n}")
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(n, generator=generator)
    choosing, learning = order[: n // 10], order[n // 10 :]
    x = train.read_out(read_out)
    standard, classes = Standard(x), int(train.labels.max()) + 1
    heads = [nn.Linear(x.shape[1], classes) for _ in rates]
    for head in heads:
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
    optimizer = torch.optim.AdamW([dict(params=h.parameters(), lr=r) for h, r in zip(heads, rates, strict=True)])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * -(-len(learning) // batch_size))
    for _ in range(epochs):
        for places in learning[torch.randperm(len(learning), generator=generator)].split(batch_size):
            given, labels = standard(x[places]), train.labels[places]
            loss = torch.stack([cross_entropy(head(given), labels) for head in heads]).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    with torch.inference_mode():
        given, labels = standard(x[choosing]), train.labels[choosing]
        right = [_top(head(given), labels, 1) for head in heads]
        best = max(range(len(heads)), key=right.__getitem__)
        logits = torch.cat([heads[best](standard(rows)) for rows in test.read_out(read_out).split(_ROWS)])
        return ProbeScore(_top(logits, test.labels, 1), _top(logits, test.labels, 5), rates[best])


@torch.inference_mode()
def nearest_neighbours(train: Features, test: Features, read_out: str, k: int = 20) -> float:
    """Per cent of test images whose class the ``k`` nearest training images vote for, by the cosine of standardised
    features; a vote weighs exp(cosine / 0.07), as Wu et al. (CVPR 2018).

    Args:
        train, test: Features of both parts.
        read_out: See ``Features.read_out``.
        k: Neighbours that vote.

    Raises:
        ValueError: For an unknown read-out.
    """
    x = train.read_out(read_out)
    standard = Standard(x)
    x = normalize(standard(x))
    votes_of = one_hot(train.labels).float()
    right = 0
    for rows, labels in zip(test.read_out(read_out).split(_ROWS), test.labels.split(_ROWS), strict=True):
        cosine, nearest = (normalize(standard(rows)) @ x.T).topk(min(k, len(x)), dim=1)
        votes = (votes_of[nearest] * (cosine / TEMPERATURE).exp().unsqueeze(-1)).sum(dim=1)
        right += int((votes.argmax(dim=1) == labels).sum())
    return 100 * right / len(test.labels)


def _top(logits: torch.Tensor, labels: torch.Tensor, k: int) -> float:
    """Per cent of rows whose class is among the k highest."""
    best = logits.topk(min(k, logits.shape[1]), dim=1).indices
    return 100 * (best == labels.unsqueeze(1)).any(dim=1).float().mean().item()
