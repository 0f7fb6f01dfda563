"""Initial weights for training without pretrained weights."""

import torch
from mmengine.registry import WEIGHT_INITIALIZERS
from timm.layers import build_sincos2d_pos_embed
from torch import nn

from ...models.vit import JumboViT


@WEIGHT_INITIALIZERS.register_module()
class FromScratch:
    """``init_cfg=dict(type="FromScratch")`` for ``JumboViTBackbone``,
    ``MaskedImageModel`` and ``ImageClassifier``: Xavier's weights in every linear map of the
    encoder, including the patch embedding, and sine-cosine positions ("Better plain ViT baselines for ImageNet-1k",
    Beyer et al. 2022).

    The encoder's own initial weights, all from a normal of std 0.02, are meant for long training; a short training
    spends its first minutes on a plateau with them.
    """

    def __call__(self, module: nn.Module) -> None:
        encoders = [child for child in module.children() if isinstance(child, JumboViT)]
        if not encoders:
            raise TypeError(
                "init_cfg of type 'FromScratch' is for models with a JumboViT, such as JumboViTBackbone, not "
                f"{type(module).__name__}"
            )
        (vit,) = encoders
        for part in vit.modules():
            if isinstance(part, (nn.Linear, nn.Conv2d)):
                nn.init.xavier_uniform_(part.weight.flatten(1))  # a view: the kernel of a patch is a linear map
        with torch.no_grad():
            for grid, table in vit.position_tables().items():
                table.copy_(build_sincos2d_pos_embed(list(grid), vit.embed_dim))
