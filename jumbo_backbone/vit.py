"""JumboViT: the Jumbo encoder on image patches, with timm's model interface (Jumbo, ICLR 2026)."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import nn

from .budget import ComputeBudget
from .checkpoint import adapt_on_load, load_checkpoint, save_checkpoint
from .encoder import JumboEncoder, take_indices
from .patch_embed import PatchEmbed, SizeLike
from .pos_embed import PositionCache, resample_pos_embed

GLOBAL_POOLS = ("jumbo_mean", "token", "")


class JumboViT(
    JumboEncoder,
    PyTorchModelHubMixin,
    library_name="jumbo-backbone",
    tags=["image-classification", "image-feature-extraction"],
    license="apache-2.0",
):
    """Image classifier and feature extractor. Images are float (B, C, H, W); sizes other than ``img_size`` are taken
    at run time by resampling the positions.

    Args:
        img_size: Native size in pixels, int or (H, W): the grid of the learned positions.
        patch_size: Patch size in pixels, int or (H, W).
        in_chans: Input channels C.
        num_classes: Classes K; 0 for no head.
        global_pool: What the head sees: "jumbo_mean" (the paper: jumbo token (J*D) and the mean of the patches
            (D)), "token" (the first slice alone, D: a class token), "" (all tokens, no head).
        dynamic_img_pad: Pad images on the right and bottom to a multiple of the patch instead of refusing them.
        drop_rate: Dropout before the head.
        pos_drop_rate: Dropout after the positions were added.
        embed_dim, depth, num_heads, jumbo_multiplier, jumbo_ffn, jumbo_lora_rank, mlp_ratio, qkv_bias,
            proj_drop_rate, attn_drop_rate, drop_path_rate: As in ``JumboEncoder``.

    Raises:
        ValueError: For sizes that do not fit each other; the message names them.
        TypeError: For an unknown keyword.

    A fresh head is zero with bias -ln(K), so the logits of an untrained model do not depend on the image.
    """

    def __init__(
        self,
        *,
        img_size: SizeLike = 224,
        patch_size: SizeLike = 16,
        in_chans: int = 3,
        num_classes: int = 1000,
        global_pool: str = "jumbo_mean",
        embed_dim: int = 384,
        depth: int = 12,
        num_heads: int = 6,
        jumbo_multiplier: int = 6,
        jumbo_ffn: str = "shared",
        jumbo_lora_rank: int = 0,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        dynamic_img_pad: bool = False,
        drop_rate: float = 0.0,
        pos_drop_rate: float = 0.0,
        proj_drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ) -> None:
        _check_head(num_classes, global_pool)
        super().__init__(
            embed_dim=embed_dim,
            depth=depth,
            num_heads=num_heads,
            jumbo_multiplier=jumbo_multiplier,
            jumbo_ffn=jumbo_ffn,
            jumbo_lora_rank=jumbo_lora_rank,
            mlp_ratio=mlp_ratio,
            qkv_bias=qkv_bias,
            proj_drop_rate=proj_drop_rate,
            attn_drop_rate=attn_drop_rate,
            drop_path_rate=drop_path_rate,
        )
        self.in_chans = in_chans
        self.num_classes = num_classes
        self.global_pool = global_pool
        self.patch_embed = PatchEmbed(
            img_size=img_size,
            patch_size=patch_size,
            in_chans=in_chans,
            embed_dim=embed_dim,
            dynamic_img_pad=dynamic_img_pad,
        )
        self.pos_embed = nn.Parameter(torch.zeros(1, self.patch_embed.num_patches, embed_dim))
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        self._register_grid()
        self._position_cache = PositionCache()
        self.pos_drop = nn.Dropout(pos_drop_rate)
        self.head_drop = nn.Dropout(drop_rate)
        self.head = self._fresh_head(num_classes)
        self._describe_features()
        self.register_load_state_dict_pre_hook(adapt_on_load)

    # ---- what the model says of itself

    @property
    def num_features(self) -> int:
        """Width of what the head sees: J*D + D for "jumbo_mean", D otherwise."""
        return self.embed_dim * (self.jumbo_multiplier + 1 if self.global_pool == "jumbo_mean" else 1)

    @property
    def head_hidden_size(self) -> int:
        return self.num_features

    @property
    def grid_size(self) -> tuple[int, int]:
        """Native grid (H, W) in patches: the shape of ``pos_embed``."""
        return self.patch_embed.grid_size

    def _describe_features(self) -> None:
        reduction = self.patch_embed.feat_ratio()
        self.feature_info = [
            dict(module=f"blocks.{i}", num_chs=self.embed_dim, reduction=reduction) for i in range(len(self.blocks))
        ]

    def _register_grid(self) -> None:
        # Position tables are flat, so a file has to say how to unroll one. The released files do not: they are square.
        # Hence a model on a square grid adds nothing to their names, and any other stores its grid beside the table.
        H, W = self.patch_embed.grid_size
        self.register_buffer("pos_embed_grid", torch.tensor([H, W]) if H != W else None)

    def no_weight_decay(self) -> set[str]:
        """Names of the parameters of two or more dimensions that take no weight decay."""
        return super().no_weight_decay() | {"pos_embed"}

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """timm's grouping of parameters by depth; the same layers as ``get_layer_depth``."""
        middle = (len(self.blocks) + 1) // 2 - 1
        return dict(
            stem=r"^jumbo_token|pos_embed|patch_embed",
            blocks=[(r"^blocks\.(\d+)", None), (r"^jumbo_mlp", (middle,)), (r"^norm", (99999,))],
        )

    def get_classifier(self) -> nn.Module:
        return self.head

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Replace the head by a fresh one for ``num_classes`` classes (0: none), optionally with another pooling."""
        pool = self.global_pool if global_pool is None else global_pool
        _check_head(num_classes, pool)
        self.num_classes, self.global_pool = num_classes, pool
        self.head = self._fresh_head(num_classes).to(self.pos_embed.device, self.pos_embed.dtype).train(self.training)

    def _fresh_head(self, num_classes: int) -> nn.Module:
        if num_classes == 0:
            return nn.Identity()
        head = nn.Linear(self.num_features, num_classes)
        nn.init.zeros_(head.weight)
        nn.init.constant_(head.bias, -math.log(num_classes))
        return head

    def set_input_size(self, img_size: SizeLike | None = None, patch_size: SizeLike | None = None) -> None:
        """Change the native image size (the position table is resampled once and for all) or the patch size (the
        patch kernel is resampled, FlexiViT). Sizes in pixels; None keeps what is there."""
        old_grid = self.grid_size
        self.patch_embed.set_input_size(img_size, patch_size)
        with torch.no_grad():
            table = resample_pos_embed(self.pos_embed, old_grid, self.grid_size).clone()
        self.pos_embed = nn.Parameter(table, requires_grad=self.pos_embed.requires_grad)
        self._register_grid()
        if self.pos_embed_grid is not None:
            self.pos_embed_grid = self.pos_embed_grid.to(table.device)
        self._position_cache.clear()
        self._describe_features()

    def train(self, mode: bool = True) -> "JumboViT":
        self._position_cache.clear()  # weights may have been written past the version counter in between
        return super().train(mode)

    # ---- forward

    def embed(self, x: torch.Tensor, budget: ComputeBudget | None = None) -> tuple[torch.Tensor, tuple[int, int]]:
        """Images (B, C, H, W) to patch tokens with positions (B, N, D), and their grid (H, W)."""
        budget = self.default_budget if budget is None else budget
        size = budget.input_size(tuple(x.shape[-2:]), self.patch_embed.patch_size)
        if size != tuple(x.shape[-2:]):
            x = nn.functional.interpolate(x, size, mode="bilinear", antialias=True)
        tokens = self.patch_embed(x)
        grid = self.patch_embed.dynamic_feat_size(x.shape[-2:])
        return self.pos_drop(tokens + self._position_cache.get(self.pos_embed, self.grid_size, grid)), grid

    def forward_features(self, x: torch.Tensor, budget: ComputeBudget | None = None) -> torch.Tensor:
        """Images (B, C, H, W) to tokens (B, J+N, D) after the final norm: J jumbo slices, then the patches; of a
        ``budget`` (None: ``default_budget``) that drops patches, those that are left and the fused one."""
        x, _ = self.embed(x, budget)
        live, _ = self.encode(x, budget=budget)
        return self.norm(live.tokens)

    def forward_head(self, x: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        """Tokens (B, J+N, D) to logits (B, K), or with ``pre_logits`` to what the head sees (B, num_features)."""
        J = self.jumbo_multiplier
        if self.global_pool == "jumbo_mean":
            x = torch.cat([x[:, :J].flatten(1), x[:, J:].mean(dim=1)], dim=1)
        elif self.global_pool == "token":
            x = x[:, 0]
        x = self.head_drop(x)
        return x if pre_logits else self.head(x)

    def forward(self, x: torch.Tensor, budget: ComputeBudget | None = None) -> torch.Tensor:
        """Images (B, C, H, W) to logits (B, K), at a compute budget (None: ``default_budget``)."""
        return self.forward_head(self.forward_features(x, budget))

    def forward_intermediates(
        self,
        x: torch.Tensor,
        indices: int | Sequence[int] | None = None,
        return_prefix_tokens: bool = False,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
        output_dict: bool = False,
        budget: ComputeBudget | None = None,
    ) -> Any:
        """Feature maps of any blocks, with timm's arguments.

        Args:
            x: Images (B, C, H, W).
            indices: None for all blocks, n for the last n, or block numbers (negative from the end); the maps come in
                the order asked for.
            return_prefix_tokens: Return pairs (map, jumbo slices (B, J, D)).
            norm: Apply the final norm to the maps.
            stop_early: Skip the blocks after the last one asked for.
            output_fmt: "NCHW" for maps (B, D, h, w) on the patch grid, "NLC" for (B, N, D).
            intermediates_only: Return the list of maps alone.
            output_dict: Return a dict with "image_features", "image_intermediates", "image_intermediates_prefix".
            budget: How much to compute; None for ``default_budget``. The maps are complete whatever it is: a patch that
                was dropped stays as it was then. At another resolution they come on its grid.

        Returns:
            (features, maps): the final tokens (B, J+N, D) after the norm, and the list; or as chosen above.

        Raises:
            ValueError: If the indices do not fit the depth or ``output_fmt`` is unknown.
        """
        if output_fmt not in ("NCHW", "NLC"):
            raise ValueError(f"unknown output_fmt {output_fmt!r}: choose 'NCHW' or 'NLC'")
        x, (H, W) = self.embed(x, budget)
        final, taken = super().forward_intermediates(x, indices, norm=norm, stop_early=stop_early, budget=budget)

        J = self.jumbo_multiplier
        prefix = [t[:, :J] for t in taken]
        maps = [t[:, J:] for t in taken]
        if output_fmt == "NCHW":
            maps = [m.transpose(1, 2).reshape(m.shape[0], m.shape[2], H, W) for m in maps]

        if output_dict:
            result = {"image_intermediates": maps}
            if return_prefix_tokens:
                result["image_intermediates_prefix"] = prefix
            return result if intermediates_only else {**result, "image_features": final}
        if return_prefix_tokens:
            maps = list(zip(maps, prefix, strict=True))
        return maps if intermediates_only else (final, maps)

    def prune_intermediate_layers(
        self, indices: int | Sequence[int] = 1, prune_norm: bool = False, prune_head: bool = True
    ) -> list[int]:
        """Remove the blocks after the last one asked for, and on request the final norm and the head.

        Returns:
            The block numbers asked for.
        """
        take, last = take_indices(len(self.blocks), indices)
        self.blocks = self.blocks[: last + 1]
        if prune_norm:
            self.norm = nn.Identity()
        if prune_head:
            self.reset_classifier(0, "")
        return take

    @torch.no_grad()
    def attention_map(self, images: torch.Tensor, block: int = -1) -> torch.Tensor:
        """Attention that the jumbo token pays each patch.

        Args:
            images: (B, C, H, W).
            block: Block number, negative from the end.

        Returns:
            (B, h, w) on the patch grid: softmax probabilities over all J+N tokens, mean over heads and slices. A map
            sums to less than one, the rest being paid to the slices themselves.

        Raises:
            ValueError: If there is no such block.
        """
        x, (H, W) = self.embed(images, ComputeBudget())
        return self.patch_attention(x, block).view(-1, H, W)

    @torch.no_grad()
    def kept_map(self, images: torch.Tensor, budget: ComputeBudget | None = None) -> torch.Tensor:
        """How far each patch of images (B, C, H, W) gets at a compute budget (None: ``default_budget``): the number of
        blocks (B, h, w) that it went through, on the patch grid."""
        x, (H, W) = self.embed(images, budget)
        return self.patch_depths(x, budget).view(-1, H, W)

    # ---- saving and loading whole models (huggingface_hub's mixin)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments that rebuild this model as it is now, ready for JSON."""
        return dict(
            self._hub_mixin_config,
            img_size=list(self.patch_embed.img_size),
            patch_size=list(self.patch_embed.patch_size),
            depth=len(self.blocks),
            num_classes=self.num_classes,
            global_pool=self.global_pool,
        )

    def save_pretrained(self, save_directory: str | Path, *, config: dict | None = None, **kwargs) -> str | None:
        """Write ``config.json`` and ``model.safetensors`` to a folder; see ``PyTorchModelHubMixin``."""
        return super().save_pretrained(save_directory, config=config or self.get_config(), **kwargs)

    def push_to_hub(self, repo_id: str, *, config: dict | None = None, **kwargs) -> str:
        """Upload to the Hugging Face hub; see ``PyTorchModelHubMixin``."""
        return super().push_to_hub(repo_id, config=config or self.get_config(), **kwargs)

    def _save_pretrained(self, save_directory: Path) -> None:
        save_checkpoint(self, save_directory / "model.safetensors")

    @classmethod
    def _load_as_safetensor(cls, model: "JumboViT", model_file: str, map_location: str, strict: bool) -> "JumboViT":
        load_checkpoint(model, model_file)
        return model.to(map_location).eval()

    _load_as_pickle = _load_as_safetensor


def _check_head(num_classes: int, global_pool: str) -> None:
    if num_classes < 0:
        raise ValueError(f"num_classes must be at least 0 (0: no head), got {num_classes}")
    if global_pool not in GLOBAL_POOLS:
        raise ValueError(f"unknown global_pool {global_pool!r}: choose one of {', '.join(map(repr, GLOBAL_POOLS))}")
    if global_pool == "" and num_classes:
        raise ValueError(f"global_pool='' leaves nothing to classify: use num_classes=0 instead of {num_classes}")
