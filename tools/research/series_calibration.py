#!/usr/bin/env python3
"""How often intervals of JumboForecaster hold simulated values, and how wide they are beside what theory says.

Each series is forecast by itself, zero-shot (`max_epochs=0`): processes whose best interval is known, of three lengths,
steps 1 to 12 ahead. Standard errors count each series once, as its steps go together.

    python tools/research/series_calibration.py --json docs/benchmarks/cpu_calibration.json
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import norm
from series_processes import PROCESSES, H

from jumbo_backbone.benchmarking.report import machine_facts, write_json
from timeseries import JumboForecaster

STEPS = (1, 12)
LENGTHS, COVERAGES = (60, 300, 1000), (0.8, 0.95)


def measure(name: str, length: int, count: int, seed: int) -> list[dict]:
    """A record for each step and coverage: share of values inside, its standard error, width over that of theory."""
    values, deviation = PROCESSES[name](np.random.default_rng([seed, length]), count, length + H)
    index = pd.MultiIndex.from_product(
        [range(count), pd.period_range("1950-01", periods=length, freq="M")], names=["series", "month"]
    )
    panel = pd.DataFrame({"y": values[:, :length].ravel()}, index=index)
    fitted = JumboForecaster(max_epochs=0, random_state=0).fit(panel, fh=range(1, H + 1))
    records = []
    intervals = fitted.predict_interval(coverage=list(COVERAGES))["y"]
    for coverage in COVERAGES:
        low, high = (intervals[coverage][side].to_numpy().reshape(count, H) for side in ("lower", "upper"))
        inside = (values[:, length:] >= low) & (values[:, length:] <= high)
        theory = 2 * norm.ppf(0.5 + coverage / 2) * deviation
        for step in STEPS:
            found = inside[:, step - 1]
            records.append(
                dict(
                    process=name,
                    length=length,
                    step=step,
                    coverage=coverage,
                    inside=round(float(found.mean()), 4),
                    standard_error=round(float(found.std() / np.sqrt(count)), 4),
                    width_over_theory=round(float((high - low)[:, step - 1].mean() / theory[step - 1]), 3),
                )
            )
    return records


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500, metavar="N", help="series of each process and length (500)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the simulated series (0)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where raw figures go")
    args = parser.parse_args(argv)
    args.threads, args.device = 1, "cpu"
    torch.set_num_threads(args.threads)
    records = [r for name in PROCESSES for T in LENGTHS for r in measure(name, T, args.count, args.seed)]
    print(pd.DataFrame(records).to_string(index=False))
    if args.json is not None:
        command = ["python", f"tools/research/{Path(__file__).name}", *(sys.argv[1:] if argv is None else argv)]
        write_json(args.json, command, machine_facts(args), records)


if __name__ == "__main__":
    main()
