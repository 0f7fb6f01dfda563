"""Masked autoencoding of images (He et al., "Masked autoencoders are scalable vision learners", CVPR 2022, section 3)
with a Jumbo encoder.

The encoder sees a random quarter of an image's patches. A small decoder sees what the encoder made of them, with a
learned token in every hidden place, and predicts the pixels of the hidden patches. Afterwards the
decoder is not needed.
"""

from typing import NamedTuple

import torch
from timm.layers import build_sincos2d_pos_embed
from torch import nn

from ..budgets.budget import ComputeBudget
from ..layers.block import Block
from ..models.vit import JumboViT
from .masks import Source, draw_masks, hidden_count
from .patches import to_images, to_patches

_EPS = 1e-6  # of the variance of a patch, which may be of one colour


class Reconstruction(NamedTuple):
    """Images (B, C, H, W) in the units of the images that were given.

    Attributes:
        images: The images.
        visible: The same with hidden patches set to 0, the mean of normalised images.
        reconstruction: The same with hidden patches as the decoder predicts them.
        hidden: Bool (B, h, w), True for hidden patches.
    """

    images: torch.Tensor
    visible: torch.Tensor
    reconstruction: torch.Tensor
    hidden: torch.Tensor


class MaskedAutoencoder(nn.Module):
    """A ``JumboViT`` with a decoder that predicts the pixels of hidden patches.

    Any kind of the Jumbo token's FFN, any number of channels and any size of images with whole patches will do. The
    encoder always computes the full budget of the patches that it sees.

    Args:
        model: The encoder; its head is not used.
        mask_ratio: The share of hidden patches.
        decoder_dim: Width of the decoder's tokens, a multiple of 4.
        decoder_depth: Number of its blocks. One or two suffice for fine-tuning; a linear probe needs more (He et al.,
            table 1a).
        decoder_heads: Its attention heads.
        norm_pixels: Predict the pixels of each patch less their mean and over their deviation, which gives better
            features (He et al., table 1d).

    Raises:
        ValueError: If sizes do not fit each other, or the ratio leaves nothing hidden or nothing visible at the
            model's own image size.

    Attributes:
        backbone: The encoder.
    """

    def __init__(
        self,
        model: JumboViT,
        mask_ratio: float = 0.75,
        decoder_dim: int = 128,
        decoder_depth: int = 2,
        decoder_heads: int = 4,
        norm_pixels: bool = True,
    ) -> None:
        _check_sizes(decoder_dim, decoder_depth, decoder_heads)
        super().__init__()
        grid, patch = model.grid_size, model.patch_embed.patch_size
        hidden_count(grid[0] * grid[1], mask_ratio)
        values = model.in_chans * patch[0] * patch[1]
        if norm_pixels and values == 1:
            raise ValueError(
                "norm_pixels=True with patches of one value (1x1 pixels, one channel) leaves nothing to predict: give "
                "larger patches or norm_pixels=False"
            )
        self.mask_ratio, self.norm_pixels = mask_ratio, norm_pixels
        self.backbone = model
        self.decoder_embed = nn.Linear(model.embed_dim, decoder_dim)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, decoder_dim))
        # all tokens go through one FFN: plain blocks
        self.decoder_blocks = nn.Sequential(
            *(Block(decoder_dim, decoder_heads, jumbo_multiplier=0, jumbo_ffn="patch") for _ in range(decoder_depth))
        )
        self.decoder_norm = nn.LayerNorm(decoder_dim)
        self.decoder_head = nn.Linear(decoder_dim, values)
        self._init_decoder()

    def _init_decoder(self) -> None:
        """As He et al. (appendix A.1): Xavier's uniform weights, biases zero."""
        nn.init.normal_(self.mask_token, std=0.02)
        for part in (self.decoder_embed, self.decoder_blocks, self.decoder_head):
            for module in part.modules():
                if isinstance(module, nn.Linear):
                    nn.init.xavier_uniform_(module.weight)
                    nn.init.zeros_(module.bias)

    def forward(self, images: torch.Tensor, generator: Source = None) -> torch.Tensor:
        """The loss, see ``loss``."""
        return self.loss(images, generator)

    def loss(self, images: torch.Tensor, generator: Source = None) -> torch.Tensor:
        """The mean of ``losses``, a scalar."""
        return self.losses(images, generator).mean()

    def losses(self, images: torch.Tensor, generator: Source = None) -> torch.Tensor:
        """The mean squared error of the hidden patches of each image.

        Args:
            images: (B, C, H, W), float, normalised as the encoder takes them.
            generator: Its state decides which patches are hidden; None for torch's own on the CPU. Or one for each
                image: then its mask, and its loss, do not depend on the others in the batch.

        Returns:
            (B,), float32.

        Raises:
            ValueError: If the images have not a whole number of patches, or nothing is hidden or nothing visible.
        """
        predicted, hidden, _ = self._predict(images, generator)
        target = _take(to_patches(images, self.backbone.patch_embed.patch_size), hidden)
        if self.norm_pixels:
            mean, deviation = _spread(target)
            target = (target - mean) / deviation
        return (predicted.float() - target.float()).square().mean(dim=(1, 2))

    @torch.no_grad()
    def reconstruct(self, images: torch.Tensor, generator: Source = None) -> Reconstruction:
        """Hide patches of images and predict them, in pixels: if the decoder predicts normalised pixels, each hidden
        patch gets its own mean and deviation back, which the decoder does not know.

        Args:
            images: As in ``loss``.
            generator: As in ``loss``.

        Raises:
            ValueError: As in ``loss``.
        """
        predicted, hidden, grid = self._predict(images, generator)
        predicted, patch = predicted.to(images.dtype), self.backbone.patch_embed.patch_size
        patches = to_patches(images, patch)
        if self.norm_pixels:
            mean, deviation = _spread(_take(patches, hidden))
            predicted = predicted * deviation + mean
        places = hidden.unsqueeze(-1).expand(-1, -1, patches.shape[2])
        flags = torch.zeros(patches.shape[:2], dtype=torch.bool, device=images.device).scatter(1, hidden, True)
        return Reconstruction(
            images,
            to_images(patches.scatter(1, places, 0.0), grid, patch),
            to_images(patches.scatter(1, places, predicted), grid, patch),
            flags.unflatten(1, grid),
        )

    def _predict(self, images: torch.Tensor, generator: Source) -> tuple[torch.Tensor, torch.Tensor, tuple[int, int]]:
        """The hidden patches (B, M, C*ph*pw) as the decoder gives them, which ones they are (B, M), and the grid."""
        self._require_whole_patches(images)
        model, full = self.backbone, ComputeBudget()
        x, grid = model.embed(images, full)
        visible, hidden = draw_masks(x.shape[0], x.shape[1], self.mask_ratio, generator)
        visible, hidden = visible.to(x.device), hidden.to(x.device)
        live, _ = model.encode(_take(x, visible), budget=full)
        tokens = self.decoder_embed(model.norm(live.tokens))  # (B, J+N-M, d)
        slices, seen = tokens.split([model.num_prefix_tokens, visible.shape[1]], dim=1)
        dim = self.decoder_embed.out_features
        places = build_sincos2d_pos_embed(list(grid), dim, device=tokens.device, dtype=tokens.dtype)  # (N, d)
        # attention does not heed the order of its tokens: the hidden places may stand at the end
        asked = self.mask_token.to(tokens.dtype) + places[hidden]
        tokens = self.decoder_blocks(torch.cat([slices, seen + places[visible], asked], dim=1))
        return self.decoder_head(self.decoder_norm(tokens[:, -hidden.shape[1] :])), hidden, grid

    def _require_whole_patches(self, images: torch.Tensor) -> None:
        """The encoder may pad images, but there are no pixels to predict in the padding."""
        ph, pw = self.backbone.patch_embed.patch_size
        H, W = images.shape[-2:]
        if H % ph or W % pw:
            raise ValueError(
                f"image size {H}x{W} is not a multiple of the patch {ph}x{pw}: resize or crop to "
                f"{max(H // ph, 1) * ph}x{max(W // pw, 1) * pw}"
            )


def _take(x: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Of (B, N, D) the rows at ``places`` (B, n): (B, n, D)."""
    return x.gather(1, places.unsqueeze(-1).expand(-1, -1, x.shape[-1]))


def _spread(patches: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation of the values of each patch, (B, n, 1) each."""
    variance, mean = torch.var_mean(patches, dim=-1, correction=0, keepdim=True)
    return mean, (variance + _EPS).sqrt()


def _check_sizes(dim: int, depth: int, heads: int) -> None:
    for name, value in dict(decoder_dim=dim, decoder_depth=depth, decoder_heads=heads).items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    if dim % heads:
        raise ValueError(f"decoder_heads={heads} does not divide decoder_dim={dim}: give a divisor of {dim}")
    if dim % 4:
        raise ValueError(
            f"decoder_dim={dim} must be a multiple of 4, for sine-cosine positions: give {max(dim // 4, 1) * 4}"
        )
