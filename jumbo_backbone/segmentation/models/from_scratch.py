"""Initial weights for training without pretrained weights."""

import torch
from mmengine.registry import WEIGHT_INITIALIZERS
from timm.layers import build_sincos2d_pos_embed
from torch import nn

from .backbone import JumboViTBackbone


@WEIGHT_INITIALIZERS.register_module()
class FromScratch:
    """``init_cfg=dict(type="FromScratch")`` for ``JumboViTBackbone``: Xavier's weights in every linear map of the
    encoder, that of the patches among them, and sine-cosine positions ("Better plain ViT baselines for ImageNet-1k",
    Beyer et al. 2022).

    The encoder's own start, a normal of std 0.02 throughout, is meant for long training; it spends the first minutes of
    a short one on a plateau.
    """

    def __call__(self, module: nn.Module) -> None:
        if not isinstance(module, JumboViTBackbone):
            raise TypeError(f"init_cfg of type 'FromScratch' is for JumboViTBackbone, not {type(module).__name__}")
        for part in module.vit.modules():
            if isinstance(part, (nn.Linear, nn.Conv2d)):
                nn.init.xavier_uniform_(part.weight.flatten(1))  # a view: the kernel of a patch is a linear map
        with torch.no_grad():
            for grid, table in module.vit.position_tables().items():
                table.copy_(build_sincos2d_pos_embed(list(grid), module.embed_dims))
