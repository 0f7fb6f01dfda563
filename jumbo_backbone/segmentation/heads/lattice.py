"""mmsegmentation's decode heads with a loss that is computed only at the pixels of a lattice.

The stock loss resizes the logits of all classes to full resolution: at 512x512 and 150 classes that is 157 MB per image
in float32, several times over with the gradients, and again for the auxiliary head. It costs more than the backbone.
Here each step takes one pixel out of every ``loss_stride`` x ``loss_stride`` cell, at an offset drawn anew, and resizes
to those pixels alone: the same full-resolution loss on a regular sample of pixels, its expectation unchanged.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.models.decode_heads import FCNHead, UPerHead
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from mmseg.utils import SampleList
from torch import nn

from ..changed import changed
from ..models.one_channel import one_channel_losses
from .resizing import conv_of_resized, resize_to_lattice

if TYPE_CHECKING:
    from mmseg.models.decode_heads.decode_head import BaseDecodeHead as _Head
else:
    _Head = object  # a mixin


class LatticeLoss(_Head):
    """Mixin for a ``BaseDecodeHead``: the loss on a lattice of pixels instead of all of them.

    A sampler or loss that keeps at least ``min_kept`` hard pixels (OHEM) keeps that number times the lattice's share
    of the pixels.

    Args:
        loss_stride: Distance of the lattice's pixels; 1 is mmsegmentation's own loss on every pixel.
    """

    def __init__(self, *args: Any, loss_stride: int = 4, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if loss_stride < 1:
            raise ValueError(f"loss_stride must be at least 1 (every pixel), got {loss_stride}")
        self.loss_stride = loss_stride

    def loss_by_feat(self, seg_logits: torch.Tensor, batch_data_samples: SampleList) -> dict[str, torch.Tensor]:
        """Losses of logits (B, K, h, w), of any stride, against the full-resolution labels of the samples."""
        stride = self.loss_stride
        if stride > 1:
            labels = self._stack_batch_gt(batch_data_samples)  # (B, 1, H, W)
            top, left = torch.randint(stride, (2,)).tolist()
            seg_logits = resize_to_lattice(seg_logits, labels.shape[2:], (top, left), stride, self.align_corners)
            on_lattice = labels[:, :, top::stride, left::stride]
            batch_data_samples = [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in on_lattice]
            with self._keeping(on_lattice.numel() / labels.numel()):
                return self._losses(seg_logits, batch_data_samples)
        return self._losses(seg_logits, batch_data_samples)

    def _losses(self, seg_logits: torch.Tensor, batch_data_samples: SampleList) -> dict[str, torch.Tensor]:
        """mmsegmentation's losses of logits and labels at the same pixels."""
        if self.out_channels == 1:
            return one_channel_losses(self, super().loss_by_feat, seg_logits, batch_data_samples)
        return super().loss_by_feat(seg_logits, batch_data_samples)

    @contextmanager
    def _keeping(self, share: float) -> Iterator[None]:
        """Every sampler or loss that keeps hard pixels keeps this share of their number."""
        losses = self.loss_decode if isinstance(self.loss_decode, nn.ModuleList) else [self.loss_decode]
        miners = {id(part): part for part in (self.sampler, *losses) if hasattr(part, "min_kept")}.values()
        with ExitStack() as stack:
            for miner in miners:
                stack.enter_context(changed(miner, "min_kept", max(1, round(share * miner.min_kept))))
            yield


@MODELS.register_module()
class LatticeUPerHead(LatticeLoss, UPerHead):
    """``UPerHead`` with ``LatticeLoss``, and with its largest convolution done mostly before the resizes.

    More than half of a training step at 512 channels is the 3x3 convolution over four concatenated levels at stride 4,
    three of which were enlarged for it. Here each enlarged level's part is computed from the small map: the same
    function of the same weights, in a fraction of the time and without the concatenation.

    Raises:
        ValueError: For a ``conv_cfg``: other convolutions do not commute with a resize.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.conv_cfg is not None:
            raise ValueError(
                f"LatticeUPerHead takes plain convolutions alone, not conv_cfg={self.conv_cfg}: use UPerHead"
            )

    def _forward_feature(self, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """Maps of the levels, finest first, to features (B, channels, h, w) at the finest (UPerNet, section 3)."""
        inputs = self._transform_inputs(inputs)
        levels = [lateral(x) for lateral, x in zip(self.lateral_convs, inputs, strict=False)]
        levels.append(self.psp_forward(inputs))
        for i in range(len(levels) - 1, 0, -1):
            size = levels[i - 1].shape[2:]
            levels[i - 1] = levels[i - 1] + resize(levels[i], size, mode="bilinear", align_corners=self.align_corners)
        levels[:-1] = [conv(x) for conv, x in zip(self.fpn_convs, levels, strict=False)]

        last = self.fpn_bottleneck
        finest, *coarser = last.conv.weight.split(self.channels, dim=1)
        mixed = F.conv2d(levels[0], finest, last.conv.bias, padding=last.conv.padding)
        for x, weight in zip(levels[1:], coarser, strict=True):
            mixed = mixed + conv_of_resized(x, weight, levels[0].shape[2:], self.align_corners)
        if last.with_norm:
            mixed = last.norm(mixed)
        return last.activate(mixed) if last.with_activation else mixed


@MODELS.register_module()
class LatticeFCNHead(LatticeLoss, FCNHead):
    """``FCNHead`` with ``LatticeLoss``; with ``num_convs=0, concat_input=False`` a linear classifier of features."""
