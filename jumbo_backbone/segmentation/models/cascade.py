"""Cascades of segmentors: a cheap member answers first, and costly ones answer where it is unsure."""

import copy
import os
import threading
from collections.abc import Sequence
from logging import WARNING
from pathlib import Path
from typing import Any, NoReturn, cast

import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log
from mmseg.models import BaseSegmentor, EncoderDecoder
from mmseg.registry import MODELS
from mmseg.utils import SampleList
from torch import nn

from ...budgets.budget import ComputeBudget
from ...committees.calibration import Calibration
from ...committees.committee import Cascade
from ..configs.shipped import find_config
from ..configs.widths import follow_backbone
from ..contents import of_values, of_weights
from ..data.consistency import require_same_images
from ..training.loading import load_strictly
from .backbone import require_dial
from .segmentors import JumboSegmentor, named

_COUNTING = threading.Lock()


@MODELS.register_module()
class CascadeSegmentor(BaseSegmentor):
    """A cascade of trained segmentors, or of several compute budgets of one segmentor (see ``Cascade``).

    `jumbo calibrate` chooses the thresholds and writes them to a file, which `jumbo test` and `jumbo infer` take in
    place of a checkpoint. It cannot be trained; its members are trained. Several threads may call it at once.

    Args:
        members: Cheap ones first, each ``dict(config=…, checkpoint=…)``. Optional keys are ``budget``, a dict of
            ``ComputeBudget`` arguments; ``test_cfg``, changes to that of its config, such as a larger ``stride`` of
            the windows; and ``name``. Paths are relative to the working directory. Members of one checkpoint share
            its weights.
        thresholds: One for each member but the last, until a calibration is loaded; without thresholds, all images go
            on to the last member.
        confidence, ensemble: See ``Cascade``.
        data_preprocessor: By default that of the last member's config.
        init_cfg: mmengine's; members are initialised by their checkpoints.

    Raises:
        FileNotFoundError: If a config or a checkpoint is missing.
        ValueError: If members differ in classes or normalisation, or thresholds do not fit their number.
        TypeError: If a member has a budget that its backbone does not take, or a budget or ``test_cfg`` that its
            segmentor does not take.
    """

    def __init__(
        self,
        members: Sequence[dict[str, Any]],
        thresholds: Sequence[float] | None = None,
        confidence: str = "max_probability",
        ensemble: bool = False,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        loaded: dict[tuple[str, str], Trained] = {}
        for member in members:
            key = str(member["config"]), str(member["checkpoint"])
            if key not in loaded:
                loaded[key] = Trained(*key)
        trained = [loaded[str(m["config"]), str(m["checkpoint"])].inferring(m.get("test_cfg") or {}) for m in members]
        if not trained:
            raise ValueError("members is empty: give at least one dict(config=…, checkpoint=…)")
        last = trained[-1]
        super().__init__(data_preprocessor or last.preprocessor, init_cfg)
        for other in trained:
            require_alike(other, last)
        asked: list[Trained | tuple[Trained, ComputeBudget]] = []
        for member, model in zip(members, trained, strict=True):
            if member.get("budget") is not None or member.get("test_cfg"):
                model.require_told("a budget or a test_cfg")
            if (budget := member.get("budget")) is not None:
                require_dial(model.segmentor.backbone, f"a budget of {model.config}")
                asked.append((model, ComputeBudget(**budget)))
            else:
                asked.append(model)
        names = [m.get("name") or _name(m, model, members) for m, model in zip(members, trained, strict=True)]
        if thresholds is None:
            thresholds = [float("inf")] * (len(asked) - 1)
        self.cascade = Cascade(asked, thresholds, confidence, ensemble, names=names)
        self.meta = last.meta
        self.num_classes, self.out_channels = last.segmentor.num_classes, last.segmentor.out_channels
        self.align_corners = last.segmentor.align_corners
        self.forget()

    def forget(self) -> None:
        """Reset the counts of images that each member answered."""
        self.answered = [0] * len(self.cascade.members)

    def load_calibration(self, path: str | os.PathLike) -> dict:
        """Take the thresholds, and all else that `jumbo calibrate` chose, from its file.

        Returns:
            The last member's ``meta``.

        Raises:
            FileNotFoundError, ValueError: If there is no such file, or it was not made with these very members.
        """
        calibration = Calibration.load(Path(path))
        if not calibration.members:
            print_log(f"{path} is of an earlier version and tells its members by name alone", "current", WARNING)
        calibration.apply(self.cascade, self.contents())
        return self.meta

    def contents(self) -> list[str]:
        """A hash of each member: its weights, config, budget and windows."""
        members = [(cast(Trained, model), budget) for model, budget in self.cascade.members]
        weights = {id(model.segmentor): of_weights(model.segmentor) for model, _ in members}
        return [
            # "image" is what earlier versions wrote too: their calibrations hold
            of_values(weights[id(model.segmentor)], model.structure, str(model.test_cfg), repr(budget), "image")
            for model, budget in members
        ]

    def init_weights(self) -> None:
        """Does nothing: the members are trained already."""

    def inference(self, inputs: torch.Tensor, batch_img_metas: list[dict]) -> torch.Tensor:
        """Images (B, C, H, W) to scores (B, K, H, W)."""
        return self._route(inputs, valid_pixels(inputs, batch_img_metas))

    def encode_decode(self, inputs: torch.Tensor, batch_img_metas: list[dict]) -> torch.Tensor:
        """Images (B, C, H, W) without padding to scores (B, K, H, W)."""
        return self._route(inputs)

    def _route(self, inputs: torch.Tensor, valid: torch.Tensor | None = None) -> torch.Tensor:
        scores, stage = self.cascade.route(inputs, valid=valid)
        counts = torch.bincount(stage, minlength=len(self.answered)).tolist()
        with _COUNTING:
            self.answered = [a + b for a, b in zip(self.answered, counts, strict=True)]
        return scores

    def predict(self, inputs: torch.Tensor, data_samples: SampleList | None = None) -> SampleList:
        """Images (B, C, H, W) to samples with ``pred_sem_seg`` and ``seg_logits``."""
        return EncoderDecoder.predict(self, inputs, data_samples)

    def _forward(self, inputs: torch.Tensor, data_samples: SampleList | None = None) -> torch.Tensor:
        return self.encode_decode(inputs, [])

    def extract_feat(self, inputs: torch.Tensor) -> NoReturn:
        """Raises: a cascade has no features."""
        raise TypeError("a cascade has no feature maps of its own: ask its members for theirs")

    def loss(self, inputs: torch.Tensor, data_samples: SampleList) -> NoReturn:
        """Raises: a cascade is not trained."""
        raise TypeError("a cascade cannot be trained: train its members, then calibrate it with `jumbo calibrate`")


class Trained(nn.Module):
    """A segmentor of a config and a checkpoint, called for scores at a budget.

    Args:
        config, checkpoint: Paths.
    """

    def __init__(self, config: str, checkpoint: str) -> None:
        super().__init__()
        try:
            path = find_config(Path(config))
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{error}; paths of members are relative to the working directory") from None
        self.config = config
        self.cfg = Config.fromfile(path)
        follow_backbone(self.cfg, path)
        self.preprocessor = self.cfg.model.data_preprocessor
        self.structure = self.cfg.model.to_dict()  # with what its base configs say
        self.structure["backbone"].pop("init_cfg", None)  # what it began with
        self.segmentor: EncoderDecoder = MODELS.build(_taking_budgets(self.cfg.model)).eval()
        self.test_cfg = self.segmentor.test_cfg
        self.meta = load_strictly(self.segmentor, checkpoint)

    def inferring(self, test_cfg: dict[str, Any]) -> "Trained":
        """The same network with changes to its ``test_cfg``; the weights are shared."""
        if not test_cfg:
            return self
        other = copy.copy(self)  # of the module alone
        other.test_cfg = ConfigDict({**self.test_cfg, **test_cfg})
        return other

    def forward(self, x: torch.Tensor, budget: ComputeBudget | None = None) -> torch.Tensor:
        """Images (B, C, H, W) to scores (B, K, H, W). The call does not change the network."""
        metas = [dict(img_shape=x.shape[2:], ori_shape=x.shape[2:]) for _ in x]
        own = None if self.test_cfg is self.segmentor.test_cfg else self.test_cfg
        return self.segmentor.inference(x, metas, **named(budget=budget, test_cfg=own))

    def require_told(self, what: str) -> None:
        """Raise a TypeError if a call of the segmentor does not take ``what``."""
        if not isinstance(self.segmentor, JumboSegmentor):
            raise TypeError(
                f"{self.config} has a {type(self.segmentor).__name__}, which a call cannot give {what}: derive it from "
                "JumboSegmentor, or leave that out"
            )


def _taking_budgets(model: ConfigDict) -> ConfigDict:
    """mmsegmentation's own ``EncoderDecoder`` as a ``JumboSegmentor``: the same network."""
    kind = model.type if isinstance(model.type, type) else MODELS.get(model.type)
    return ConfigDict({**model, "type": JumboSegmentor}) if kind is EncoderDecoder else model


def require_alike(one: Trained, other: Trained) -> None:
    """Raise a ValueError if two segmentors differ in their classes or in how they read images."""
    counts = [t.segmentor.out_channels for t in (one, other)]
    if counts[0] != counts[1] or counts[0] < 2:
        raise ValueError(
            f"{one.config} gives {counts[0]} maps of scores, {other.config} {counts[1]}: members of a cascade have the "
            "same classes, at least 2"
        )
    classes: list[Any] = [(t.meta.get("dataset_meta") or {}).get("classes") for t in (one, other)]
    if all(classes) and list(classes[0]) != list(classes[1]):
        raise ValueError(f"{one.config} and {other.config} name other classes: train the members on the same ones")
    for key in ("mean", "std", "bgr_to_rgb", "rgb_to_bgr"):
        values = [t.preprocessor.get(key) for t in (one, other)]
        if values[0] != values[1]:
            raise ValueError(
                f"{one.config} reads images with {key}={values[0]}, {other.config} with {values[1]}: the images of a "
                "cascade are prepared once, train the members alike"
            )
    if one is not other and one.cfg.get("test_dataloader") and other.cfg.get("test_dataloader"):
        require_same_images(one.cfg, other.cfg, f"{one.config} and {other.config}")


def valid_pixels(inputs: torch.Tensor, metas: Sequence[dict]) -> torch.Tensor | None:
    """Pixels (B, H, W) of images (B, C, H, W) that are not padding; None if all are."""
    paddings = [m.get("img_padding_size", m.get("padding_size", (0, 0, 0, 0))) for m in metas]
    if not any(any(p) for p in paddings):
        return None
    B, _, H, W = inputs.shape
    valid = torch.zeros(B, H, W, dtype=torch.bool, device=inputs.device)
    for mask, (left, right, top, bottom) in zip(valid, paddings, strict=True):
        mask[top : H - bottom, left : W - right] = True
    return valid


def _name(member: dict, model: Trained, members: Sequence[dict]) -> str:
    """A member's name: the checkpoint's folder (if members have several checkpoints), the budget, and the changes to
    ``test_cfg``."""
    several = len({str(m["checkpoint"]) for m in members}) > 1
    parts = [os.path.basename(os.path.dirname(str(member["checkpoint"])))] if several else []
    if not several or member.get("budget"):
        parts.append(str(ComputeBudget(**member.get("budget") or {})))
    parts += [f"{key} {value}" for key, value in (member.get("test_cfg") or {}).items()]
    return ", ".join(filter(None, parts)) or os.path.basename(str(member["checkpoint"]))
