"""mmsegmentation's ``EncoderDecoder`` with batched sliding windows, and its export."""

import torch
from mmseg.models import EncoderDecoder
from mmseg.registry import MODELS
from torch import nn

from .slide import slide_inference


@MODELS.register_module()
class JumboSegmentor(EncoderDecoder):
    """``EncoderDecoder``, whose slide inference takes ``test_cfg.max_batch`` windows at once (8 unless told).

    ``test_cfg = dict(mode="slide", crop_size=(512, 512), stride=(341, 341), max_batch=8)`` gives the result of
    mmsegmentation's one-by-one windows, for any number of images.
    """

    def slide_inference(self, inputs: torch.Tensor, batch_img_metas: list[dict]) -> torch.Tensor:
        """Images (B, C, H, W) to logits (B, K, H, W)."""

        def predict(windows: torch.Tensor) -> torch.Tensor:
            return self.encode_decode(windows, [dict(img_shape=windows.shape[2:])])

        cfg = self.test_cfg
        return slide_inference(predict, inputs, self.out_channels, cfg.crop_size, cfg.stride, cfg.get("max_batch", 8))


class ExportedSegmentor(nn.Module):
    """A segmentor as one function of tensors, for export: RGB images (B, 3, H, W) with values 0 … 255, normalised
    within, to logits (B, K, H, W). H and W are multiples of the patch; the image is taken whole."""

    def __init__(self, segmentor: EncoderDecoder) -> None:
        super().__init__()
        self.segmentor = segmentor
        self.eval()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        preprocessor = self.segmentor.data_preprocessor
        normalised = (images - preprocessor.mean) / preprocessor.std
        return self.segmentor.encode_decode(normalised, [dict(img_shape=images.shape[2:])])
