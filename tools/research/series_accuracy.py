"""Errors of forecasts, on the long-horizon benchmarks and on short series."""

import argparse
import json
import time
import warnings

import numpy as np
import sktime.datasets
from series_results import write
from sktime.forecasting.naive import NaiveForecaster
from sktime.performance_metrics.forecasting import mean_absolute_scaled_error
from sktime.split import temporal_train_test_split
from tqdm import tqdm

from jumbo_backbone.benchmarking.report import blamed_on
from timeseries import JumboForecaster
from timeseries.datasets import evaluate_long_horizon

KEY = ("data", "context_length", "horizon", "seed", "params")  # of a run


def measure_long_horizon(args: argparse.Namespace) -> list[dict]:
    """Runs that the file has not, one after the other; the file is written after each."""
    records = json.loads(args.json.read_text())["results"] if args.json and args.json.exists() else []
    runs = [
        (path, dict(zip(KEY, (path.stem, context, horizon, seed, args.params), strict=True)))
        for path in args.data
        for context in args.context
        for horizon in args.horizon
        for seed in args.seeds
    ]
    missing = [(path, run) for path, run in runs if not any(run.items() <= r.items() for r in records)]
    for path, run in tqdm(missing, desc="long-horizon", leave=False, disable=None):
        with blamed_on(f"{run['data']} {run['context_length']}->{run['horizon']}"), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            forecaster = JumboForecaster(
                **{"context_length": run["context_length"], "random_state": run["seed"], **args.params}
            )
            scores = evaluate_long_horizon(forecaster, path, run["horizon"])
        records.append({**run, **scores, "git": args.machine["git"], "threads": args.threads})
        write(args, records)
    wanted = [run for _, run in runs]
    return [r for r in records if any(run.items() <= r.items() for run in wanted)]


def long_horizon_table(records: list[dict]) -> list[list[str]]:
    """The mean over the seeds of each setting."""
    rows = [["", "seeds", "MSE", "MAE", "drop-last MSE", "MAE", "in 80 %", "in 95 %", "fit s", "predict s"]]
    settings: dict[str, list[dict]] = {}
    for r in records:
        settings.setdefault("{data} {context_length}->{horizon}".format(**r), []).append(r)
    for setting, runs in settings.items():

        def mean(name: str, runs: list[dict] = runs) -> float:
            return float(np.mean([r[name] for r in runs]))

        scores = [f"{mean(name):.4f}" for name in ("mse", "mae", "mse_drop_last", "mae_drop_last")]
        shares = [f"{mean(name):.3f}" for name in ("coverage_80", "coverage_95")]
        seconds = [f"{mean(name):.0f}" for name in ("fit_seconds", "predict_seconds")]
        rows.append([setting, str(len(runs)), *scores, *shares, *seconds])
    return rows


SMALL = {"airline": 24, "lynx": 20, "shampoo_sales": 12, "uschange": 12}  # steps held out at the end of each


def measure_small(args: argparse.Namespace) -> list[dict]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of contexts shortened to what there is
        runs = [(name, seed) for name in SMALL for seed in args.seeds]
        return [hold_out(*run) for run in tqdm(runs, desc="small", leave=False, disable=None)]


def hold_out(name: str, seed: int) -> dict:
    """Scaled errors of each model on the end of a series, and seconds."""
    series = getattr(sktime.datasets, f"load_{name}")()
    series = series[0] if isinstance(series, tuple) else series  # without its covariates
    y, held_out = temporal_train_test_split(series, test_size=SMALL[name])
    models = {
        "jumbo": JumboForecaster(random_state=seed),
        "last value": NaiveForecaster("last"),
        "drift": NaiveForecaster("drift"),
    }
    record = dict(series=name, horizon=SMALL[name], seed=seed, mase={}, seconds={})
    for model, forecaster in models.items():
        started = time.perf_counter()
        predicted = forecaster.fit(y, fh=range(1, SMALL[name] + 1)).predict()
        record["seconds"][model] = time.perf_counter() - started
        record["mase"][model] = float(mean_absolute_scaled_error(held_out, predicted, y_train=y, sp=1))
    return record


def small_table(records: list[dict]) -> list[list[str]]:
    """Means over the seeds, and over the series too."""
    models = list(records[0]["mase"])
    rows = [["series", "held out", *models]]
    groups = {name: [r for r in records if r["series"] == name] for name in SMALL}
    for name, runs in (*groups.items(), ("mean", records)):
        errors = [f"{np.mean([r['mase'][model] for r in runs]):.2f}" for model in models]
        rows.append([name, "" if runs is records else str(SMALL[name]), *errors])
    return rows
