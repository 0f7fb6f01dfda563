"""Checks whether operations are being recorded; all code of this package uses these functions."""

import torch


def recording() -> bool:
    """Whether operations are recorded for a gradient or into a graph. Then nothing may be written in place."""
    return torch.is_grad_enabled() or tracing()


def tracing() -> bool:
    """Whether a compiler or a tracer records operations into a graph. Such a graph must not depend on a batch size or
    a number of tokens, so code checks this before it uses one."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()
