"""FLOPs of a segmentor, without computing anything."""

import copy
from collections.abc import Callable

import torch
from torch import nn

from ..budgets.budget import ComputeBudget
from ..budgets.flops import count_flops
from .models.segmentors import named


class FlopCounter:
    """Counts FLOPs on a copy of a segmentor that holds shapes and no numbers, which takes a fraction of a second.

    Args:
        model: A ``JumboSegmentor``, or a member of a cascade; it is not changed.
    """

    def __init__(self, model: nn.Module) -> None:
        self._shapes = copy.deepcopy(model).to("meta")

    @torch.inference_mode()
    def __call__(self, shape: tuple[int, ...], budget: ComputeBudget | None = None) -> int:
        """FLOPs, two per multiply-add, of images of this shape (B, C, H, W) at a budget (None: the model's own)."""
        images = torch.zeros(shape, device="meta")
        inference: Callable | None = getattr(self._shapes, "inference", None)
        if inference is None:  # a member
            return count_flops(self._shapes, images, **named(budget=budget))
        metas = [dict(img_shape=shape[2:], ori_shape=shape[2:]) for _ in range(shape[0])]
        return count_flops(inference, images, metas, **named(budget=budget))
