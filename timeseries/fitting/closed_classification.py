"""Fitting a classifier with a pretrained encoder: everything in closed form."""

from collections.abc import Callable, Sequence

import torch

from ..data.windows import pad_together
from ..networks.closed_net import ClosedNet
from .classification import Fitted
from .committee import Stage, Unseen
from .training import History, seeded


def fit_closed(
    build: Callable[[], ClosedNet],
    data: Sequence[torch.Tensor],
    labels: torch.Tensor,
    class_weights: torch.Tensor,
    *,
    seed: int,
    device: torch.device,
    stages: Sequence[Stage] = (),
) -> Fitted:
    """A fitted network, on the CPU. All series are learned from, and the stages of a committee score each of them as if
    it had been left out.

    Args:
        build: Builds a network.
        data: Series (C, T_i), NaN where nothing was observed.
        labels: Their classes (n,), 0 … K-1.
        class_weights: Weight of each class (K,).
        seed: Seed of everything random.
        device: Where to fit.
        stages: Stages of a committee (see ``stages_of``).
    """
    with seeded(seed) as generator:
        network = build().to(device)
        told = network.fit(pad_together(data, device), labels.to(device), class_weights.to(device), generator)
    unseen = Unseen(torch.arange(len(labels)), [told[stage].cpu() for stage in stages])
    return Fitted(network.cpu().eval(), History(), unseen)
