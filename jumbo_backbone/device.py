"""The device that a user asks for."""

import torch


def pick_device(name: str) -> torch.device:
    """The device of ``--device auto|cpu|cuda``; auto takes CUDA where there is some.

    Raises:
        ValueError: If CUDA is asked for and absent.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: torch finds no CUDA device here; use --device cpu or auto")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
