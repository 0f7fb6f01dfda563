"""Fine-tuning an encoder to tell classes of pictures, as mmengine's runner takes it."""

from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmengine.model import BaseModel
from mmseg.registry import METRICS, MODELS
from timm.data import Mixup
from timm.loss import SoftTargetCrossEntropy

from ...models.checkpoint import load_checkpoint
from ..models.backbone import split_pretrained
from .model import encoder_of


@MODELS.register_module()
class ImageClassifier(BaseModel):
    """A ``JumboViT`` with its head, trained on labelled pictures.

    Args:
        encoder: As in ``MaskedImageModel``.
        num_classes: Classes K.
        data_preprocessor: mmengine's.
        init_cfg: mmengine's; ``dict(type="Pretrained", checkpoint=…)`` takes what ``load_checkpoint`` takes,
            ``dict(type="FromScratch")`` is training without it.
        label_smoothing: The share of each label that goes to all classes.
        mixup, cutmix: The parameters of the Beta distributions from which timm's ``Mixup`` draws how much of another
            picture is mixed in; 0 for none. Of both, one is drawn for each batch.

    Raises:
        ValueError: If a number is out of range, or a batch is odd where pictures are mixed.
    """

    def __init__(
        self,
        encoder: dict[str, Any],
        num_classes: int,
        data_preprocessor: dict[str, Any] | None = None,
        init_cfg: dict | list[dict] | None = None,
        label_smoothing: float = 0.1,
        mixup: float = 0.0,
        cutmix: float = 0.0,
    ) -> None:
        if num_classes < 2 or not 0 <= label_smoothing < 1 or min(mixup, cutmix) < 0:
            raise ValueError(
                f"num_classes={num_classes}, label_smoothing={label_smoothing}, mixup={mixup}, cutmix={cutmix}: give 2 "
                "classes or more, a smoothing from 0 to below 1, and mixup and cutmix from 0"
            )
        self.checkpoint, others = split_pretrained(init_cfg)
        super().__init__(data_preprocessor, others)
        self.backbone = encoder_of(encoder, num_classes=num_classes)
        self.smoothing, self.mixing = label_smoothing, bool(mixup or cutmix)
        self.mix = Mixup(mixup, cutmix, label_smoothing=label_smoothing, num_classes=num_classes)

    def init_weights(self) -> None:
        """mmengine's hook: other initialisers first, then the checkpoint, strictly."""
        super().init_weights()
        if self.checkpoint is not None:
            print_log(f"encoder from {self.checkpoint}: {load_checkpoint(self.backbone, self.checkpoint)}", "current")

    def forward(  # mmengine's signature, by the names in its batches
        self,
        inputs: torch.Tensor,
        data_samples: None = None,
        index: torch.Tensor | None = None,
        label: torch.Tensor | None = None,
        mode: str = "tensor",
    ) -> Any:
        """Images (B, C, H, W) to logits (B, K), to the loss, or ("predict") to how the right class of each ranks."""
        if mode == "loss":
            assert label is not None
            return dict(loss=self._loss(inputs, label))
        logits = self.backbone(inputs)
        if mode == "predict":
            assert label is not None
            ranks = (logits > logits.gather(1, label.unsqueeze(1))).sum(dim=1)
            return [dict(rank=rank) for rank in ranks.tolist()]
        return logits

    def _loss(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if not self.mixing:
            return torch.nn.functional.cross_entropy(self.backbone(images), labels, label_smoothing=self.smoothing)
        if len(images) % 2:
            raise ValueError(f"a batch of {len(images)} pictures cannot be mixed in pairs: give an even batch_size")
        # timm draws from numpy's generator, of which a resumed run knows nothing; torch's is seeded in each iteration
        np.random.seed(int(torch.randint(2**31, ())))  # noqa: NPY002
        images, shares = self.mix(images, labels)
        return SoftTargetCrossEntropy()(self.backbone(images), shares)


@METRICS.register_module()
class TopAccuracy(BaseMetric):
    """Per cent of pictures whose class is the likeliest (``top1``), and among the five likeliest (``top5``)."""

    def process(self, data_batch: Any, data_samples: list[dict[str, int]]) -> None:
        self.results += [sample["rank"] for sample in data_samples]

    def compute_metrics(self, results: list[int]) -> dict[str, float]:
        return {f"top{k}": 100 * sum(rank < k for rank in results) / len(results) for k in (1, 5)}
