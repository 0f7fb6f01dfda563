#!/usr/bin/env python3
"""Forecasts of simulated series that are damaged: missing values, one gross outlier. Errors over those without damage.

Each series is fitted by itself with default arguments. The possible error is that of a forecaster who knows the
process. Also: a covariate that drives the series one step later (`lagged covariate`), against the possible error.

    python tools/research/series_damage.py --json docs/benchmarks/cpu_damaged_series.json
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from series_processes import PROCESSES, H

from jumbo_backbone.benchmarking.report import machine_facts, require_writable, write_json
from timeseries import JumboForecaster

NAMES = ("AR(0.8)", "trend + season")


def damaged(values: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The series as it is, with a tenth of its values missing, and with one value 100 times its size."""
    missing, outlier = values.copy(), values.copy()
    missing[rng.random(len(values)) < 0.1] = np.nan
    outlier[-40] *= 100
    return {"clean": values, "10 % missing": missing, "one outlier": outlier}


def forecast(values: np.ndarray, params: dict) -> np.ndarray:
    y = pd.Series(values, pd.period_range("1950-01", periods=len(values), freq="M"))
    return JumboForecaster(random_state=0, **params).fit(y, fh=range(1, H + 1)).predict().to_numpy()


def measure(name: str, length: int, count: int, params: dict) -> list[dict]:
    """A record for each damage: mean absolute error, and the ratio of means to that of the series without damage."""
    errors: dict[str, list[float]] = {}
    for seed in range(count):
        rng = np.random.default_rng([seed, length])
        values = PROCESSES[name](rng, 1, length + H)[0][0]
        for damage, past in damaged(values[:length], rng).items():
            errors.setdefault(damage, []).append(np.abs(forecast(past, params) - values[length:]).mean())
    means = {damage: float(np.mean(found)) for damage, found in errors.items()}
    return [
        dict(process=name, length=length, damage=damage, mae=round(mae, 4), ratio=round(mae / means["clean"], 3))
        for damage, mae in means.items()
    ]


def lagged(length: int, count: int, params: dict) -> list[dict]:
    """y(t) = 3 x(t-1) + noise of deviation 0.3: the mean absolute error over the possible one, known ahead and not."""
    possible = 0.3 * np.sqrt(2 / np.pi)
    ahead, first = [], []
    for seed in range(count):
        rng = np.random.default_rng([seed, length, 1])
        x = rng.normal(size=length + H + 1)
        index = pd.period_range("1950-01", periods=length + H, freq="M")
        y = pd.Series(3 * x[:-1] + 0.3 * rng.normal(size=length + H), index)
        X = pd.DataFrame({"x": x[1:]}, index)
        for errors, known, steps in ((ahead, None, H), (first, "all", 1)):
            forecaster = JumboForecaster(random_state=0, past_covariates=known, **params)
            forecaster.fit(y[:length], X=X[:length], fh=range(1, steps + 1))
            said = forecaster.predict(X=None if known else X[length:])
            errors.append(np.abs(said.to_numpy() - y[length : length + steps].to_numpy()).mean())
    return [
        dict(process="lagged covariate", length=length, damage=damage, mae=round(float(np.mean(found)), 4))
        | dict(ratio=round(float(np.mean(found)) / possible, 3))
        for damage, found in (("known ahead", ahead), ("past only, step 1", first))
    ]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20, metavar="N", help="series of each kind and length (20)")
    parser.add_argument("--lengths", type=int, nargs="+", default=[120, 300], help="(120 300)")
    parser.add_argument("--zero-shot", action="store_true", help="with max_epochs=0")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where raw figures go")
    args = parser.parse_args(argv)
    if args.json:
        require_writable(args.json)
    args.threads, args.device = 1, "cpu"
    torch.set_num_threads(args.threads)
    params = dict(max_epochs=0) if args.zero_shot else {}
    records = [r for name in NAMES for T in args.lengths for r in measure(name, T, args.count, params)]
    records += [r for T in args.lengths for r in lagged(T, args.count, params)]
    print(pd.DataFrame(records).to_string(index=False))
    if args.json is not None:
        command = ["python", f"tools/research/{Path(__file__).name}", *(sys.argv[1:] if argv is None else argv)]
        write_json(args.json, command, machine_facts(args), records)


if __name__ == "__main__":
    main()
