"""mmsegmentation's ``EncoderDecoder`` with batched sliding windows, and its version for many compute budgets."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.logging import MessageHub
from mmengine.structures import PixelData
from mmseg.models import EncoderDecoder
from mmseg.registry import MODELS
from mmseg.utils import SampleList, add_prefix

from ...budgets.budget import ComputeBudget
from ...budgets.elastic import ElasticBudgets, distillation_loss
from ...budgets.has_budget import budget_of_call
from .backbone import require_dial
from .budget_norms import BudgetNorms
from .one_channel import require_learnable
from .slide import slide_as_told

MODES = ("whole", "slide")


@MODELS.register_module()
class JumboSegmentor(EncoderDecoder):
    """``EncoderDecoder`` that takes a compute budget with each call, and slides over ``test_cfg.max_batch`` windows at
    once (8 unless told).

    ``test_cfg = dict(mode="slide", crop_size=(512, 512), stride=(341, 341), max_batch=8)`` gives the result of
    mmsegmentation's one-by-one windows, for any number of images.

    Raises:
        ValueError: If a head has one channel and a loss that learns nothing from it, such as a softmax's.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        require_learnable(self)

    def postprocess_result(self, seg_logits: torch.Tensor, data_samples: SampleList | None = None) -> SampleList:
        """As ``EncoderDecoder``, but with one channel, too, ``seg_logits`` are logits. mmsegmentation leaves their
        sigmoid there, of which ``SegTTAModel`` takes another one: foreground would be everywhere."""
        if seg_logits.size(1) > 1:
            return super().postprocess_result(seg_logits, data_samples)
        # as the second of two channels they come through cut and resized, and nothing else
        results = super().postprocess_result(torch.cat([torch.zeros_like(seg_logits), seg_logits], dim=1), data_samples)
        for sample in results:
            logits = sample.seg_logits.data[1:]
            foreground = (logits.sigmoid() > self.decode_head.threshold).to(logits)
            sample.set_data(dict(seg_logits=PixelData(data=logits), pred_sem_seg=PixelData(data=foreground)))
        return results

    def extract_feat(self, inputs: torch.Tensor, budget: ComputeBudget | None = None) -> Sequence[torch.Tensor]:
        """Images (B, C, H, W) to the maps that the heads read, at a budget (None: the backbone's own)."""
        x = self.backbone(inputs, **named(budget=budget))
        return self.neck(x) if self.with_neck else x

    def encode_decode(
        self, inputs: torch.Tensor, batch_img_metas: list[dict], budget: ComputeBudget | None = None
    ) -> torch.Tensor:
        """Images (B, C, H, W) to logits (B, K, H, W), at a budget (None: the backbone's own)."""
        x = self.extract_feat(inputs, **named(budget=budget))
        return self.decode_head.predict(x, batch_img_metas, self.test_cfg)

    def inference(
        self,
        inputs: torch.Tensor,
        batch_img_metas: list[dict],
        budget: ComputeBudget | None = None,
        test_cfg: Mapping[str, Any] | None = None,
    ) -> torch.Tensor:
        """Images (B, C, H, W) to logits (B, K, H, W), whole or by windows.

        Args:
            inputs: Images.
            batch_img_metas: A dict for each.
            budget: How much to compute; None for the backbone's own.
            test_cfg: Whether to slide, and with which windows; None for the segmentor's own.

        Raises:
            ValueError: If the mode is neither "whole" nor "slide".
        """
        mode = (self.test_cfg if test_cfg is None else test_cfg).get("mode", "whole")
        if mode not in MODES:
            raise ValueError(f"unknown test_cfg.mode {mode!r}: choose one of {', '.join(MODES)}")
        if mode == "slide":
            return self.slide_inference(inputs, batch_img_metas, **named(budget=budget, test_cfg=test_cfg))
        return self.encode_decode(inputs, batch_img_metas, **named(budget=budget))

    def slide_inference(
        self,
        inputs: torch.Tensor,
        batch_img_metas: list[dict],
        budget: ComputeBudget | None = None,
        test_cfg: Mapping[str, Any] | None = None,
    ) -> torch.Tensor:
        """Images (B, C, H, W) to logits (B, K, H, W), the mean over windows; arguments as in ``inference``."""

        def predict(windows: torch.Tensor) -> torch.Tensor:
            return self.encode_decode(windows, [dict(img_shape=windows.shape[2:])], **named(budget=budget))

        return slide_as_told(predict, inputs, self.out_channels, self.test_cfg if test_cfg is None else test_cfg)


@MODELS.register_module()
class ElasticSegmentor(JumboSegmentor):
    """One segmentor for many compute budgets (SuperViT): each step trains at four of them.

    At keep rate 1 the heads learn from the labels, as in ``EncoderDecoder``; at a lower one the decode head's logits
    learn from those of the same resolution at keep rate 1, by their divergence at each pixel of the head's map, or, as
    ``distill_share`` says, from the labels too. The losses add up to their mean over the budgets, or to their sum, by
    their weights. All graphs of a step live until its one backward pass, which takes up to three times the memory of
    plain training (``with_cp`` of the backbone brings it down). Batch norms have statistics of their own for each
    budget (see ``BudgetNorms``).

    Args:
        elastic: Arguments of ``ElasticBudgets``; with ``preset="supervit"`` those of ``ElasticBudgets.supervit()``, of
            which the others are changes.
        kwargs: Of ``JumboSegmentor``.

    Raises:
        ValueError: If the budgets are out of range or do not fit the depth.
        TypeError: If the backbone has no compute budget.
    """

    def __init__(self, *args: Any, elastic: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.elastic = _elastic(**elastic or {})
        require_dial(self.backbone, type(self).__name__)
        for budget in self.elastic.grid():
            budget.reducing_blocks(self.backbone.depth)  # raises if there are no such blocks
        self.norms = BudgetNorms(self, self.elastic.grid())

    def loss(self, inputs: torch.Tensor, data_samples: SampleList) -> dict[str, torch.Tensor]:
        """Images (B, C, H, W) and samples with labels to named losses, to be summed."""
        now = MessageHub.get_current_instance().runtime_info
        step, steps = now.get("iter", 0), now.get("max_iters", 0)
        pairs = self.elastic.draw(step, step / steps if steps else 1.0)
        losses = {}
        for prefix, (full, reduced, weight, share) in zip(("full", "small"), pairs, strict=False):
            with self.norms.learning(self, full):
                x = self.extract_feat(inputs, full)
                logits = self.decode_head(x)
                found = add_prefix(self.decode_head.loss_by_feat(logits, data_samples), "decode")
                if self.with_auxiliary_head:
                    found.update(self._auxiliary_head_forward_train(x, data_samples))
            if reduced is not None:
                with self.norms.learning(self, reduced):
                    student = self.decode_head(self.extract_feat(inputs, reduced))
                if share > 0:
                    found["loss_distill"] = share * distillation_loss(student, logits)
                if share < 1:
                    learned = self.decode_head.loss_by_feat(student, data_samples)
                    learned = {name: (1 - share) * x if "loss" in name else x for name, x in learned.items()}
                    found.update(add_prefix(learned, "reduced"))
            weighted = {name: x * weight if "loss" in name else x for name, x in found.items()}
            losses.update(add_prefix(weighted, prefix))
        return losses

    def encode_decode(
        self, inputs: torch.Tensor, batch_img_metas: list[dict], budget: ComputeBudget | None = None
    ) -> torch.Tensor:
        """Images (B, C, H, W) to logits (B, K, H, W), at a budget (None: the backbone's own)."""
        budget = budget_of_call(self.backbone, budget)
        with self.norms.using(self, budget):
            return super().encode_decode(inputs, batch_img_metas, budget)

    def train(self, mode: bool = True) -> "ElasticSegmentor":
        super().train(mode)
        if mode:
            self.norms.forget()  # by whoever changes them
        else:
            self.norms.use(self, self.backbone.default_budget)  # now: an exported graph is not to do it
        return self


def named(**options: Any) -> dict[str, Any]:
    """The options that are given. Subclasses and backbones that know none of them are called without."""
    return {name: value for name, value in options.items() if value is not None}


def _elastic(preset: str | None = None, **arguments: Any) -> ElasticBudgets:
    if preset not in (None, "supervit"):
        raise ValueError(f"unknown preset {preset!r} of elastic: 'supervit' is the only one; leave it out for ours")
    return (ElasticBudgets.supervit if preset else ElasticBudgets)(**arguments)
