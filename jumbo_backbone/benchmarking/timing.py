"""Times of several steps in turn, A B A B ..., so that a change in the machine's speed affects all alike."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from tqdm import tqdm


def timed(step: Callable[[], Any], calls: int, device: str) -> float:
    """Seconds per call, over ``calls`` calls in a row."""
    synchronise = torch.cuda.synchronize if device == "cuda" else lambda: None
    synchronise()
    start = time.perf_counter()
    for _ in range(calls):
        step()
    synchronise()
    return (time.perf_counter() - start) / calls


def take_turns(
    steps: list[Callable[[], Any]], calls: list[int], repeats: int, device: str, told: str
) -> list[list[float]]:
    """Seconds per call of each step, by rounds; ``calls`` says how often a step runs in its turn."""
    seconds: list[list[float]] = [[] for _ in steps]
    for _ in tqdm(range(repeats), desc=told, leave=False, disable=None):
        for step, n, taken in zip(steps, calls, seconds, strict=True):
            taken.append(timed(step, n, device))
    return seconds


def quartiles(values: list[float]) -> dict[str, float]:
    return dict(zip(("q1", "median", "q3"), np.percentile(values, [25, 50, 75]).tolist(), strict=True))
