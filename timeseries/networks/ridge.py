"""A linear classifier in closed form, its scores for left-out series, and the weights of sets of features in it."""

from collections.abc import Callable, Sequence
from itertools import product
from typing import NamedTuple

import torch
import torch.nn.functional as F

from jumbo_backbone import fit_temperatures

_PENALTIES = (-5, 1, 13)  # powers of ten, from and to, and how many
_DECISIVE = 10.0  # how much a difference of the losses decides about the weights of sets
_FIRST = (0.0, 0.1, 0.25, 0.5, 1.0)  # weights of the first of three sets that are tried,
_SECOND = (0.0, 0.25, 0.5, 0.75, 1.0)  # and those of the second in what remains
_MOST_COMPARED = 500  # series on which the weights of sets are compared


class Dual(NamedTuple):
    """A ridge regression on n samples, in terms of these: coefficients (n, K), the intercept (K,), and the predictions
    (n, K) for each sample when left out, all float64."""

    coefficients: torch.Tensor
    intercept: torch.Tensor
    left_out: torch.Tensor


def leave_one_out(x: torch.Tensor, labels: torch.Tensor, K: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ridge regression of classes, coded +1 and -1, on standardised features, for more features than samples.

    Args:
        x: Features (n, F).
        labels: Classes (n,), 0 … K-1.
        K: Number of classes.

    Returns:
        Weights (F, K), the intercept (K,), and the predictions (n, K) for each sample when left out, all float64.
    """
    x = x.double()
    center = x.mean(0)
    x = x - center
    dual = ridge(x @ x.T / x.shape[1], coded(labels, K))
    solution = x.T @ dual.coefficients / x.shape[1]
    return solution, dual.intercept - center @ solution, dual.left_out


def coded(labels: torch.Tensor, K: int) -> torch.Tensor:
    """Classes (n,) as targets (n, K) of a regression: +1 for the class of a sample, -1 for the others."""
    return 2.0 * F.one_hot(labels, K).double() - 1


def ridge(gram: torch.Tensor, targets: torch.Tensor) -> Dual:
    """Ridge regression of targets (n, K) on n samples with these inner products (n, n) of their centred features.

    The penalty is the one with the least error on samples left out one at a time. One decomposition gives the errors of
    all left-out samples (Golub, Heath and Wahba, "Generalized Cross-Validation", 1979, section 1).
    """
    mean = targets.mean(0)
    values, vectors = torch.linalg.eigh(gram)
    values, spun = values.clamp(min=0), vectors.T @ (targets - mean)
    best: tuple[torch.Tensor, Dual] | None = None
    for penalty in torch.logspace(*_PENALTIES, dtype=torch.float64, device=gram.device):
        dual = vectors @ (spun / (values + penalty)[:, None])
        # the intercept is not penalised: its direction is taken out of the inverse
        diagonal = vectors.square() @ (1 / (values + penalty)) - 1 / (len(gram) * penalty)
        error = dual / diagonal.clamp(min=1e-12)[:, None]
        loss = error.square().sum()
        if best is None or loss < best[0]:
            best = loss, Dual(dual, mean, targets - error)
    assert best is not None  # the list of penalties is not empty
    return best[1]


Judge = Callable[[torch.Tensor, torch.Tensor], tuple[float, torch.Tensor]]


def of_classes(left_out: torch.Tensor, targets: torch.Tensor) -> tuple[float, torch.Tensor]:
    """The temperature of scores (n, K) of classes, and their cross-entropy."""
    labels = targets.argmax(dim=1)
    temperature = temperature_of(left_out, labels)
    return temperature, F.cross_entropy(left_out / temperature, labels)


def of_numbers(left_out: torch.Tensor, targets: torch.Tensor) -> tuple[float, torch.Tensor]:
    """1, and the negative log-likelihood of numbers (n, K), but for a constant, if errors are normal."""
    return 1.0, 0.5 * (left_out - targets).square().mean().clamp(min=1e-12).log()


class Averaged(NamedTuple):
    """Scores that are linear in several sets of features, as mean of many ridge regressions.

    Attributes:
        weights: Of each set (F_i, K).
        intercept: (K,).
        left_out: Scores (n, K) of each sample when left out.
        shares: How much each set counts, summing to 1.
    """

    weights: list[torch.Tensor]
    intercept: torch.Tensor
    left_out: torch.Tensor
    shares: list[float]


def average_of_ridges(sets: Sequence[torch.Tensor], targets: torch.Tensor, judge: Judge) -> Averaged:
    """Mean of ridge regressions that weigh the sets of features differently.

    A weighting of the sets is judged by the loss of its scores of left-out samples, and counts with the
    softmax of -10 times it: only where it is worse by .1 does it count e times less, so that no set is left out by
    chance. This is a mean over models as in Hoeting et al., "Bayesian Model Averaging", Statistical Science 1999, with
    a fixed weight of the evidence. With more than 500 samples, the weightings are judged on 500 of them, and their
    mean is used.

    Args:
        sets: Features (n, F_i), standardised.
        targets: (n, K), float64.
        judge: Tells the temperature and the loss of scores of left-out samples.
    """
    sets = [x.double() for x in sets]
    weightings = weightings_of(len(sets))
    if len(targets) > _MOST_COMPARED and len(weightings) > 1:
        chosen = torch.linspace(0, len(targets) - 1, _MOST_COMPARED, device=targets.device).round().long()
        compared = average_of_ridges([x[chosen] for x in sets], targets[chosen], judge)
        weightings = [tuple(compared.shares)]
    centers = [x.mean(0) for x in sets]
    sets = [x - center for x, center in zip(sets, centers, strict=True)]
    grams = [x @ x.T / x.shape[1] for x in sets]
    found, losses = [], []
    for weighting in weightings:
        gram = torch.stack([w * g for w, g in zip(weighting, grams, strict=True)]).sum(0)
        dual = ridge(gram, targets)
        temperature, loss = judge(dual.left_out, targets)
        found.append(Dual(*(part / temperature for part in dual)))
        losses.append(loss)
    counts = torch.softmax(-_DECISIVE * torch.stack(losses), dim=0)
    table = counts[:, None] * torch.tensor(weightings, dtype=torch.float64, device=counts.device)  # (W, sets)
    weights = [
        x.T @ sum(part * dual.coefficients for part, dual in zip(column, found, strict=True)) / x.shape[1]
        for x, column in zip(sets, table.T, strict=True)
    ]
    intercept = sum(c * dual.intercept for c, dual in zip(counts, found, strict=True))
    left_out = sum(c * dual.left_out for c, dual in zip(counts, found, strict=True))
    for center, weight in zip(centers, weights, strict=True):
        intercept = intercept - center @ weight
    return Averaged(weights, intercept, left_out, table.sum(0).tolist())


def weightings_of(sets: int) -> list[tuple[float, ...]]:
    """Weights of one or of three sets of features that are tried, each summing to 1."""
    if sets == 1:
        return [(1.0,)]
    pairs = [(first, (1 - first) * second, (1 - first) * (1 - second)) for first, second in product(_FIRST, _SECOND)]
    return list(dict.fromkeys(pairs))


def temperature_of(left_out: torch.Tensor, labels: torch.Tensor) -> float:
    """The temperature of scores, from those (n, K) of left-out samples. One more sample, of any class, is assumed:
    classes that n samples separate are not certain (Platt, "Probabilistic Outputs for Support Vector Machines", 1999,
    section 2.2)."""
    (temperature,) = fit_temperatures([left_out], labels, label_smoothing=1 / (len(left_out) + 1))
    return temperature
