"""The Jumbo token's FFN in 8 bits."""

import torch
from torch import nn

from .fast.int8_linear import Int8Linear, of_int8
from .jumbo import JumboMlp


def quantize_jumbo_ffn(model: nn.Module) -> nn.Module:
    """Keep the weights of the Jumbo token's FFN as int8, with a scale for each row, in place: for inference on CPU with
    one image or a few, which spends up to half of its time on reading these weights.

    Nothing else changes: patch tokens are computed as before. The FFN no longer learns. Files of float weights are
    quantised as they are loaded into such a model, and ``load_checkpoint`` makes the weights of a quantised file float
    again for a model that is not.

    Args:
        model: Any module with a ``JumboEncoder`` in it; of float weights, or quantised already, which changes nothing.

    Returns:
        The model.

    Raises:
        ValueError: If no FFN of a Jumbo token is in it, as with ``jumbo_ffn="none"`` or ``"patch"``.
    """
    ffns = [module for module in model.modules() if isinstance(module, JumboMlp)]
    if not ffns:
        raise ValueError(
            f"{type(model).__name__} has no FFN of a Jumbo token whose weights could be kept in 8 bits: it is for "
            'models with jumbo_ffn="shared" or "per_layer", before they are compiled or exported'
        )
    for ffn in ffns:
        for name in ("fc1", "fc2"):
            if isinstance(linear := getattr(ffn, name), nn.Linear):
                setattr(ffn, name, Int8Linear.of(linear))
    return model


def fit_ffn(model: nn.Module, state_dict: dict[str, torch.Tensor], prefix: str) -> list[str]:
    """Make weights in a state dict int8 or float, in place, as the maps of a model are; a line for each changed."""
    changed = []
    for place, module in model.named_modules():
        inside = f"{prefix}{place}."
        if isinstance(module, Int8Linear) and f"{inside}scale" not in state_dict:
            module.quantise(state_dict, inside)
            changed.append(f"{place}.weight to int8")
        elif isinstance(module, nn.Linear) and f"{inside}scale" in state_dict:
            state_dict[f"{inside}weight"] = of_int8(state_dict[f"{inside}weight"], state_dict.pop(f"{inside}scale"))
            changed.append(f"{place}.weight from int8")
    return changed
