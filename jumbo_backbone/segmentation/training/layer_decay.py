"""Layer-wise learning-rate decay that asks the backbone how deep a parameter lies.

mmsegmentation's constructor knows three backbones by their class names and gives parameters that it cannot place the
head's full rate. Here a backbone publishes ``get_layer_depth(name)`` and ``no_weight_decay()``, as ours do.
"""

from collections import Counter
from typing import Any

from mmengine.logging import print_log
from mmengine.optim import DefaultOptimWrapperConstructor
from mmseg.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

# wrappers put these into names: FSDP, torch.compile, activation checkpointing
_WRAPPERS = ("_fsdp_wrapped_module.", "_orig_mod.", "_checkpoint_wrapped_module.")


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerDecayOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """Parameter groups by layer and weight decay.

    With ``paramwise_cfg = dict(layer_decay_rate=r)`` the rate of layer l of n is ``lr * r ** (n - 1 - l)`` in the
    backbone, and ``lr`` in everything outside it. Parameters of one dimension (norms, biases) and those that the
    backbone names (tokens, positions) take no weight decay. ``custom_keys`` works as in mmengine, after that: the
    longest key that a name contains counts, and its ``lr_mult`` and ``decay_mult`` multiply the rate and the weight
    decay.

    Raises:
        ValueError: If the rate is not in (0, 1], ``paramwise_cfg`` has other keys, or the model has no backbone with
            these two methods.
    """

    def _validate_cfg(self) -> None:
        super()._validate_cfg()
        cfg = self.paramwise_cfg
        if unknown := set(cfg) - {"layer_decay_rate", "custom_keys"}:
            raise ValueError(
                f"paramwise_cfg of {type(self).__name__} takes layer_decay_rate and custom_keys, not "
                f"{', '.join(sorted(unknown))}"
            )
        if not 0 < cfg.get("layer_decay_rate", 0) <= 1:
            raise ValueError(
                f"paramwise_cfg.layer_decay_rate is {cfg.get('layer_decay_rate')!r}: give a number above 0 and at "
                "most 1 (1: one rate for all layers)"
            )

    def add_params(self, params: list[dict], module: nn.Module, **kwargs: Any) -> None:
        """Append one group for each pair of learning rate and weight decay; every parameter is in exactly one."""
        backbone: Any = getattr(module, "backbone", None)
        if not (hasattr(backbone, "get_layer_depth") and hasattr(backbone, "no_weight_decay")):
            raise ValueError(
                f"layer decay asks the backbone for get_layer_depth(name) and no_weight_decay(), which "
                f"{type(backbone).__name__} lacks: use JumboViTBackbone or TimmViTBackbone, or another constructor"
            )
        no_decay = backbone.no_weight_decay()
        groups: dict[tuple[float, float], dict] = {}
        for name, parameter in module.named_parameters():
            if not parameter.requires_grad:
                continue
            for wrapper in _WRAPPERS:
                name = name.replace(wrapper, "")
            lr_mult, decay_mult = 1.0, 0.0 if parameter.ndim <= 1 else 1.0
            if name.startswith("backbone."):
                inner = name.removeprefix("backbone.")
                layer, num_layers = backbone.get_layer_depth(inner)
                lr_mult = self.paramwise_cfg["layer_decay_rate"] ** (num_layers - 1 - layer)
                if inner in no_decay:
                    decay_mult = 0.0
            custom = self._custom(name)
            lr_mult, decay_mult = lr_mult * custom.get("lr_mult", 1.0), decay_mult * custom.get("decay_mult", 1.0)
            group = groups.setdefault((lr_mult, decay_mult), dict(params=[], lr=self.base_lr * lr_mult))
            group["params"].append(parameter)
            if self.base_wd is not None:
                group["weight_decay"] = self.base_wd * decay_mult
        params.extend(groups[key] for key in sorted(groups))
        print_log(f"layer decay: {_told(groups)}", logger="current")

    def _custom(self, name: str) -> dict:
        custom_keys = self.paramwise_cfg.get("custom_keys", {})
        matching = [key for key in custom_keys if key in name]
        return custom_keys[max(matching, key=len)] if matching else {}


def _told(groups: dict[tuple[float, float], dict]) -> str:
    count: Counter[float] = Counter()
    for (lr_mult, _), group in groups.items():
        count[lr_mult] += len(group["params"])
    return ", ".join(f"{n} parameters at {lr_mult:.3g} of lr" for lr_mult, n in sorted(count.items()))
