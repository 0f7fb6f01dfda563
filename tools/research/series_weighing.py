#!/usr/bin/env python3
"""Does the encoder weigh experts better than a rule does? Paired over the series of panels.

Each weigher, the plain mean of the experts, and the expert with the least error in a backtest on the end of each series
forecast the same held-out steps, all from the same forecasts of experts. MASE; the first weigher against all others.

    python tools/research/series_weighing.py data/*.tsf --weights jumbo=synthetic registers=registers.safetensors
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from compare_stats import paired

from jumbo_backbone.benchmarking.report import aligned, machine_facts, require_writable, write_json
from timeseries.data.panel_timeline import timeline_for
from timeseries.data.seasons import usual_periods
from timeseries.datasets import load_tsf
from timeseries.evaluation import hold_out
from timeseries.evaluation.scores import naive_errors
from timeseries.fitting.blending import cases_of
from timeseries.networks.weighing import ExpertWeigher, best_in_past
from timeseries.weights import load_weigher

MEAN, PAST = "mean of the experts", "best expert in the past"


def errors_of(file: Path, origin: int, weighers: dict[str, ExpertWeigher]) -> dict[str, np.ndarray]:
    """Absolute errors in the mean of the held-out steps, over the naive error of the past (n,), by method."""
    panel = load_tsf(file)
    held_out = hold_out(panel, origin)
    periods = usual_periods(timeline_for(panel.table, None))
    steps, scale = held_out.steps, naive_errors(held_out.past, held_out.season)
    errors: dict[str, np.ndarray] = {name: np.empty(len(scale)) for name in (*weighers, MEAN, PAST)}
    some = next(iter(weighers.values()))
    for rows, cases in cases_of(held_out.past, int(steps[-1]), periods, some.context):
        points = cases.case.points.numpy()  # (B, E, S)
        best = best_in_past(cases.case).numpy()
        centers = {MEAN: points.mean(axis=1), PAST: np.take_along_axis(points, best[:, None, None], axis=1)[:, 0]}
        with torch.inference_mode():
            centers |= {name: weigher(cases.case).center.numpy() for name, weigher in weighers.items()}
        for name, center in centers.items():
            missed = np.abs(center * cases.unit + cases.middle - held_out.future[rows])
            errors[name][rows] = np.nanmean(missed, axis=1) / scale[rows]
    known = np.isfinite(scale) & (scale > 0)
    return {name: error[known] for name, error in errors.items()}


def compare(errors: dict[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """MASE of each method, and the first one's gain over it: mean, standard error, p of Wilcoxon's test."""
    first = next(iter(errors))
    rows = {}
    for name, error in errors.items():
        rows[name] = dict(mase=round(float(error.mean()), 4))
        if name != first:
            pair = paired(errors[first], error, higher_is_better=False)
            rows[name] |= dict(gain=round(pair.mean, 4), error=round(pair.error, 4), p=pair.p, verdict=pair.verdict)
    return rows


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+", help=".tsf files")
    parser.add_argument("--weights", nargs="+", default=["jumbo=synthetic"], metavar="NAME=FILE", help="of weighers")
    parser.add_argument("--origin", type=int, default=1, help="0: the last horizon; 1: the one before it (1)")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(argv)
    if args.json:
        require_writable(args.json)
    torch.set_num_threads(1)
    weighers = {name: load_weigher(file) for name, _, file in (text.partition("=") for text in args.weights)}
    results, everything = {}, []
    for file in args.files:
        errors = errors_of(file, args.origin, weighers)
        everything.append(errors)
        results[file.stem] = compare(errors)
        print(f"{file.stem} ({len(next(iter(errors.values())))} series)", *_table(results[file.stem]), "", sep="\n")
    together = {name: np.concatenate([errors[name] for errors in everything]) for name in everything[0]}
    results["all series"] = compare(together)
    print("all series", *_table(results["all series"]), sep="\n")
    if args.json:
        files = " ".join(file.name for file in args.files)
        weights = " ".join(f"{text.partition('=')[0]}={Path(text.partition('=')[2]).name}" for text in args.weights)
        command = f"python tools/research/series_weighing.py {files} --weights {weights} --origin {args.origin}"
        write_json(args.json, command.split(), machine_facts(argparse.Namespace(device="cpu", threads=1)), results)


def _table(rows: dict[str, dict[str, Any]]) -> list[str]:
    lines = [["method", "MASE", "gain of the first", "standard error", "p", ""]]
    for name, row in rows.items():
        p = row.get("p")
        told = "" if p is None else f"{p:.1e}" if p < 0.001 else f"{p:.3f}"
        lines.append(
            [name, f"{row['mase']:.3f}", *(f"{row[k]:.4f}" if k in row else "" for k in ("gain", "error"))]
            + [told, row.get("verdict", "")]
        )
    return aligned(lines)


if __name__ == "__main__":
    sys.exit(main())
