"""Checks whether a fast path may skip the call of a module: only if the module has no hook and was not replaced.

Some fast paths do not call a module, call it with a part of the batch, or write over its output. A hook would then
see nothing, a part, or other numbers, and a module that replaces one of ours (an adapter, a quantised layer) would be
ignored. So fast paths call these functions first.
"""

import torch
from torch import nn
from torch.nn.modules import module as _torch_module

from .linear import Linear

_on_all = (_torch_module._global_forward_hooks, _torch_module._global_forward_pre_hooks)


def watched(module: nn.Module) -> bool:
    """Whether there is a hook on a module itself, or on all modules."""
    return bool(  # one expression: every block asks several times
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        or _on_all[0]
        or _on_all[1]
    )


def untouched(linear: nn.Module) -> bool:
    """Whether a linear map is a plain one without hooks, so that its weight and bias define all it does."""
    return type(linear) in (Linear, nn.Linear) and type(linear.weight) is nn.Parameter and not watched(linear)


def fresh(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """``module(x)`` as a tensor that may be written over: a hook on the module keeps the original."""
    out = module(x)
    return out.clone() if watched(module) else out
