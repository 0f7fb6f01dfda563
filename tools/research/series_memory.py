"""Peak memory of fitting, in a fresh process."""

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from jumbo_backbone.benchmarking.memory import in_fresh_process, peak_resident
from timeseries import JumboForecaster

PROGRAM = Path(__file__).with_name("benchmark_timeseries.py")


@dataclass(frozen=True)
class Fit:
    """What a fresh process repeats."""

    steps: int
    seed: int
    threads: int

    def __str__(self) -> str:
        return f"a fit to {self.steps} steps"


def fit_here(case: Fit) -> str:
    """Peak resident bytes and seconds of a fit, for a process that did nothing else."""
    torch.set_num_threads(case.threads)
    daily = 10 * np.sin(np.arange(case.steps) * (2 * np.pi / 24))
    y = pd.Series(daily + np.random.default_rng(case.seed).normal(size=case.steps).cumsum() / 10)
    before = peak_resident()
    begin = time.perf_counter()
    forecaster = JumboForecaster(random_state=case.seed).fit(y)
    seconds = time.perf_counter() - begin
    epochs = len(forecaster.history_[0].epochs)
    told = dict(bytes=peak_resident(), bytes_before=before, fit_seconds=seconds, epochs=epochs)
    return json.dumps(told, separators=(",", ":"))  # one word


def measure_memory(args: argparse.Namespace) -> list[dict]:
    case = Fit(args.steps, args.seed, args.threads)
    told = in_fresh_process(case, [PROGRAM], "measurement")
    return [] if told is None else [asdict(case) | json.loads(told)]


def memory_table(records: list[dict]) -> list[list[str]]:
    rows = [["steps", "peak MB", "of it before the fit", "fit s", "epochs"]]
    for r in records:
        row = [f"{r['steps']:,}", f"{r['bytes'] / 1e6:.0f}", f"{r['bytes_before'] / 1e6:.0f}"]
        rows.append([*row, f"{r['fit_seconds']:.0f}", str(r["epochs"])])
    return rows
