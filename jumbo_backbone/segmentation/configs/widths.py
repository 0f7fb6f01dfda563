"""The widths of a config that follow its backbone's: neck and heads take maps as wide as the backbone gives them.

Configs say each width where it is needed. Whoever changes ``model.backbone.arch`` alone, such as its preset, would have
to change all of them; here those that were left as they came are set.
"""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ...models.preset_sizes import PRESETS, RELEASED
from ..models.backbone import JumboViTBackbone, sizes_of
from .registered import is_of
from .variables import ConfigFile

_ARCH = "model.backbone.arch"
_WEIGHTS = "hf-hub:antofuller/jumbo/jumbo_{}.pth"  # the authors' weights of a preset


def follow_backbone(cfg: Config, path: Path, options: Collection[str] = ()) -> list[str]:
    """Set the widths of neck and heads, and the released weights, that a change of the backbone left behind.

    Args:
        cfg: A config, which is changed.
        path: The file that it was read from; what its base configs say is not a user's own choice.
        options: Keys that were changed on the command line, which are.

    Returns:
        What was changed, a line each; nothing for a config whose widths fit each other.

    Raises:
        ValueError: If a width that somebody chose does not fit the backbone's, naming both; if an option names a preset
            whose sizes the config overrides.
    """
    model: Any = cfg.get("model") or {}
    if not is_of(model.get("backbone") or {}, JumboViTBackbone):
        return []
    arch = model.backbone.get("arch", "small")
    if f"{_ARCH}.preset" in options and "embed_dim" in arch:
        raise ValueError(
            f"{_ARCH}.preset={arch.preset} has no effect on the width, as the config sets {_ARCH}.embed_dim="
            f"{arch.embed_dim}: take it out of the config, or set {_ARCH}.embed_dim and num_heads themselves"
        )
    width: Any = sizes_of(arch).get("embed_dim")
    wrong = [(place, node, key) for place, node, key in _places(model) if set(_all(node[key])) != {width}]
    wrong = [] if width is None else wrong
    came = _widths_of_files(path) if wrong else set()
    followed = []
    for place, node, key in wrong:
        value = node[key]
        if place in options or not set(_all(value)) <= came:
            raise ValueError(
                f"{place}={value!r} does not fit {_ARCH}, which is {width} wide: leave it out, and it follows the "
                f"backbone, or choose an arch of that width"
            )
        if node.get("num_convs") == 0 and node.get("channels") == sum(_all(value)):  # such a head changes no width
            node["channels"] = width * len(_all(value))
        node[key] = [width] * len(value) if isinstance(value, (list, tuple)) else width
        followed.append(place)
    told = [f"{_ARCH} is {width} wide; {', '.join(followed)} follow it"] if followed else []
    depth, indices = sizes_of(arch).get("depth", 0), model.backbone.get("out_indices")
    if followed and indices and 0 <= max(_all(indices)) < depth - 1 and min(_all(indices)) >= 0:
        told.append(f"model.backbone.out_indices={indices!r} uses {max(_all(indices)) + 1} of {depth} blocks: set it")
    return told + list(_weights(model, arch, options))


def _places(model: dict[str, Any]) -> Iterator[tuple[str, dict, str]]:
    """Where a config says how wide the backbone's maps are: place, the dict, and its key."""
    neck = model.get("neck")
    if neck:
        key = "embed_dim" if "embed_dim" in neck else "in_channels"
        if key in neck:
            yield f"model.neck.{key}", neck, key
        if neck.get("type") != "Feature2Pyramid":  # which keeps the width; behind others it is theirs
            return
    for name in ("decode_head", "auxiliary_head"):
        heads = model.get(name) or []
        single = isinstance(heads, dict)
        for number, head in enumerate([heads] if single else heads):
            if "in_channels" in head:
                yield f"model.{name}{'' if single else f'.{number}'}.in_channels", head, "in_channels"


def _all(value: Any) -> list:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _widths_of_files(path: Path) -> set[int]:
    """Of the backbones of a config file and of all that it builds on."""
    found: set[Any] = set()
    for file in ConfigFile(path).chain():
        backbone = (Config.fromfile(file.path).get("model") or {}).get("backbone") or {}
        if is_of(backbone, JumboViTBackbone):
            found.add(sizes_of(backbone.get("arch", "small")).get("embed_dim"))
    return found


def _weights(model: Any, arch: Any, options: Collection[str]) -> Iterator[str]:
    """Take the released weights of the preset, where a config has those of another."""
    init = model.backbone.get("init_cfg")
    preset = arch if isinstance(arch, str) else arch.get("preset")
    chosen = any(option.startswith("model.backbone.init_cfg") for option in options)
    if chosen or preset not in PRESETS or not isinstance(init, dict):
        return
    others = {_WEIGHTS.format(name) for name in RELEASED if name != preset}
    if init.get("checkpoint") not in others:
        return
    if preset not in RELEASED:
        raise ValueError(
            f"model.backbone.init_cfg.checkpoint={init['checkpoint']} does not fit {_ARCH}, which is {preset}, and "
            f"there are no released weights of {preset}: set model.backbone.init_cfg=None, or give a file of your own"
        )
    init["checkpoint"] = _WEIGHTS.format(preset)
    yield f"{_ARCH} is {preset}; model.backbone.init_cfg.checkpoint is {init['checkpoint']}"
