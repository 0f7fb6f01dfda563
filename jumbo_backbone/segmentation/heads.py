"""mmsegmentation's decode heads with a loss that is computed where it is needed.

The stock loss resizes the logits of all classes to full resolution: at 512x512 and 150 classes that is 157 MB per image
in float32, several times over with the gradients, and again for the auxiliary head. It costs more than the backbone.
Here each step takes one pixel out of every ``loss_stride`` x ``loss_stride`` cell, at an offset drawn anew, and resizes
to those pixels alone: the same full-resolution loss on a regular sample of pixels, its expectation unchanged.
"""

import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.models.decode_heads import FCNHead, UPerHead
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from mmseg.utils import SampleList


class LatticeLoss:
    """Mixin for a ``BaseDecodeHead``: the loss on a lattice of pixels instead of all of them.

    Args:
        loss_stride: Distance of the lattice's pixels; 1 is mmsegmentation's own loss on every pixel.
    """

    def __init__(self, *args, loss_stride: int = 4, **kwargs) -> None:
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
            batch_data_samples = [
                SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels[:, :, top::stride, left::stride]
            ]
        return super().loss_by_feat(seg_logits, batch_data_samples)


def resize_to_lattice(
    x: torch.Tensor, size: tuple[int, int], offset: tuple[int, int], stride: int, align_corners: bool
) -> torch.Tensor:
    """``interpolate(x, size, mode="bilinear")[:, :, top::stride, left::stride]`` without computing the rest.

    Args:
        x: Maps (B, K, h, w).
        size: Full size (H, W).
        offset: (top, left), the first pixel taken.
        stride: Distance of the pixels taken.
        align_corners: As for ``interpolate``.

    Returns:
        (B, K, ceil((H - top) / stride), ceil((W - left) / stride)).
    """

    def resizing(short: int, full: int, first: int) -> torch.Tensor:
        # The resize is linear and separable; what it makes of the unit vectors is its matrix along one side.
        basis = torch.eye(short, dtype=x.dtype, device=x.device).unsqueeze(0)
        return F.interpolate(basis, full, mode="linear", align_corners=align_corners)[0, :, first::stride]

    rows = resizing(x.shape[2], size[0], offset[0])
    columns = resizing(x.shape[3], size[1], offset[1])
    return rows.T @ (x @ columns)


@MODELS.register_module()
class LatticeUPerHead(LatticeLoss, UPerHead):
    """``UPerHead`` with ``LatticeLoss``."""


@MODELS.register_module()
class LatticeFCNHead(LatticeLoss, FCNHead):
    """``FCNHead`` with ``LatticeLoss``; with ``num_convs=0, concat_input=False`` a linear classifier of features."""
