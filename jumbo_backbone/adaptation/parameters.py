"""Which parameters test-time adaptation changes, and which models it can take."""

import math
from typing import Any

import torch
from torch import nn

SHARE = 0.75  # of the blocks


def parameters_to_adapt(model: nn.Module, share: float = SHARE) -> dict[str, nn.Parameter]:
    """The weights and biases of the LayerNorms in the first blocks of a model: of the Jumbo token's ``norm3``, too, and
    never of the final norm. Adapting the last blocks, which hold the most of what was learned of the classes, makes
    a model collapse (SAR, ICLR 2023, appendix C.2).

    A model that says how deep a parameter is (``get_layer_depth``) is asked; so is the backbone of a segmentor. In any
    other model, such as one of timm, a block is an item of a list of modules that holds two LayerNorms or more.
    Parameters that take no gradient are left out.

    Args:
        model: In which to look.
        share: The share of the blocks, from above 0 to below 1, rounded down.

    Returns:
        The parameters by their names in ``model.named_parameters()``.

    Raises:
        ValueError: If the share is out of range, or there is nothing to adapt; the message says why.
        TypeError: If the model is compiled, traced or exported, or no module.
    """
    require_plain(model)
    if not 0 < share < 1:
        raise ValueError(f"share={share} of the blocks: give a number above 0 and below 1; the paper's is {SHARE}")
    blocks, depth = _blocks_of_norms(model)
    if not blocks:
        raise ValueError(
            f"{type(model).__name__} has no LayerNorms in its blocks, whose weights Tent and SAR adapt: give a vision "
            "transformer with LayerNorms"
        )
    first = math.floor(share * depth)
    if not first:
        raise ValueError(f"{share} of {depth} block{'s' * (depth > 1)} is none: give a deeper model or a larger share")
    chosen = {name: parameter for name, (parameter, block) in blocks.items() if block < first}
    if not any(parameter.requires_grad for parameter in chosen.values()):
        raise ValueError(
            f"the LayerNorms of the first {first} of {depth} blocks are frozen (requires_grad=False): call "
            "model.requires_grad_(True) before it is adapted"
        )
    return {name: parameter for name, parameter in chosen.items() if parameter.requires_grad}


def require_plain(model: Any) -> None:
    """Raise a TypeError unless ``model`` is a module whose forward pass records gradients."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"a model is a torch.nn.Module, not {type(model).__name__}: exported models cannot be adapted")
    for module in model.modules():
        if "_orig_mod" in module._modules or module._compiled_call_impl is not None:
            raise TypeError("a compiled model cannot be adapted: give the model that torch.compile was given")
        if isinstance(module, (torch.jit.ScriptModule, torch.fx.GraphModule)):
            raise TypeError(
                "a traced, scripted or exported model cannot be adapted: give the model that it was made from"
            )


def _blocks_of_norms(model: nn.Module) -> tuple[dict[str, tuple[nn.Parameter, int]], int]:
    """The LayerNorms' parameters by name, each with the number of its block, and the number of blocks."""
    for place, module in model.named_modules():
        if hasattr(module, "get_layer_depth"):
            return _as_told(place, module)
    return _by_structure(model)


def _as_told(place: str, encoder: Any) -> tuple[dict[str, tuple[nn.Parameter, int]], int]:
    """By the encoder's own word: layer 0 is its stem, layers 1 to L its blocks, and L+1 what comes after."""
    found, layers = {}, 2
    for name, parameter in _of_norms(encoder).items():
        layer, layers = encoder.get_layer_depth(name)
        if 0 < layer < layers - 1:
            found[f"{place}.{name}" if place else name] = parameter, layer - 1
    return found, layers - 2


def _by_structure(model: nn.Module) -> tuple[dict[str, tuple[nn.Parameter, int]], int]:
    """By the lists of modules within the model, or within its backbone."""
    encoder = getattr(model, "backbone", model)
    place = next(place for place, module in model.named_modules() if module is encoder)
    by_item: dict[str, dict[str, nn.Parameter]] = {}
    for name, parameter in _of_norms(model).items():
        parts = name.split(".")[:-2]  # without "norm1.weight"
        numbered = [i for i, part in enumerate(parts) if part.isdigit()]
        if numbered and name.startswith(place):
            by_item.setdefault(".".join(parts[: numbered[-1] + 1]), {})[name] = parameter
    blocks = [norms for norms in by_item.values() if len({name.rpartition(".")[0] for name in norms}) > 1]
    return {name: (norm, i) for i, norms in enumerate(blocks) for name, norm in norms.items()}, len(blocks)


def _of_norms(model: nn.Module) -> dict[str, nn.Parameter]:
    """The weights and biases of all LayerNorms, by their names, in the order of the modules."""
    return {
        f"{place}.{name}" if place else name: parameter
        for place, module in model.named_modules()
        if isinstance(module, nn.LayerNorm)
        for name, parameter in module.named_parameters(recurse=False)
    }
