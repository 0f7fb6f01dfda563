"""Temperatures: one number for each member that makes its confidence honest (Guo et al., ICML 2017)."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F


def fit_temperatures(scores: Sequence[torch.Tensor], labels: torch.Tensor) -> list[float]:
    """The number to divide each member's scores (n, K) by, so that the labels (n,) are as likely as possible (Guo et
    al., 2017, section 4.2). Of dense scores give a sample of pixels.

    Raises:
        ValueError: If there are no samples.
    """
    if not len(labels):
        raise ValueError("no samples: give validation data")
    return [_temperature(s.double(), labels) for s in scores]


def _temperature(scores: torch.Tensor, labels: torch.Tensor, low: float = -4.0, high: float = 4.0) -> float:
    """Least cross-entropy by golden section on log T: the loss has one minimum in 1/T."""
    golden = (math.sqrt(5) - 1) / 2

    def loss(x: float) -> float:
        return float(F.cross_entropy(scores * math.exp(-x), labels))

    while high - low > 1e-4:
        left, right = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, right) if loss(left) <= loss(right) else (left, high)
    return math.exp((low + high) / 2)
