"""Temperatures: one number for each member that makes its confidence honest (Guo et al., ICML 2017)."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F


def fit_temperatures(scores: Sequence[torch.Tensor], labels: torch.Tensor, label_smoothing: float = 0.0) -> list[float]:
    """The number to divide each member's scores (n, K) by, so that the labels (n,) are as likely as possible (Guo et
    al., 2017, section 4.2). Of dense scores give a sample of pixels.

    Args:
        scores: Of each member.
        labels: Classes.
        label_smoothing: Share of each label that is spread over all classes; 1 / (n+1) counts as one more sample that
            may be of any class, which few samples need that the scores separate.

    Raises:
        ValueError: If there are no samples.
    """
    if not len(labels):
        raise ValueError("no samples: give validation data")
    return [_temperature(s.double(), labels, label_smoothing) for s in scores]


def _temperature(scores: torch.Tensor, labels: torch.Tensor, label_smoothing: float) -> float:
    """Least cross-entropy by golden section on log T: the loss has one minimum in 1/T."""
    golden, low, high = (math.sqrt(5) - 1) / 2, -4.0, 4.0

    def loss(x: float) -> float:
        return float(F.cross_entropy(scores * math.exp(-x), labels, label_smoothing=label_smoothing))

    while high - low > 1e-4:
        left, right = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, right) if loss(left) <= loss(right) else (left, high)
    return math.exp((low + high) / 2)
