"""Whether operations are being recorded: the one place where this package asks."""

import torch


def recording() -> bool:
    """Whether operations are recorded for a gradient or into a graph. Then nothing may be written in place."""
    return torch.is_grad_enabled() or tracing()


def tracing() -> bool:
    """Whether a compiler or a tracer records operations into a graph. Such a graph must not depend on a batch size or
    a number of tokens, so code asks this before it looks at one."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()
