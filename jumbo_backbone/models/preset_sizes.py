"""The sizes of the paper (Jumbo, ICLR 2026), by name, and what timm is told about a model of them."""

from typing import Any

from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

PRESETS: dict[str, dict[str, int]] = {
    "pico": dict(embed_dim=96, depth=12, num_heads=3, jumbo_multiplier=6),
    "nano": dict(embed_dim=128, depth=12, num_heads=4, jumbo_multiplier=6),
    "tiny": dict(embed_dim=192, depth=12, num_heads=3, jumbo_multiplier=6),
    "small": dict(embed_dim=384, depth=12, num_heads=6, jumbo_multiplier=6),
    "base": dict(embed_dim=768, depth=12, num_heads=12, jumbo_multiplier=3),
    "large": dict(embed_dim=1024, depth=24, num_heads=16, jumbo_multiplier=3),
}
RELEASED = ("pico", "nano", "tiny", "small", "base")  # presets of which the authors published weights


def model_name(preset: str) -> str:
    """What timm calls a preset."""
    return f"jumbo_{preset}_patch16_224"


def preset_of(embed_dim: int, jumbo_multiplier: int, depth: int | None = None) -> str | None:
    """The preset of a width, a number of slices and a depth (None: any); None if there is none."""
    for preset, sizes in PRESETS.items():
        wanted = (sizes["embed_dim"], sizes["jumbo_multiplier"])
        if wanted == (embed_dim, jumbo_multiplier) and depth in (None, sizes["depth"]):
            return preset
    return None


def weights_config(num_classes: int = 1000) -> dict[str, Any]:
    """timm's description of the released weights and of the images they take: shorter side to 224 pixels, bilinear
    with antialias, centre crop, ImageNet mean and std."""
    return dict(
        num_classes=num_classes,
        input_size=(3, 224, 224),
        pool_size=None,
        crop_pct=1.0,
        crop_mode="center",
        interpolation="bilinear",
        mean=IMAGENET_DEFAULT_MEAN,
        std=IMAGENET_DEFAULT_STD,
        first_conv="patch_embed.proj",
        classifier="head",
    )
