"""JumboViT: the Jumbo encoder on image patches, with timm's model interface (Jumbo, ICLR 2026)."""

import math
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any, NoReturn

import torch
from torch import fx, nn

from ..budgets.budget import ComputeBudget
from ..budgets.has_budget import budget_of_call
from ..layers.patch_embed import PatchEmbed, SizeLike
from ..layers.pos_embed import Grid, PositionCache, nearest_grid, resample_pos_embed
from .checkpoint import adapt_on_load
from .feature_maps import FeatureMaps
from .saving import SavedAsFolder

GLOBAL_POOLS = ("jumbo_mean", "token", "")


class JumboViT(
    FeatureMaps,
    SavedAsFolder,
    library_name="jumbo-backbone",
    tags=["image-classification", "image-feature-extraction"],
    license="apache-2.0",
):
    """Image classifier and feature extractor. Images are float (B, C, H, W); sizes other than ``img_size`` are taken
    at run time by resampling the positions.

    Args:
        img_size: Native size in pixels, int or (H, W): the grid of the learned positions.
        pos_embed_sizes: More sizes in pixels, each with learned positions of its own, as in SuperViT (IJCV 2023): a
            list of ints or (H, W), such as (128, 160). Any other size uses the positions of the nearest size, whose
            sides differ least, resampled. They are initialised by resampling those of ``img_size``.
        patch_size: Patch size in pixels, int or (H, W).
        in_chans: Input channels C.
        num_classes: Classes K; 0 for no head.
        global_pool: The head's input: "jumbo_mean" (the paper: Jumbo token (J*D) and the mean of the patches
            (D)), "token" (the first slice alone, D: a class token), "" (all tokens, no head).
        dynamic_img_size: Accept images of other sizes too (the default); False refuses them.
        dynamic_img_pad: Pad images on the right and bottom to a multiple of the patch instead of refusing them.
        drop_rate: Dropout before the head.
        pos_drop_rate: Dropout after the positions were added.
        embed_dim, depth, num_heads, jumbo_multiplier, jumbo_ffn, jumbo_lora_rank, mlp_ratio, qkv_bias,
            proj_drop_rate, attn_drop_rate, drop_path_rate, default_budget: As in ``JumboEncoder``.

    Raises:
        ValueError: For sizes that do not fit each other; the message names them.
        TypeError: For an unknown keyword, or ``pos_embed_sizes`` that are no list of sizes.

    A fresh head is zero with bias -ln(K), so the logits of an untrained model do not depend on the image.
    """

    no_embed_class = True  # to timm's helpers: there are positions of patches alone
    pos_embed_grid: torch.Tensor | None
    _traits: dict[str, Any]

    def __init__(
        self,
        *,
        img_size: SizeLike = 224,
        pos_embed_sizes: Sequence[SizeLike] = (),
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
        dynamic_img_size: bool = True,
        dynamic_img_pad: bool = False,
        drop_rate: float = 0.0,
        pos_drop_rate: float = 0.0,
        proj_drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        default_budget: ComputeBudget | Mapping[str, Any] | None = None,
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
            default_budget=default_budget,
        )
        self.in_chans = in_chans
        self.num_classes = num_classes
        self.global_pool = global_pool
        self.patch_embed = PatchEmbed(
            img_size=img_size,
            patch_size=patch_size,
            in_chans=in_chans,
            embed_dim=embed_dim,
            dynamic_img_size=dynamic_img_size,
            dynamic_img_pad=dynamic_img_pad,
        )
        self.dynamic_img_size = dynamic_img_size
        self.pos_embed = nn.Parameter(torch.zeros(1, self.patch_embed.num_patches, embed_dim))
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        self._register_grid()
        self.pos_embed_tables = self._fresh_tables(pos_embed_sizes)
        self._position_cache = PositionCache()
        self.pos_drop = nn.Dropout(pos_drop_rate)
        self.head_drop = nn.Dropout(drop_rate)
        self.head = self._fresh_head(num_classes)
        self._describe_features()
        self._describe_to_timm()
        self.register_load_state_dict_pre_hook(adapt_on_load)

    # ---- what the model says of itself

    @property
    def num_features(self) -> int:
        """Width of the head's input: J*D + D for "jumbo_mean", D otherwise."""
        return self.embed_dim * (self.jumbo_multiplier + 1 if self.global_pool == "jumbo_mean" else 1)

    @property
    def head_hidden_size(self) -> int:
        """Width of the head's input, as timm calls it."""
        return self.num_features

    @property
    def grid_size(self) -> tuple[int, int]:
        """Native grid (H, W) in patches: the shape of ``pos_embed``."""
        return self.patch_embed.grid_size

    @property
    def pos_embed_sizes(self) -> tuple[tuple[int, int], ...]:
        """Image sizes (H, W) in pixels that have positions of their own, beside the native one."""
        ph, pw = self.patch_embed.patch_size
        return tuple((H * ph, W * pw) for H, W in list(self.position_tables())[1:])

    def position_tables(self) -> dict[Grid, nn.Parameter]:
        """Learned positions (1, H*W, D) by their grid (H, W), the native one first."""
        return {self.grid_size: self.pos_embed} | {_grid(name): table for name, table in self.pos_embed_tables.items()}

    def position_grids(self) -> dict[str, Grid]:
        """Grids (H, W) of the learned positions by the names of these parameters, the native one first."""
        others = {f"pos_embed_tables.{name}": _grid(name) for name in self.pos_embed_tables}
        return {"pos_embed": self.grid_size} | others

    def _fresh_tables(self, sizes: Sequence[SizeLike]) -> nn.ParameterDict:
        if not isinstance(sizes, (list, tuple)) or not all(map(_is_size, sizes)):
            raise TypeError(f"pos_embed_sizes {sizes!r}: give a list of pixels, each an int or (H, W), as (128, 160)")
        if sizes and not self.dynamic_img_size:
            raise ValueError(
                f"pos_embed_sizes {sizes}: with dynamic_img_size=False the model takes img_size alone, leave it out"
            )
        tables = nn.ParameterDict()
        for size in sizes:
            H, W = grid = self.patch_embed.grid_of(size, "pos_embed_sizes")
            if grid == self.grid_size or f"{H}x{W}" in tables:
                raise ValueError(
                    f"pos_embed_sizes {sizes}: {size}, a grid of {H}x{W} patches, has its positions already, as "
                    "img_size or by an earlier one: leave it out"
                )
            table = resample_pos_embed(self.pos_embed.detach(), self.grid_size, grid)
            tables[f"{H}x{W}"] = nn.Parameter(table)
        return tables

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
        return super().no_weight_decay() | set(self.position_grids())

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """timm's grouping of parameters by depth; the same layers as ``get_layer_depth``."""
        middle = (len(self.blocks) + 1) // 2 - 1
        return dict(
            stem=r"^jumbo_token|pos_embed|patch_embed",
            blocks=[(r"^blocks\.(\d+)", None), (r"^jumbo_mlp", (middle,)), (r"^norm", (99999,))],
        )

    def get_classifier(self) -> nn.Module:
        """The head."""
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
        """Change the native image size (its positions become ``pos_embed``; if it has none of its own, they are
        resampled permanently) or the patch size (the patch kernel is resampled, FlexiViT; ``pos_embed_tables`` keep
        their
        grids). Sizes in pixels; None keeps the present one."""
        tables = self.position_tables()
        self.patch_embed.set_input_size(img_size, patch_size)
        nearest = nearest_grid(tables, self.grid_size)
        with torch.no_grad():
            table = resample_pos_embed(tables[nearest], nearest, self.grid_size).clone()
        self.pos_embed = nn.Parameter(table, requires_grad=self.pos_embed.requires_grad)
        if (name := "{}x{}".format(*self.grid_size)) in self.pos_embed_tables:
            del self.pos_embed_tables[name]
        self._register_grid()
        if self.pos_embed_grid is not None:
            self.pos_embed_grid = self.pos_embed_grid.to(table.device)
        self._position_cache.clear()
        self._describe_features()
        if hasattr(self, "_traits"):  # of timm's factory, for its ``save_for_hf``
            self._traits = dict(self._traits, img_size=self.patch_embed.img_size)

    def train(self, mode: bool = True) -> "JumboViT":
        """Training mode or evaluation mode, as of any module."""
        self._position_cache.clear()  # weights may have been written past the version counter in between
        return super().train(mode)

    def __prepare_scriptable__(self) -> NoReturn:
        """Called by ``torch.jit.script``."""
        _refuse("torch.jit.script cannot compile it")

    # ---- forward

    def embed(self, x: torch.Tensor, budget: ComputeBudget | None = None) -> tuple[torch.Tensor, tuple[int, int]]:
        """Images (B, C, H, W) to patch tokens with positions (B, N, D), and their grid (H, W)."""
        if isinstance(x, fx.Proxy):
            _refuse("torch.fx cannot trace it symbolically")
        budget = budget_of_call(self, budget)
        size = budget.input_size(tuple(x.shape[-2:]), self.patch_embed.patch_size)
        if size != tuple(x.shape[-2:]):
            x = nn.functional.interpolate(x, size, mode="bilinear", antialias=True)
        tokens = self.patch_embed(x)
        grid = self.patch_embed.dynamic_feat_size((x.shape[-2], x.shape[-1]))
        return self.pos_drop(tokens + self._positions(grid)), grid

    def _positions(self, grid: Grid) -> torch.Tensor:
        """(1, H*W, D) positions of a grid."""
        tables = self.position_tables()
        nearest = nearest_grid(tables, grid)
        positions = self._position_cache.get(tables[nearest], nearest, grid)
        if self.training and torch.is_grad_enabled():
            for other, table in tables.items():
                if other != nearest:  # a sum of nothing: a zero, so that each table has a gradient, as DDP demands
                    positions = positions + table[:, :0].sum()
        return positions

    def forward_features(self, x: torch.Tensor, budget: ComputeBudget | None = None) -> torch.Tensor:
        """Images (B, C, H, W) to tokens (B, J+N, D) after the final norm: J slices, then the patches. At a ``budget``
        (None: ``default_budget``) that drops patches: the remaining patches and the fused token."""
        budget = budget_of_call(self, budget)
        x, _ = self.embed(x, budget)
        live, _ = self.encode(x, budget=budget)
        return self.norm(live.tokens)

    def pool(self, x: torch.Tensor, pool_type: str | None = None) -> torch.Tensor:
        """Tokens (B, J+N, D) to the head's input (B, num_features), by ``global_pool`` or another of its kinds."""
        J, kind = self.jumbo_multiplier, self.global_pool if pool_type is None else pool_type
        if kind == "jumbo_mean":
            return torch.cat([x[:, :J].flatten(1), x[:, J:].mean(dim=1)], dim=1)
        if kind == "token":
            return x[:, 0]
        _check_pool(kind)
        return x

    def forward_head(self, x: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        """Tokens (B, J+N, D) to logits (B, K), or with ``pre_logits`` to the head's input (B, num_features)."""
        x = self.head_drop(self.pool(x))
        return x if pre_logits else self.head(x)

    def forward(  # type: ignore[override]  # of images, where the encoder's takes tokens
        self, x: torch.Tensor, budget: ComputeBudget | None = None
    ) -> torch.Tensor:
        """Images (B, C, H, W) to logits (B, K), at a compute budget (None: ``default_budget``)."""
        return self.forward_head(self.forward_features(x, budget))


def _grid(name: str) -> Grid:
    H, W = name.split("x")
    return int(H), int(W)


def _is_size(size: Any) -> bool:
    sides = size if isinstance(size, (list, tuple)) and len(size) == 2 else [size]
    return all(isinstance(side, Integral) and not isinstance(side, bool) for side in sides)


def _check_head(num_classes: int, global_pool: str) -> None:
    if num_classes < 0:
        raise ValueError(f"num_classes must be at least 0 (0: no head), got {num_classes}")
    _check_pool(global_pool)
    if global_pool == "" and num_classes:
        raise ValueError(
            f"global_pool='' leaves nothing to classify: use num_classes=0 instead of {num_classes}, or give "
            "global_pool='jumbo_mean'"
        )


def _check_pool(global_pool: str) -> None:
    if global_pool not in GLOBAL_POOLS:
        raise ValueError(f"unknown global_pool {global_pool!r}: choose one of {', '.join(map(repr, GLOBAL_POOLS))}")


def _refuse(what: str) -> NoReturn:
    raise TypeError(
        f"JumboViT: {what}. For graphs there are torch.compile, torch.export and torch.jit.trace; for feature maps "
        "features_only=True or forward_intermediates; for attention attention_map, or hooks on attn_drop, as in "
        "timm's AttentionExtract(model, method='hook')"
    )
