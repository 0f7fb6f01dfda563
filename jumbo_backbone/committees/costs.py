"""Costs of the members of a committee."""

from typing import Any

import torch

from ..budgets.profile import measure_calls
from .committee import Committee, tensors_of

UNITS = ("FLOPs", "ms")


@torch.no_grad()
def member_costs(committee: Committee, *example: Any, unit: str = "FLOPs", repeats: int = 20) -> list[float]:
    """Cost of each member on an example: its FLOPs, or the milliseconds it takes on this machine, measured in turn.

    Args:
        committee: The committee, such as a ``Cascade``.
        example: Inputs of a call, as its members take them.
        unit: "FLOPs" or "ms".
        repeats: Rounds of the timing.

    Raises:
        ValueError: For an unknown unit.
    """
    if unit not in UNITS:
        raise ValueError(f"unknown unit {unit!r}: choose one of {', '.join(UNITS)}")
    calls = [lambda i=i: committee.ask(i, *example) for i in range(len(committee.members))]
    measured = measure_calls(calls, tensors_of(example)[0].device, repeats)
    return [float(cost[UNITS.index(unit)]) for cost in measured]
