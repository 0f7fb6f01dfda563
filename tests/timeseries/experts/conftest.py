"""Series of many kinds, the same for all tests of experts."""

import numpy as np
import pytest


def simulated(kind: str, n: int = 20, T: int = 96, seed: int = 0) -> np.ndarray:
    """n series (n, T) of a kind."""
    draw = np.random.default_rng(seed)
    noise, t = draw.normal(size=(n, T)), np.arange(T)
    if kind == "noise":
        return 50 + noise
    if kind == "walk":
        return 100 + noise.cumsum(1)
    if kind == "trend":
        return 20 + 0.5 * t + noise
    if kind == "season":
        return 100 + 0.2 * t + 10 * np.sin(2 * np.pi * t / 12) + noise
    if kind == "growing":
        return np.exp(0.01 * t + 0.2 * np.sin(2 * np.pi * t / 12) + 0.03 * noise) * 100
    if kind == "autoregression":
        y = np.zeros((n, T))
        for s in range(1, T):
            y[:, s] = 0.8 * y[:, s - 1] + noise[:, s]
        return y
    if kind == "intermittent":
        return (draw.random((n, T)) < 0.2) * draw.poisson(5, (n, T))
    if kind == "heavy":
        return draw.standard_t(4, (n, T))
    if kind == "spikes":
        return 10 + noise + 80 * (t % 12 == 3)
    if kind == "shift":
        return noise + 100 * (t > T // 2)
    raise KeyError(kind)


@pytest.fixture
def series():
    return simulated
