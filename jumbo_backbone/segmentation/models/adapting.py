"""A segmentor that adapts to the images it answers (see ``jumbo_backbone.adaptation``)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from mmseg.models import BaseSegmentor
from torch import nn

from ...adaptation import METHODS, Adapter
from ..changed import changed
from .cascade import valid_pixels
from .slide import slide_as_told


class AdaptingInference:
    """What takes the place of a segmentor's ``inference``: the same answers, whole or by windows, and a step of
    adaptation for each batch of images or windows. Padding does not count.

    Args:
        segmentor: mmsegmentation's ``EncoderDecoder``, or one derived from it.
        method: "tent" or "sar".
        episodic: Each image starts from the trained weights: it goes through the network once to adapt, and once more
            for its answer.
        options: Of ``Tent`` or ``SAR``.

    Attributes:
        adapter: The ``Tent`` or ``SAR``.

    Raises:
        ValueError: If the segmentor has one channel, or nothing to adapt, or an option is unknown or out of range.
        TypeError: If it does not compute its answer in one piece, as a cascade.
    """

    def __init__(self, segmentor: BaseSegmentor, method: str, episodic: bool = False, **options: Any) -> None:
        if not hasattr(segmentor, "decode_head"):
            raise TypeError(
                f"a {type(segmentor).__name__} cannot adapt: it has no decode head whose answer's entropy could be "
                "lowered; adapt a segmentor of one backbone and one decode head"
            )
        if segmentor.out_channels < 2:
            raise ValueError(
                "a segmentor of one channel cannot adapt: entropy is that of a softmax over classes; train it with two "
                "channels (num_classes=2, out_channels=2)"
            )
        self.adapter: Adapter = adapter_of(_EncodeDecode(segmentor), method, options)
        self.segmentor, self.episodic = segmentor, episodic

    def inference(self, inputs: torch.Tensor, batch_img_metas: list[dict]) -> torch.Tensor:
        """Images (B, C, H, W) to logits (B, K, H, W)."""
        valid = valid_pixels(inputs, batch_img_metas)
        if valid is None:
            valid = torch.ones_like(inputs[:, 0], dtype=torch.bool)
        if not self.episodic:
            return self._answer(self.adapter, inputs, valid)
        pairs = zip(inputs.split(1), valid.split(1), strict=True)
        return torch.cat([self._episode(image, pixels) for image, pixels in pairs])

    def _episode(self, image: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        self.adapter.reset()
        self._answer(self.adapter, image, valid)
        with torch.no_grad():
            return self._answer(lambda x, valid: self.adapter.model(x), image, valid)

    def _answer(self, model: Callable[..., torch.Tensor], inputs: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Logits (B, K, H, W), whole or by windows."""
        if self.segmentor.test_cfg.get("mode", "whole") != "slide":
            return model(inputs, valid=valid)

        def predict(windows: torch.Tensor) -> torch.Tensor:
            return model(windows[:, :-1], valid=windows[:, -1] > 0)

        # which pixels are valid is cut into windows as the last channel
        images = torch.cat([inputs, valid.unsqueeze(1).to(inputs)], dim=1)
        return slide_as_told(predict, images, self.segmentor.out_channels, self.segmentor.test_cfg)


class _EncodeDecode(nn.Module):
    """A segmentor as a function of images alone."""

    def __init__(self, segmentor: BaseSegmentor) -> None:
        super().__init__()
        self.segmentor = segmentor

    @property
    def backbone(self) -> nn.Module:
        return self.segmentor.backbone

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) to logits (B, K, H, W)."""
        return self.segmentor.encode_decode(images, [dict(img_shape=images.shape[2:]) for _ in images])


@contextmanager
def adapting(segmentor: BaseSegmentor, method: str, episodic: bool = False, **options: Any) -> Iterator[Adapter]:
    """Within this, a segmentor adapts to what it predicts; afterwards it has its trained weights. Arguments and errors:
    see ``AdaptingInference``."""
    own = AdaptingInference(segmentor, method, episodic, **options)
    with changed(segmentor, "inference", own.inference):
        try:
            yield own.adapter
        finally:
            own.adapter.reset()


def adapter_of(model: nn.Module, method: str, options: Mapping[str, Any]) -> Adapter:
    """A ``Tent`` or ``SAR`` around a model.

    Raises:
        ValueError: If an option is unknown to the method, or out of range.
    """
    try:
        return METHODS[method](model, **options)
    except TypeError as error:
        raise ValueError(f"{method} cannot be made with {dict(options)}: {error}") from error


def told_of(adapter: Adapter) -> dict[str, Any]:
    """What an adapter counted: images that it left out, and of SAR those that it learned from and how often it went
    back to the start."""
    names: Sequence[str] = ("left_out", "learned", "recoveries")
    return {name: getattr(adapter, name) for name in names if hasattr(adapter, name)}
