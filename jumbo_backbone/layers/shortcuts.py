"""When a shortcut past a module is allowed: nobody watches the module, and no graph is recorded.

Some of this package's fast paths do not call a module, call it with a part of the batch, or write over what it gave.
Hooks would then see nothing, a part, or other numbers, and a module that somebody has put in the place of ours (an
adapter, a quantised layer) would be passed over. These functions are asked first.
"""

import torch
from torch import nn
from torch.nn.modules import module as _torch_module

from .fast.linear import Linear

_on_all = (_torch_module._global_forward_hooks, _torch_module._global_forward_pre_hooks)


def watched(module: nn.Module) -> bool:
    """Whether there is a hook on a module itself, or on all modules."""
    return bool(  # one expression: it is asked for several times in every block
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        or _on_all[0]
        or _on_all[1]
    )


def untouched(linear: nn.Module) -> bool:
    """Whether a linear map is a plain one, so that its weights (not quantised, distributed, …) say all about it."""
    return type(linear) in (Linear, nn.Linear) and type(linear.weight) is nn.Parameter and not watched(linear)


def fresh(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """``module(x)`` as a tensor that may be written over: whoever watches the module keeps the one it gave."""
    out = module(x)
    return out.clone() if watched(module) else out


def recording_graph() -> bool:
    """Whether a compiler or a tracer records the operations: it must not be tied to sizes, nor see writes in place."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()
