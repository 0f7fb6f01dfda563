"""JumboViT as an mmsegmentation backbone: one NCHW map per chosen block, with the Jumbo token written into it.

The encoder, its loop and its weights are those of ``JumboViT``; this file names things as mmsegmentation does.
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import nn

from ...budgets.budget import ComputeBudget
from ...budgets.has_budget import HasBudget, budget_of_call
from ...layers.int8 import quantize_jumbo_ffn
from ...layers.patch_embed import SizeLike
from ...models.block_indices import take_indices
from ...models.checkpoint import load_checkpoint
from ...models.presets import PRESETS
from ...models.vit import JumboViT
from .readout import JumboReadout


@MODELS.register_module()
class JumboViTBackbone(BaseModule):
    """Feature maps of a Jumbo encoder, all at the stride of the patch.

    Args:
        arch: A preset ("pico" … "large"), or a dict of ``JumboViT``'s sizes (embed_dim, depth, num_heads,
            jumbo_multiplier, jumbo_ffn, jumbo_lora_rank, mlp_ratio, qkv_bias); with a key "preset" the others change
            that preset: ``dict(preset="small", jumbo_multiplier=17, jumbo_ffn="patch")`` is a ViT with class token
            and 16 registers.
        img_size: Size in pixels, int or (H, W), whose patch grid the learned positions have.
        pos_embed_sizes: More sizes in pixels, each with learned positions of its own, as in ``JumboViT``.
        patch_size: In pixels, int or (H, W).
        in_channels: Channels C of the image.
        out_indices: Blocks whose output is returned, in this order; negative from the end.
        final_norm: Apply the encoder's final norm to every map and to the Jumbo token that is read out.
        jumbo_readout: How the Jumbo token reaches the maps: "ignore" or "add" (see ``JumboReadout``).
        drop_path_rate: Stochastic depth, the same in every block.
        drop_rate: Dropout after the positions, after projections and in FFNs.
        attn_drop_rate: Dropout on attention probabilities.
        frozen_stages: -1 trains everything, 0 freezes the stem (patches, positions, Jumbo token), k also the first k
            blocks. The FFN that all blocks share is frozen with the first block: frozen blocks would change with it.
        with_cp: Recompute each block in the backward pass instead of storing its activations.
        budget: Arguments of ``ComputeBudget``, such as ``dict(keep_rate=0.7)``, for training and inference alike; None
            for the full one. At run time ``backbone.default_budget`` changes it. Maps are complete at every budget.
        int8_jumbo: Keep the Jumbo token's FFN in 8 bits (see ``quantize_jumbo_ffn``), for inference. Float weights are
            quantised as they are loaded.
        init_cfg: mmengine's. ``dict(type="Pretrained", checkpoint=…)`` takes the authors' released ``.pth``, our
            safetensors or a timm checkpoint of the same model (a path, or "hf-hub:owner/repository/file"), strictly:
            tensors that were resampled or left out are logged, and a missing or unexpected tensor raises.

    Raises:
        ValueError: For an unknown preset, readout or block number, and sizes that do not fit each other.
        TypeError: For an unknown size in ``arch``.

    Weights of blocks after the last one returned, and all other parameters on which the maps do not depend, take no
    gradient, so that every parameter with ``requires_grad`` gets one (as DistributedDataParallel demands).
    """

    def __init__(
        self,
        arch: str | dict[str, Any] = "small",
        *,
        img_size: SizeLike = 512,
        pos_embed_sizes: Sequence[SizeLike] = (),
        patch_size: SizeLike = 16,
        in_channels: int = 3,
        out_indices: int | Sequence[int] = (2, 5, 8, 11),
        final_norm: bool = True,
        jumbo_readout: str = "add",
        drop_path_rate: float = 0.0,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        frozen_stages: int = -1,
        with_cp: bool = False,
        budget: dict[str, Any] | None = None,
        int8_jumbo: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        self.checkpoint, others = split_pretrained(init_cfg)
        super().__init__(others)
        self.vit = JumboViT(
            img_size=img_size,
            pos_embed_sizes=pos_embed_sizes,
            patch_size=patch_size,
            in_chans=in_channels,
            num_classes=0,
            global_pool="",
            drop_path_rate=drop_path_rate,
            pos_drop_rate=drop_rate,
            proj_drop_rate=drop_rate,
            attn_drop_rate=attn_drop_rate,
            **sizes_of(arch),
        )
        self.out_indices, _ = take_indices(self.depth, out_indices)
        self.final_norm = final_norm
        self.readouts = nn.ModuleList(
            JumboReadout(jumbo_readout, self.vit.embed_dim, self.vit.jumbo_multiplier) for _ in self.out_indices
        )
        if not -1 <= frozen_stages <= self.depth:
            raise ValueError(
                f"frozen_stages={frozen_stages}: give -1 (none), 0 (the stem) or up to {self.depth} (all blocks)"
            )
        self.frozen_stages = frozen_stages
        self.vit.set_grad_checkpointing(with_cp)
        self.vit.default_budget = ComputeBudget(**budget or {})
        self.vit.default_budget.reducing_blocks(self.depth)  # raises if there are no such blocks
        if int8_jumbo:
            quantize_jumbo_ffn(self.vit)
        for name, parameter in self.vit.named_parameters():
            parameter.requires_grad_(not (self._frozen(name) or self._unused(name, jumbo_readout)))

    @property
    def embed_dims(self) -> int:
        """Channels D of every map."""
        return self.vit.embed_dim

    @property
    def depth(self) -> int:
        """Number of the encoder's blocks."""
        return self.vit.depth

    @property
    def default_budget(self) -> ComputeBudget:
        """The budget of a call that names none."""
        return self.vit.default_budget

    @default_budget.setter
    def default_budget(self, budget: ComputeBudget) -> None:
        self.vit.default_budget = budget

    def _frozen(self, name: str) -> bool:
        if name.startswith("jumbo_mlp"):
            return self.frozen_stages >= 1
        layer, _ = self.vit.get_layer_depth(name)
        return layer <= self.frozen_stages and not name.startswith("norm.")

    def _unused(self, name: str, readout: str) -> bool:
        """Whether no map depends on this parameter."""
        last = max(self.out_indices)
        if name.startswith("norm."):
            return not self.final_norm
        if name.startswith("blocks."):
            block, part = name.split(".")[1:3]
            # without a readout no map depends on the Jumbo token's last FFN
            return int(block) > last or (int(block) == last and readout == "ignore" and part in _JUMBO_FFN_PARTS)
        return name.startswith("jumbo_mlp") and last == 0 and readout == "ignore"

    def init_weights(self) -> None:
        """mmengine's hook: other initialisers first, then the checkpoint, strictly."""
        super().init_weights()
        if self.checkpoint is not None:
            report = load_checkpoint(self.vit, self.checkpoint)
            print_log(f"backbone from {self.checkpoint}: {report}", logger="current")

    def forward(self, x: torch.Tensor, budget: ComputeBudget | None = None) -> tuple[torch.Tensor, ...]:
        """Images (B, C, H, W), sides multiples of the patch, to one map (B, D, H/patch, W/patch) per out index. At a
        budget (None: ``default_budget``) with another resolution, the maps have the size for that resolution."""
        embed = self.vit.patch_embed
        budget = budget_of_call(self, budget)
        H, W = budget.input_size(tuple(x.shape[-2:]), embed.patch_size)
        h, w = embed.dynamic_feat_size((H, W))
        pairs = self.vit.forward_intermediates(
            x,
            self.out_indices,
            return_prefix_tokens=True,
            norm=self.final_norm,
            stop_early=True,
            output_fmt="NLC",
            intermediates_only=True,
            budget=budget,
        )
        maps = [readout(x, z) for readout, (x, z) in zip(self.readouts, pairs, strict=True)]
        return tuple(x.transpose(1, 2).unflatten(2, (h, w)) for x in maps)

    # ---- what the optimiser asks

    def get_layer_depth(self, name: str) -> tuple[int, int]:
        """Layer of a parameter and number of layers, as in ``JumboEncoder``; readouts count as the head."""
        return self.vit.get_layer_depth(name.removeprefix("vit."))

    def no_weight_decay(self) -> set[str]:
        """Names of the parameters of two or more dimensions that take no weight decay."""
        return {f"vit.{name}" for name in self.vit.no_weight_decay()}


def require_dial(backbone: nn.Module, what: str) -> None:
    """Raise a TypeError if a backbone has no compute budget, which ``what`` needs."""
    if not isinstance(backbone, HasBudget):
        name = type(backbone).__name__
        raise TypeError(f"{what} needs a JumboViTBackbone, not {name}, which has no compute budget")


_JUMBO_FFN_PARTS = ("norm3", "jumbo_mlp", "jumbo_lora")


def sizes_of(arch: str | dict[str, Any]) -> dict[str, Any]:
    sizes: dict[str, Any] = dict(preset=arch) if isinstance(arch, str) else dict(arch)
    preset = sizes.pop("preset", None)
    if preset is not None and preset not in PRESETS:
        raise ValueError(f"unknown preset {preset!r}: choose one of {', '.join(PRESETS)}, or give a dict of sizes")
    return {**PRESETS.get(preset, {}), **sizes}


def split_pretrained(init_cfg: dict | list[dict] | None) -> tuple[str | None, list[dict] | None]:
    """The checkpoint that an init_cfg of mmengine names, if any, and the other initialisers.

    Raises:
        ValueError: If it says more of the checkpoint than where it is.
    """
    init_cfgs = [init_cfg] if isinstance(init_cfg, dict) else list(init_cfg or [])
    others = [cfg for cfg in init_cfgs if cfg["type"] != "Pretrained"] or None
    found = [cfg for cfg in init_cfgs if cfg["type"] == "Pretrained"]
    if not found:
        return None, others
    (cfg,) = found
    if unknown := set(cfg) - {"type", "checkpoint"}:
        raise ValueError(
            f"init_cfg of type 'Pretrained' takes a checkpoint of the backbone alone, not "
            f"{', '.join(sorted(unknown))}: to start from a whole segmentor set load_from in the config"
        )
    return cfg["checkpoint"], others
