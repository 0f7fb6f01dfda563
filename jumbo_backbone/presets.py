"""The named sizes, registered with timm: ``timm.create_model("jumbo_small_patch16_224")``.

Sizes are those of the paper (Jumbo, ICLR 2026) and of the weights the authors released for all but "large".
Preprocessing of those weights: shorter side to 224 pixels, bilinear with antialias, centre crop, ImageNet mean and std.
"""

import difflib
from functools import partial
from typing import Any

import timm
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model

from .vit import JumboViT

PRESETS: dict[str, dict[str, int]] = {
    "pico": dict(embed_dim=96, depth=12, num_heads=3, jumbo_multiplier=6),
    "nano": dict(embed_dim=128, depth=12, num_heads=4, jumbo_multiplier=6),
    "tiny": dict(embed_dim=192, depth=12, num_heads=3, jumbo_multiplier=6),
    "small": dict(embed_dim=384, depth=12, num_heads=6, jumbo_multiplier=6),
    "base": dict(embed_dim=768, depth=12, num_heads=12, jumbo_multiplier=3),
    "large": dict(embed_dim=1024, depth=24, num_heads=16, jumbo_multiplier=3),
}
_RELEASED = ("pico", "nano", "tiny", "small", "base")


def _model_name(preset: str) -> str:
    return f"jumbo_{preset}_patch16_224"


def _cfg(preset: str) -> dict[str, Any]:
    released = dict(hf_hub_id="antofuller/jumbo", hf_hub_filename=f"jumbo_{preset}.pth") if preset in _RELEASED else {}
    return dict(
        num_classes=1000,
        input_size=(3, 224, 224),
        pool_size=None,
        crop_pct=1.0,
        crop_mode="center",
        interpolation="bilinear",
        mean=IMAGENET_DEFAULT_MEAN,
        std=IMAGENET_DEFAULT_STD,
        first_conv="patch_embed.proj",
        classifier="head",
        **released,
    )


default_cfgs = generate_default_cfgs({_model_name(p) + (".in1k" if p in _RELEASED else ""): _cfg(p) for p in PRESETS})


def _build(preset: str, pretrained: bool = False, **kwargs) -> JumboViT:
    out_indices = kwargs.pop("out_indices", 3)
    return build_model_with_cfg(
        JumboViT,
        _model_name(preset),
        pretrained,
        feature_cfg=dict(out_indices=out_indices, feature_cls="getter"),
        **dict(dict(patch_size=16, **PRESETS[preset]), **kwargs),
    )


def _register(preset: str) -> None:
    entrypoint = partial(_build, preset)
    entrypoint.__name__ = _model_name(preset)
    entrypoint.__module__ = __name__
    entrypoint.__doc__ = f"JumboViT-{preset} on 16x16 patches, 224x224 pixels."
    register_model(entrypoint)
    globals()[entrypoint.__name__] = entrypoint


__all__ = ["PRESETS", "create_model", "list_models"]
for _preset in PRESETS:
    _register(_preset)


def list_models() -> list[str]:
    """Names of the presets, as timm knows them."""
    return [_model_name(p) for p in PRESETS]


def create_model(name: str, **kwargs) -> JumboViT:
    """Build a preset by its short name ("small") or timm's ("jumbo_small_patch16_224").

    Args:
        name: The preset.
        **kwargs: As for ``timm.create_model`` (pretrained, checkpoint_path, features_only, …) and ``JumboViT``.

    Raises:
        ValueError: If there is no such preset; the message lists them and names the nearest.
    """
    known = {**{p: _model_name(p) for p in PRESETS}, **{_model_name(p): _model_name(p) for p in PRESETS}}
    if name.split(".")[0] not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.3)
        hint = f", did you mean {near[0]!r}?" if near else "."
        raise ValueError(
            f"unknown preset {name!r}{hint} There are: {', '.join(PRESETS)}, or in full {_model_name('small')}, …"
        )
    preset, _, tag = name.partition(".")
    return timm.create_model(known[preset] + (f".{tag}" if tag else ""), **kwargs)
