"""The named sizes, registered with timm: ``timm.create_model("jumbo_small_patch16_224")``.

Sizes are those of the paper (Jumbo, ICLR 2026) and of the weights the authors released for all but "large".
"""

import difflib
import inspect
from functools import partial
from typing import Any, cast

import timm
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model

from .feature_maps import BudgetFeatures
from .preset_sizes import PRESETS, RELEASED, model_name, weights_config
from .vit import JumboViT

_OF_THE_BUILDER = frozenset(inspect.signature(build_model_with_cfg).parameters) | {"features_only"}


def _cfg(preset: str) -> dict[str, Any]:
    released = dict(hf_hub_id="antofuller/jumbo", hf_hub_filename=f"jumbo_{preset}.pth") if preset in RELEASED else {}
    return weights_config() | released


default_cfgs = generate_default_cfgs({model_name(p) + (".in1k" if p in RELEASED else ""): _cfg(p) for p in PRESETS})


def _build(preset: str, pretrained: bool = False, **kwargs: Any) -> JumboViT | BudgetFeatures:
    name, own = model_name(preset), dict(patch_size=16, **PRESETS[preset])
    device, dtype = kwargs.pop("device", None), kwargs.pop("dtype", None)
    out_indices, feature_cls = kwargs.pop("out_indices", 3), kwargs.pop("feature_cls", "getter")
    _check_keywords(name, kwargs)
    model = build_model_with_cfg(
        JumboViT,
        name,
        pretrained,
        feature_cfg=dict(
            out_indices=out_indices, feature_cls=BudgetFeatures if feature_cls == "getter" else feature_cls
        ),
        **dict(own, **kwargs),
    )
    if isinstance(model, BudgetFeatures):
        size = model.model.pretrained_cfg["input_size"]
        model.default_cfg = model.pretrained_cfg = dict(model.pretrained_cfg, input_size=size)
    return model.to(device=device, dtype=dtype)


def _check_keywords(name: str, kwargs: dict[str, Any]) -> None:
    known = inspect.signature(JumboViT).parameters
    for key in kwargs:
        if key not in known and key not in _OF_THE_BUILDER:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f", did you mean {near[0]!r}?" if near else ""
            raise TypeError(
                f"{name} takes no {key!r}{hint or '.'} Of what timm's own ViT can be told, a Jumbo ViT takes "
                f"{', '.join(known)}"
            )


def _register(preset: str) -> None:
    entrypoint: Any = partial(_build, preset)
    entrypoint.__name__ = model_name(preset)
    entrypoint.__module__ = __name__
    entrypoint.__doc__ = f"JumboViT-{preset} on 16x16 patches, 224x224 pixels."
    register_model(entrypoint)
    globals()[entrypoint.__name__] = entrypoint


__all__ = ["PRESETS", "create_model", "list_models"]
for _preset in PRESETS:
    _register(_preset)


def list_models() -> list[str]:
    """Names of the presets, as timm knows them."""
    return [model_name(p) for p in PRESETS]


def create_model(name: str, **kwargs: Any) -> JumboViT:
    """Build a preset by its short name ("small") or timm's ("jumbo_small_patch16_224").

    Args:
        name: The preset.
        **kwargs: As for ``timm.create_model`` (pretrained, checkpoint_path, features_only, …) and ``JumboViT``.

    Raises:
        ValueError: If there is no such preset; the message lists them and names the nearest.
    """
    known = {**{p: model_name(p) for p in PRESETS}, **{model_name(p): model_name(p) for p in PRESETS}}
    if name.split(".")[0] not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.3)
        hint = f", did you mean {near[0]!r}?" if near else "."
        raise ValueError(
            f"unknown preset {name!r}{hint} There are: {', '.join(PRESETS)}, or in full {model_name('small')}, …"
        )
    preset, _, tag = name.partition(".")
    return cast(JumboViT, timm.create_model(known[preset] + (f".{tag}" if tag else ""), **kwargs))
