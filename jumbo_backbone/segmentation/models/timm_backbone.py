"""A plain vision transformer of timm as an mmsegmentation backbone, for baselines."""

from collections.abc import Sequence
from typing import Any, cast

import timm
import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from timm.models import group_parameters


@MODELS.register_module()
class TimmViTBackbone(BaseModule):
    """Feature maps of a timm model with ``forward_intermediates``, all at the stride of the patch.

    Args:
        model_name: timm's name, such as "vit_small_patch16_224".
        img_size: Size in pixels, int or (H, W), whose patch grid the learned positions have.
        in_channels: Channels C of the image.
        out_indices: Blocks whose output is returned; negative from the end.
        final_norm: Apply the final norm to every map.
        drop_path_rate: Stochastic depth, as timm's model understands it (linear in depth).
        with_cp: Recompute blocks in the backward pass.
        pretrained: timm's argument for pretrained weights.
        checkpoint_path: A file of weights, loaded strictly by timm.
        init_cfg: mmengine's, of another type than "Pretrained": a file is loaded by ``checkpoint_path``.
        **kwargs: Further arguments of the timm model, such as ``reg_tokens=16``.

    Raises:
        ValueError: If timm has no such model, or ``init_cfg`` is to load a file.
    """

    def __init__(
        self,
        model_name: str,
        *,
        img_size: int | Sequence[int] = 512,
        in_channels: int = 3,
        out_indices: int | Sequence[int] = (2, 5, 8, 11),
        final_norm: bool = True,
        drop_path_rate: float = 0.0,
        with_cp: bool = False,
        pretrained: bool = False,
        checkpoint_path: str = "",
        init_cfg: dict | list[dict] | None = None,
        **kwargs: Any,
    ) -> None:
        if any(cfg["type"] == "Pretrained" for cfg in ([init_cfg] if isinstance(init_cfg, dict) else init_cfg or [])):
            raise ValueError(
                "init_cfg of type Pretrained would pass over what does not fit: give TimmViTBackbone "
                "checkpoint_path=FILE, which is loaded strictly, or pretrained=True"
            )
        super().__init__(init_cfg)
        if not timm.is_model(model_name):
            raise ValueError(f"timm has no model {model_name!r}: timm.list_models('vit_*') lists plain ViTs")
        self.vit: Any = timm.create_model(
            model_name,
            pretrained=pretrained,
            checkpoint_path=checkpoint_path,
            num_classes=0,
            global_pool="",
            img_size=img_size,
            in_chans=in_channels,
            dynamic_img_size=True,
            drop_path_rate=drop_path_rate,
            **kwargs,
        )
        self.out_indices = out_indices
        self.final_norm = final_norm
        # timm's own pruning leaves nothing that the maps do not depend on
        vit = cast(Any, self.vit)
        take = vit.prune_intermediate_layers(out_indices, prune_norm=not final_norm)
        vit.set_grad_checkpointing(with_cp)
        print_log(f"{model_name}: maps of blocks {take}", logger="current")

    @property
    def embed_dims(self) -> int:
        """Channels D of every map."""
        return self.vit.embed_dim

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Images (B, C, H, W), sides multiples of the patch, to one map (B, D, H/patch, W/patch) per out index."""
        return tuple(self.vit.forward_intermediates(x, self.out_indices, norm=self.final_norm, intermediates_only=True))

    def get_layer_depth(self, name: str) -> tuple[int, int]:
        """Layer of a parameter by timm's grouping, and the number of layers, the head's among them."""
        layers = group_parameters(self.vit, self.vit.group_matcher(coarse=False), reverse=True)
        return layers[name.removeprefix("vit.")], max(layers.values()) + 2

    def no_weight_decay(self) -> set[str]:
        """Names of the parameters of two or more dimensions that take no weight decay."""
        return {f"vit.{name}" for name in self.vit.no_weight_decay()}
