"""Images to patch tokens: timm's ``PatchEmbed`` with errors a user can act on and free sizes in one compiled graph."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from timm.layers import PatchEmbed as TimmPatchEmbed
from timm.layers import to_2tuple

SizeLike = int | Sequence[int]


class PatchEmbed(TimmPatchEmbed):
    """Non-overlapping patches of (B, C, H, W) mapped to tokens (B, N, D), row by row.

    timm's own ``forward`` formats its checks' messages on every call, which ties a compiled graph to one image size.

    Args:
        img_size: Native size in pixels, int or (H, W).
        patch_size: Patch size in pixels, int or (H, W).
        in_chans: Input channels C.
        embed_dim: Token width D.
        dynamic_img_size: Take images of other sizes too.
        dynamic_img_pad: Pad images with zeros on the right and bottom to whole patches instead of refusing them.

    Raises:
        ValueError: If the native size has not a whole number of patches (and is not to be padded).
    """

    def __init__(
        self,
        *,
        img_size: SizeLike,
        patch_size: SizeLike,
        in_chans: int,
        embed_dim: int,
        dynamic_img_size: bool = True,
        dynamic_img_pad: bool = False,
    ) -> None:
        size, patch = to_2tuple(img_size), to_2tuple(patch_size)
        self._check_native(size, patch, dynamic_img_pad)
        if in_chans < 1:
            raise ValueError(f"in_chans must be at least 1, got {in_chans}")
        super().__init__(
            img_size=_whole_patches(size, patch),
            patch_size=patch,
            in_chans=in_chans,
            embed_dim=embed_dim,
            strict_img_size=not dynamic_img_size,
            dynamic_img_pad=dynamic_img_pad,
        )

    def set_input_size(self, img_size: SizeLike | None = None, patch_size: SizeLike | None = None) -> None:
        """Change the native size, or the patch size by resampling the kernel (FlexiViT); None keeps what is there."""
        size, patch = to_2tuple(img_size or self.img_size), to_2tuple(patch_size or self.patch_size)
        self._check_native(size, patch, self.dynamic_img_pad)
        super().set_input_size(_whole_patches(size, patch), patch)

    def grid_of(self, size: SizeLike, name: str) -> tuple[int, int]:
        """Grid (H, W) in patches of an image size in pixels, which messages call ``name``.

        Raises:
            ValueError: If it has not a whole number of patches (and is not to be padded).
        """
        self._check_native(to_2tuple(size), self.patch_size, self.dynamic_img_pad, name)
        return self.dynamic_feat_size(to_2tuple(size))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images (B, C, H, W) to tokens (B, N, D)."""
        self._check_images(x)
        if self.dynamic_img_pad:
            (H, W), (ph, pw) = x.shape[-2:], self.patch_size
            x = F.pad(x, (0, -W % pw, 0, -H % ph))
        return self.proj(x).flatten(2).transpose(1, 2)

    @staticmethod
    def _check_native(size: tuple[int, int], patch: tuple[int, int], pad: bool, name: str = "img_size") -> None:
        (H, W), (ph, pw) = size, patch
        if ph < 1 or pw < 1:
            raise ValueError(f"patch_size must be at least 1, got {ph}x{pw}")
        if H < ph or W < pw:
            raise ValueError(f"{name} {H}x{W} is smaller than one patch of {ph}x{pw}: use a larger one")
        if (H % ph or W % pw) and not pad:
            raise ValueError(
                f"{name} {H}x{W} is not a multiple of patch_size {ph}x{pw}: use {H // ph * ph}x{W // pw * pw}, "
                "or dynamic_img_pad=True"
            )

    def _check_images(self, x: torch.Tensor) -> None:
        C = self.proj.in_channels
        if x.ndim != 4 or x.shape[1] != C:
            raise ValueError(
                f"images must be (B, {C}, H, W), got {tuple(x.shape)}: "
                "permute channels to the front, or build the model with another in_chans"
            )
        if not x.is_floating_point():
            raise TypeError(
                f"images must be floating point, got {x.dtype}: convert with images.float() / 255, then normalise"
            )
        if (
            self.strict_img_size
            and _whole_patches(x.shape[-2:], self.patch_size, self.dynamic_img_pad) != self.img_size
        ):
            (H, W), (h, w) = x.shape[-2:], self.img_size
            raise ValueError(
                f"image size {H}x{W} is not the model's {h}x{w}: resize the image, call set_input_size(({H}, {W})), or "
                "build the model without dynamic_img_size=False"
            )
        (H, W), (ph, pw) = x.shape[-2:], (1, 1) if self.dynamic_img_pad else self.patch_size
        if H < ph or W < pw:
            raise ValueError(
                f"image size {H}x{W} is smaller than one patch of {ph}x{pw}: resize the image, "
                "or build the model with dynamic_img_pad=True"
            )
        if H % ph or W % pw:
            raise ValueError(
                f"image size {H}x{W} is not a multiple of the patch {ph}x{pw}: resize or crop to "
                f"{H // ph * ph}x{W // pw * pw}, or build the model with dynamic_img_pad=True"
            )


def _whole_patches(size: Sequence[int], patch: Sequence[int], pad: bool = True) -> tuple[int, int]:
    H, W = (math.ceil(s / p) * p if pad else s for s, p in zip(size, patch, strict=True))
    return H, W
