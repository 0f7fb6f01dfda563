"""Two classes in one output channel: foreground where its sigmoid is above the head's threshold."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

import torch
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from mmseg.utils import SampleList
from torch import nn

if TYPE_CHECKING:
    from mmseg.models.decode_heads.decode_head import BaseDecodeHead


def one_channel_losses(
    head: "BaseDecodeHead",
    losses_of: Callable[[torch.Tensor, SampleList], dict[str, torch.Tensor]],
    logits: torch.Tensor,
    samples: SampleList,
) -> dict[str, torch.Tensor]:
    """A head's own losses of logits (B, 1, h, w), with two faults of mmsegmentation's corrected: for one channel its
    accuracy is the share of background, and it fails where every pixel is ignored."""
    labels = torch.stack([sample.gt_sem_seg.data for sample in samples])
    known = labels != head.ignore_index
    if known.any():
        losses = losses_of(logits, samples)
    else:
        decoders = head.loss_decode if isinstance(head.loss_decode, nn.ModuleList) else [head.loss_decode]
        losses = {cast(Any, loss).loss_name: 0 * logits.sum() for loss in decoders}
    enlarged = resize(logits.detach(), labels.shape[2:], mode="bilinear", align_corners=head.align_corners)
    right = ((enlarged.sigmoid() > head.threshold) == (labels == 1)) & known
    losses["acc_seg"] = 100 * right.sum().reshape(1) / known.sum().clamp(min=1)
    return losses


def require_learnable(segmentor: nn.Module) -> None:
    """Raise a ValueError if a head of a segmentor has one channel and a loss that learns nothing from one channel."""
    for name in ("decode_head", "auxiliary_head"):
        head = getattr(segmentor, name, None)
        heads: list[Any] = list(head) if isinstance(head, nn.ModuleList) else [head]
        for i, one in enumerate(heads):
            if getattr(one, "out_channels", None) == 1:
                place = f"{name}[{i}]" if isinstance(head, nn.ModuleList) else name
                _require(one.loss_decode, f"model.{place}")


def require_learnable_config(model: Mapping) -> None:
    """The same check for the heads of a model's config, for segmentors that do not check themselves.

    Raises:
        ValueError: Also if a head has one class, since there is no other class to tell it from.
    """
    for name in ("decode_head", "auxiliary_head"):
        heads = model.get(name) or ()
        for i, head in enumerate((heads,) if isinstance(heads, Mapping) else heads):
            place = f"model.{name}" if isinstance(heads, Mapping) else f"model.{name}[{i}]"
            if head.get("num_classes") == 1:
                raise ValueError(
                    f"{place}.num_classes is 1, and one class is told from nothing: name the background as a class of "
                    "its own, with num_classes=2; out_channels=1 with use_sigmoid=True in the loss then is one channel "
                    "for both"
                )
            if head.get("out_channels") == 1:
                losses = head.get("loss_decode") or dict(type="CrossEntropyLoss", use_sigmoid=False)
                losses = [losses] if isinstance(losses, Mapping) else losses
                _require([MODELS.build(loss) for loss in losses], place)


def _require(losses: nn.Module | list[nn.Module], place: str) -> None:
    """Test losses on one channel: the gradient of each has to raise it where there is foreground, and to lower it
    elsewhere."""
    for loss in list(losses) if isinstance(losses, (nn.ModuleList, list)) else [losses]:
        told = f"{place} has one channel, from which {type(loss).__name__}"
        try:
            with torch.inference_mode(False), torch.enable_grad():  # whoever builds a model may want none
                labels = torch.tensor([[[0, 1], [1, 1]]])
                logits = torch.tensor([[[[0.5, -1.0], [0.3, 0.1]]]], requires_grad=True)
                (gradient,) = torch.autograd.grad(loss(logits, labels, ignore_index=255).sum(), logits)
        except Exception as error:  # losses for several channels assert, index or divide in their own ways
            raise ValueError(f"{told} cannot be computed ({error}): {WAY_OUT}") from None
        background, foreground = gradient[0, 0, 0, 0], gradient[0, 0].flatten()[1:]
        if not gradient.any():
            raise ValueError(f"{told} learns nothing, a softmax over one channel being always 1: {WAY_OUT}")
        if background < 0 or foreground.max() > 0:
            raise ValueError(f"{told} learns background for foreground: {WAY_OUT}")


WAY_OUT = (
    "take dict(type='CrossEntropyLoss', use_sigmoid=True), or leave out_channels out for a channel for each of the two "
    "classes"
)
