"""Seconds of predicting many series."""

import argparse
import copy
import time

import numpy as np
import pandas as pd
import torch
from series_training import DEPTH, HEADS, PATCHES, D, H, L, counted
from tqdm import tqdm

from jumbo_backbone.benchmarking.timing import quartiles, timed
from timeseries import JumboForecaster

FIT_ON = 20  # series, before others are predicted


def make_panel(series: int, steps: int, seed: int, first: int = 0) -> pd.DataFrame:
    """Random walks in sktime's "pd-multiindex" format, the names counting from ``first``."""
    values = np.random.default_rng(seed).normal(size=(series, steps)).cumsum(axis=1)
    names = [range(first, first + series), pd.date_range(end="2025-12-31", periods=steps, freq="D")]
    index = pd.MultiIndex.from_product(names, names=["series", "time"])
    return pd.DataFrame({"value": values.ravel()}, index=index)


def measure_predict(args: argparse.Namespace) -> list[dict]:
    forecaster = JumboForecaster(
        context_length=L, **PATCHES, embed_dim=D, depth=DEPTH, num_heads=HEADS, max_epochs=1, random_state=args.seed
    )
    begin = time.perf_counter()
    forecaster.fit(make_panel(FIT_ON, 2 * (L + H), args.seed), fh=range(1, H + 1))
    fit_s = time.perf_counter() - begin
    new = make_panel(args.series, args.length, args.seed + 1, first=FIT_ON)
    network = forecaster.networks_[0]
    contexts = torch.randn(args.series, 1, L, generator=torch.Generator().manual_seed(args.seed)).split(1024)

    @torch.inference_mode()
    def network_alone() -> None:
        for context in contexts:
            network(context)

    rounds: dict[str, list[float]] = dict(update=[], predict=[], network=[])
    cpu: dict[str, list[float]] = dict(update=[], predict=[], network=[])
    for _ in tqdm(range(args.repeats), desc="predict", leave=False, disable=None):
        fitted = copy.deepcopy(forecaster)
        predictions: list[pd.DataFrame] = []
        steps = dict(
            update=lambda f=fitted: f.update(new, update_params=False),
            predict=lambda f=fitted, p=predictions: p.append(f.predict()),
            network=network_alone,
        )
        for name, step in steps.items():
            rounds[name].append(timed(counted(step, cpu[name]), 1, "cpu"))
        if predictions[0].shape != ((args.series + FIT_ON) * H, 1) or not np.isfinite(predictions[0].to_numpy()).all():
            raise AssertionError(f"predictions of shape {predictions[0].shape}")
    return [
        dict(
            series=args.series,
            length=args.length,
            context=L,
            horizon=H,
            seed=args.seed,
            fit_seconds=fit_s,
            seconds=rounds,
            cpu_seconds=cpu,
            series_per_s=rates(args.series, rounds["update"], rounds["predict"]),
            series_per_s_predict=rates(args.series, rounds["predict"]),
            series_per_s_network=rates(args.series, rounds["network"]),
            series_per_cpu_s=rates(args.series, cpu["update"], cpu["predict"]),
        )
    ]


def rates(count: int, *seconds: list[float]) -> dict[str, float]:
    """So many a second, if each round takes the sum of these."""
    return quartiles([count / sum(taken) for taken in zip(*seconds, strict=True)])


def predict_table(records: list[dict]) -> list[list[str]]:
    rows = [["series/s", "update and predict", "by processor time", "predict", "network alone"]]
    for r in records:
        names = ("series_per_s", "series_per_cpu_s", "series_per_s_predict", "series_per_s_network")
        cells = ["{median:.0f} [{q1:.0f}, {q3:.0f}]".format(**r[name]) for name in names]
        rows.append([f"{r['series']} series of {r['length']} steps", *cells])
    return rows
