"""The device that a user asks for."""

import torch


def pick_device(device: str | torch.device) -> torch.device:
    """A device by its name, such as "cpu", "cuda", "cuda:1" or "mps"; "auto" is CUDA where there is some, else the CPU.

    Raises:
        ValueError: If it is unknown, or is not there.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        picked = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"unknown device {device!r}: give 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'") from error
    there = dict(
        cuda=torch.cuda.device_count() if torch.cuda.is_available() else 0, mps=int(torch.backends.mps.is_available())
    )
    count = there.get(picked.type)  # of other kinds the CPU is there, and torch itself says what it lacks
    if count is not None and (picked.index or 0) >= count:
        kind = f"{picked.type.upper()} device{'s' if count > 1 else ''}"
        raise ValueError(
            f"device {str(device)!r} was asked for and is not there: torch finds {count or 'no'} {kind} here; "
            "give 'auto' or 'cpu'"
        )
    return picked
