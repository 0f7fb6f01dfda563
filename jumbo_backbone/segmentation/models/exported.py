"""A trained segmentor as one function of tensors, with a description of its inputs and outputs."""

import json
from collections.abc import Mapping
from typing import Any

import torch
from mmseg.models import EncoderDecoder
from torch import nn

from ..data.image_input import ImageReader, ModelInput


class ExportedSegmentor(nn.Module):
    """A segmentor as one function of tensors, for export: images (B, C, H, W) with the values of their files,
    normalised within, to logits (B, K, H, W). H and W are multiples of the patch; the image is taken whole.

    Images of three bands are RGB, whichever order the network was trained on; the bands of other images are in the
    order in which the config's loader gives them. ``describe`` gives the order in words.

    Args:
        segmentor: Trained.
        order: The order in which the loader gives three bands: "BGR" as mmcv does, or "RGB". None if it is not known;
            the bands are then taken as the loader gives them.
    """

    def __init__(self, segmentor: EncoderDecoder, order: str | None = "BGR") -> None:
        super().__init__()
        self.segmentor = segmentor
        self.takes = ModelInput.of(segmentor, order)
        # from RGB to what is loaded, and from there to what the network gets: twice is not at all
        self.flips = self.takes.bands == 3 and (order == "BGR") != self.takes.swapped
        self.eval()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        preprocessor = self.segmentor.data_preprocessor
        if self.flips:
            images = images.flip(1)
        if self.takes.mean:
            images = (images - preprocessor.mean) / preprocessor.std
        return self.segmentor.encode_decode(images, [dict(img_shape=images.shape[2:])])

    def describe(self, reader: ImageReader | None = None, dataset_meta: Mapping[str, Any] | None = None) -> dict:
        """The inputs and outputs, in words and JSON, for the metadata of an exported file.

        Args:
            reader: Of the config; without, ``LoadImageFromFile``'s.
            dataset_meta: Of the checkpoint: classes and whether label files count from 1.
        """
        reader = reader or ImageReader()
        takes, facts, head = self.takes, reader.facts, self.segmentor.decode_head
        if takes.bands == 3 and takes.order:
            order = "RGB"
        elif takes.bands > 3 and takes.order:
            order = f"{takes.order}, then the others, as {reader.loader} gives them"
        else:
            order = f"as {reader.loader} gives them"
        if facts.dtype == "uint8":
            values = "as in the file: 0 to 255, or of 16 bits 0 to 65535" if facts.deep else "0 to 255"
        else:
            values = f"as {reader.loader} gives them"
        normalised = dict(mean=takes.mean, std=takes.std)
        if self.flips:  # told in the order of the input
            normalised = {key: numbers[::-1] for key, numbers in normalised.items()}
        told = dict(
            bands=str(takes.bands),
            channel_order=order,
            values=values,
            normalisation="within: give images as they are" if takes.mean else "none",
            **{key: json.dumps(numbers) for key, numbers in normalised.items()},
            output="logits, before softmax" if self.segmentor.out_channels > 1 else "logit of class 1, before sigmoid",
        )
        if self.segmentor.out_channels == 1:
            told["threshold"] = str(head.threshold)
        dataset_meta = dataset_meta or {}
        for key in ("classes", "reduce_zero_label"):
            if key in dataset_meta:
                told[key] = json.dumps(dataset_meta[key])
        return told
