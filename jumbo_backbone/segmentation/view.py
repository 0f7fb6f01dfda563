"""A photo as the encoder of a segmentor sees it: attention, kept patches and features, on the grid of its patches."""

from dataclasses import dataclass

import numpy as np
import torch
from mmseg.models import BaseSegmentor
from torch import nn

from ..budgets.budget import ComputeBudget
from ..models.vit import JumboViT
from .prediction import Photo


@dataclass
class View:
    """A photo, and the encoder that reads it at once.

    Attributes:
        encoder: The encoder.
        inputs: What it reads (1, C, h, w), with padding on the right and below.
        picture: uint8 (H, W, 3), the photo with the same padding, so that the grid of patches covers it evenly.
        size: Height and width of the photo, without padding.
    """

    encoder: JumboViT
    inputs: torch.Tensor
    picture: np.ndarray
    size: tuple[int, int]

    @classmethod
    def of(cls, model: BaseSegmentor, photo: Photo) -> "View":
        """
        Raises:
            TypeError: If the segmentor has no Jumbo encoder of its own.
            ValueError: If it reads photos by windows.
        """
        encoder = encoder_of(model)
        if (model.test_cfg or {}).get("mode") == "slide":
            raise ValueError(
                "this model reads photos by overlapping windows, each with patches of its own: its patches are drawn "
                "only with test_cfg.mode='whole'"
            )
        data = model.data_preprocessor(
            dict(inputs=[photo.prepared["inputs"]], data_samples=[photo.prepared["data_samples"]])
        )
        (h, w), inputs = data["data_samples"][0].img_shape, data["inputs"]
        H, W = photo.image.shape[:2]
        below, right = (round(side * p / s) - side for side, p, s in zip((H, W), inputs.shape[2:], (h, w), strict=True))
        picture = np.pad(photo.image, ((0, below), (0, right), (0, 0)), mode="edge")
        return cls(encoder, inputs, picture, (H, W))

    def patches(self, budget: ComputeBudget | None = None) -> int:
        """Number of patches at a budget's resolution (None: the full budget)."""
        embed = self.encoder.patch_embed
        H, W = (budget or ComputeBudget()).input_size(tuple(self.inputs.shape[2:]), embed.patch_size)
        h, w = embed.dynamic_feat_size((H, W))
        return h * w

    def attention(self, block: int = -1) -> np.ndarray:
        """Attention (h, w) that the Jumbo token pays each patch; see ``JumboViT.attention_map``."""
        return self.encoder.attention_map(self.inputs, block)[0].float().cpu().numpy()

    def kept(self, budget: ComputeBudget) -> np.ndarray:
        """Number of blocks (h, w) that each patch goes through; see ``JumboViT.kept_map``."""
        return self.encoder.kept_map(self.inputs, budget)[0].cpu().numpy()

    @torch.inference_mode()
    def features(self, block: int = -1) -> np.ndarray:
        """Features (D, h, w) of the patches after a block, with the final norm.

        Raises:
            ValueError: If there is no such block.
        """
        (maps,) = self.encoder.forward_intermediates(
            self.inputs, [block], norm=True, stop_early=True, intermediates_only=True, budget=ComputeBudget()
        )
        return maps[0].float().cpu().numpy()

    def without_padding(self, drawn: np.ndarray) -> np.ndarray:
        """The part of a drawing (H, W, 3) of ``picture`` that shows the photo."""
        return drawn[: self.size[0], : self.size[1]]


def encoder_of(model: nn.Module) -> JumboViT:
    """The Jumbo encoder of a segmentor.

    Raises:
        TypeError: If it has none, as a cascade, whose members have theirs, and a ViT of timm.
    """
    encoder = getattr(getattr(model, "backbone", None), "vit", None)
    if not isinstance(encoder, JumboViT):
        raise TypeError(
            f"a {type(model).__name__} has no Jumbo encoder of its own: choose a segmentor with a JumboViTBackbone"
        )
    return encoder
