"""Simulated processes with a known best forecast: values (n, T), and the deviation of its errors 1 to H steps ahead."""

import numpy as np

H = 12  # steps to forecast


def white_noise(rng, n, T):
    return rng.normal(size=(n, T)), np.ones(H)


def ar(rng, n, T):
    noise, x = rng.normal(size=(n, T + 100)), np.zeros((n, T + 100))
    for t in range(1, T + 100):
        x[:, t] = 0.8 * x[:, t - 1] + noise[:, t]
    return x[:, 100:], np.sqrt(np.cumsum(0.64 ** np.arange(H)))


def random_walk(rng, n, T):
    return rng.normal(size=(n, T)).cumsum(axis=1), np.sqrt(np.arange(1, H + 1))


def trend_and_season(rng, n, T):
    t = np.arange(T)
    season = 5 * np.sin(2 * np.pi * (t + rng.integers(0, 12, (n, 1))) / 12)
    return 50 + 0.1 * t + season + rng.normal(size=(n, T)), np.ones(H)


PROCESSES = {"white noise": white_noise, "AR(0.8)": ar, "random walk": random_walk, "trend + season": trend_and_season}
