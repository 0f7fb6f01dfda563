"""SAR: sharpness-aware and reliable entropy minimisation (Niu et al., "Towards stable test-time adaptation in dynamic
wild world", ICLR 2023)."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from .adapter import Adapter

MARGIN, RHO, KEPT = 0.4, 0.05, 0.9
RECOVERY = 0.2 / math.log(1000)  # the paper's 0.2 is for 1000 classes


class SAR(Adapter):
    """Adapts a model by minimising the entropy of the answers that it is sure of, in a flat region of the weights
    (algorithm 1).

    Args:
        model: See ``Adapter``.
        margin: Images count whose entropy is below this share of the highest, ln C (equation 2: 0.4).
        rho: Length of the step up the gradient, at whose end the gradient of the step down is taken (equation 4).
        recovery: When the moving average of the loss falls below this share of ln C, the model has collapsed, and goes
            back to the start (section 4: 0.2 of 1000 classes).
        options: ``lr``, ``momentum``, ``episodic``, ``share`` and ``loss_stride`` of ``Adapter``.

    Attributes:
        average: The moving average of the loss; None before the first.
        recoveries: How often it went back to the start by itself.
        learned: Images that counted.

    Raises:
        ValueError: Also if a threshold is out of range.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        margin: float = MARGIN,
        rho: float = RHO,
        recovery: float = RECOVERY,
        **options: Any,
    ) -> None:
        if not (0 < margin <= 1 and rho > 0 and 0 <= recovery < margin):
            raise ValueError(
                f"margin={margin}, rho={rho}, recovery={recovery}: give a margin above 0 and up to 1 and a recovery "
                "from 0 to below the margin, both in shares of ln C, and a rho above 0"
            )
        super().__init__(model, **options)
        self.margin, self.rho, self.recovery = margin, rho, recovery
        self.average: float | None = None
        self.recoveries = self.learned = 0

    def learn(
        self,
        images: torch.Tensor,
        entropies: torch.Tensor,
        classes: int,
        valid: torch.Tensor | None = None,
        **call: Any,
    ) -> None:
        highest = math.log(classes)
        counts = entropies < self.margin * highest
        if not counts.any():
            return
        with self._uphill(entropies[counts].mean()):
            # the answers to the other images are not needed
            valid = None if valid is None else valid[counts]
            entropies = self.entropies(self.model(images[counts], **call), valid)
            counts = entropies < self.margin * highest
            if not counts.any():
                return
            loss = entropies[counts].mean()
            loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.learned += len(counts.nonzero())
        value = loss.item()
        self.average = value if self.average is None else KEPT * self.average + (1 - KEPT) * value
        if self.average < self.recovery * highest:
            self.recoveries += 1
            self.reset()

    @contextmanager
    def _uphill(self, loss: torch.Tensor) -> Iterator[None]:
        """Within this, the weights are ``rho`` up the gradient of a loss (Foret et al., "Sharpness-aware minimization",
        ICLR 2021, equation 2); afterwards they are as before, bit by bit."""
        loss.backward()
        gradients = {name: p.grad for name, p in self.adapted.items() if p.grad is not None}
        before = {name: self.adapted[name].detach().clone() for name in gradients}
        norm = torch.stack([gradient.norm() for gradient in gradients.values()]).norm()
        with torch.no_grad():
            for name, gradient in gradients.items():
                self.adapted[name].add_(self.rho / (norm + 1e-12) * gradient)
        self.optimizer.zero_grad()
        try:
            yield
        finally:
            with torch.no_grad():
                for name, weight in before.items():
                    self.adapted[name].copy_(weight)

    def reset(self) -> None:
        super().reset()
        self.average = None

    def _counts(self) -> Sequence[str]:
        return (*super()._counts(), "average", "recoveries", "learned")
