"""The masked autoencoder as mmengine's runner takes it."""

from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmseg.registry import METRICS, MODELS

from ...models.vit import JumboViT
from ...pretraining import MaskedAutoencoder
from ..models.backbone import sizes_of


def encoder_of(encoder: dict[str, Any], **defaults: Any) -> JumboViT:
    """The ``JumboViT`` of a config: its arguments, and ``arch``, a preset or a dict of sizes."""
    given = dict(encoder)
    return JumboViT(**{**sizes_of(given.pop("arch", "small")), **defaults, **given})


@MODELS.register_module()
class MaskedImageModel(MaskedAutoencoder, BaseModel):
    """``MaskedAutoencoder`` for mmengine's runner.

    Args:
        encoder: Arguments of ``JumboViT``: img_size, patch_size, in_chans, drop_path_rate, …, and ``arch``, a preset or
            a dict of sizes as in ``JumboViTBackbone``.
        data_preprocessor: mmengine's, such as ``dict(type="ImgDataPreprocessor", mean=…, std=…)``.
        init_cfg: mmengine's, such as ``dict(type="FromScratch")``.
        mask_ratio, decoder_dim, decoder_depth, decoder_heads, norm_pixels: As in ``MaskedAutoencoder``.
    """

    def __init__(
        self,
        encoder: dict[str, Any],
        data_preprocessor: dict[str, Any] | None = None,
        init_cfg: dict | list[dict] | None = None,
        mask_ratio: float = 0.75,
        decoder_dim: int = 128,
        decoder_depth: int = 2,
        decoder_heads: int = 4,
        norm_pixels: bool = True,
    ) -> None:
        model = encoder_of(encoder, num_classes=0, global_pool="")
        super().__init__(model, mask_ratio, decoder_dim, decoder_depth, decoder_heads, norm_pixels)
        self.init_cfg = init_cfg
        if data_preprocessor is not None:
            self.data_preprocessor = MODELS.build(data_preprocessor)

    def forward(  # type: ignore[override]  # mmengine's signature, by the names in its batches
        self, inputs: torch.Tensor, data_samples: None = None, index: torch.Tensor | None = None, mode: str = "tensor"
    ) -> Any:
        """Images (B, C, H, W) to their tokens, to the loss, or ("predict") to the loss of each image. Its mask is then
        always the same, whatever its batch."""
        if mode == "loss":
            return dict(loss=self.loss(inputs))
        if mode == "predict":
            assert index is not None
            losses = self.losses(inputs, [torch.Generator().manual_seed(int(i)) for i in index])
            return [dict(loss=loss) for loss in losses.tolist()]
        return self.backbone.forward_features(inputs)


@METRICS.register_module()
class HeldOutLoss(BaseMetric):
    """The mean of the images' losses, as ``held_out_loss``."""

    def process(self, data_batch: Any, data_samples: list[dict[str, float]]) -> None:
        self.results += [sample["loss"] for sample in data_samples]

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        return dict(held_out_loss=sum(results) / len(results))
