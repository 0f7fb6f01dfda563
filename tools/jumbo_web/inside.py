"""What the tab "Look inside" answers: attention, features and reconstructions of a picture."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .loading import Shelf
from .segmenting import check_patches

if TYPE_CHECKING:
    from PIL import Image

_WIDE = 720  # pixels of the three pictures of a reconstruction, at least


@dataclass
class Inside:
    """A picture inside an encoder, after a block.

    Attributes:
        attention: Picture, heat map and attended parts.
        features: The picture's patches coloured by their features, uint8 (H, W, 3).
        variance: Share of the features' variance that these colours show.
        depth: Number of blocks.
    """

    attention: "Image.Image"
    features: np.ndarray
    variance: float
    depth: int


def depth_of(shelf: Shelf, model: str) -> int:
    """Number of blocks of a segmentor's encoder."""
    from jumbo_backbone.segmentation.view import encoder_of

    return encoder_of(shelf.segmentor(model).predictor.model).depth


def look(shelf: Shelf, path: str | None, model: str | None, block: int) -> Inside:
    """Attention in a block, and features after it, drawn as `jumbo attention` does.

    Raises:
        ValueError, TypeError: If there is no picture, model or block; see ``View.of``.
    """
    segmentor = shelf.segmentor(model)
    photo = shelf.photo(path, segmentor)
    from jumbo_backbone.budgets.budget import ComputeBudget
    from jumbo_backbone.cli.attention import told_of
    from jumbo_backbone.cli.attention_pictures import draw
    from jumbo_backbone.segmentation.pictures.features import principal_colours
    from jumbo_backbone.segmentation.pictures.labels import enlarged
    from jumbo_backbone.segmentation.view import View

    from .drawing import as_image

    with segmentor.lock:
        view = View.of(segmentor.predictor.model, photo)
        check_patches(view, ComputeBudget())
        attention, features = view.attention(block), view.features(block)
    depth, (h, w) = view.encoder.depth, attention.shape
    subtitle = f"what the Jumbo token attends to in block {block} (of 0 – {depth - 1}), {h} × {w} patches"
    captions, notes = told_of(block, depth, ComputeBudget(), None)
    drawn = as_image(draw(view.picture, attention, Path(path or "").name, subtitle, captions, notes))
    colours, variance = principal_colours(features, view.picture.shape[:2])
    return Inside(drawn, enlarged(view.without_padding(colours)), variance, depth)


def reconstruct(shelf: Shelf, path: str | None, model: str, seed: int) -> np.ndarray:
    """The middle of a picture, what a pretrained encoder sees of it, and what its decoder makes of that."""
    import torch
    from timm.layers import to_2tuple

    from jumbo_backbone.segmentation.pictures.labels import enlarged
    from jumbo_backbone.segmentation.pretraining.crops import middle_crop
    from jumbo_backbone.segmentation.pretraining.hook import sheet

    autoencoder, pixels = shelf.autoencoder(model), shelf.pixels(path)
    crop = middle_crop(pixels, to_2tuple(autoencoder.backbone.patch_embed.img_size))
    inputs = torch.from_numpy(crop.copy()).permute(2, 0, 1)[None]
    images = autoencoder.data_preprocessor(dict(inputs=inputs))["inputs"]
    drawn = sheet(autoencoder.reconstruct(images, torch.Generator().manual_seed(seed)), autoencoder.data_preprocessor)
    return enlarged(np.asarray(drawn), _WIDE)
