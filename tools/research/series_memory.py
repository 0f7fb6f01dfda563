"""Peak memory of fitting to a long series, and of forecasting many, in a fresh process."""

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


@dataclass(frozen=True)
class Panel:
    """What a fresh process forecasts without training."""

    series: int
    length: int
    horizon: int
    seed: int
    threads: int

    def __str__(self) -> str:
        return f"a forecast of {self.series} series"


def measure_here(values: dict[str, int]) -> str:
    """Peak resident bytes and seconds of a case, for a process that did nothing else."""
    return fit_here(Fit(**values)) if "steps" in values else forecast_here(Panel(**values))


def forecast_here(case: Panel) -> str:
    """Daily values with a week and a random walk: a fit without training, and two intervals of every step."""
    torch.set_num_threads(case.threads)
    walks = np.random.default_rng(case.seed).normal(size=(case.series, case.length)).cumsum(axis=1)
    values = 50 + walks + 5 * np.sin(np.arange(case.length) * (2 * np.pi / 7))
    names = [f"s{n:06d}" for n in range(case.series)]
    days = pd.date_range("2020-01-01", periods=case.length)
    y = pd.DataFrame({"y": values.ravel()}, pd.MultiIndex.from_product([names, days], names=["series", "day"]))
    before = peak_resident()
    begin = time.perf_counter()
    forecaster = JumboForecaster(max_epochs=0).fit(y, fh=range(1, case.horizon + 1))
    fitted = time.perf_counter()
    forecaster.predict_interval(coverage=[0.8, 0.95])
    seconds = dict(fit_seconds=fitted - begin, predict_seconds=time.perf_counter() - fitted)
    return json.dumps(dict(bytes=peak_resident(), bytes_before=before) | seconds, separators=(",", ":"))  # one word


def fit_here(case: Fit) -> str:
    """A fit with default arguments."""
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


def measure_panel(args: argparse.Namespace) -> list[dict]:
    case = Panel(args.series, args.length, args.horizon, args.seed, args.threads)
    told = in_fresh_process(case, [PROGRAM], "measurement")
    return [] if told is None else [asdict(case) | json.loads(told)]


def panel_table(records: list[dict]) -> list[list[str]]:
    rows = [["series", "steps", "horizon", "peak MB", "of it before the fit", "fit s", "intervals s", "series/s"]]
    for r in records:
        row = [f"{r[key]:,}" for key in ("series", "length", "horizon")]
        row += [f"{r['bytes'] / 1e6:.0f}", f"{r['bytes_before'] / 1e6:.0f}", f"{r['fit_seconds']:.1f}"]
        rows.append([*row, f"{r['predict_seconds']:.0f}", f"{r['series'] / r['predict_seconds']:.0f}"])
    return rows


def memory_table(records: list[dict]) -> list[list[str]]:
    rows = [["steps", "peak MB", "of it before the fit", "fit s", "epochs"]]
    for r in records:
        row = [f"{r['steps']:,}", f"{r['bytes'] / 1e6:.0f}", f"{r['bytes_before'] / 1e6:.0f}"]
        rows.append([*row, f"{r['fit_seconds']:.0f}", str(r["epochs"])])
    return rows
