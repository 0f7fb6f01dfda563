#!/usr/bin/env python3
"""Compare features of drawn series with those of real ones, whose last horizon, the test part, is cut off.

Reads .tsf files of the Monash archive (m3_monthly.tsf, …); writes JSON and prints the page's table. Example:
  python tools/research/synthetic_features.py m3_yearly.tsf m3_monthly.tsf --json synthetic_features.json
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from timeseries.synthetic import draw

PERIODS = dict(yearly=1, quarterly=4, monthly=12, weekly=52, daily=7, hourly=24)
PERCENTILES = (2, 10, 50, 90, 98)
_LENGTHS = (5, 15, 25, 35, 45, 55, 65, 75, 85, 95)  # percentiles of the real lengths, at which series are drawn
_REAL, _DRAWN = 500, 100  # series of a file, and at each length


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(argv)
    results = {file.stem: compare(file, args.seed) for file in args.files}
    if args.json:
        args.json.write_text(json.dumps(dict(percentiles=PERCENTILES, results=results), indent=1) + "\n")
    print(table(results))


def compare(file: Path, seed: int) -> dict[str, dict[str, list[float]]]:
    """Percentiles of each feature, of real series and of as long drawn ones."""
    real, frequency = read_training_parts(file)
    period = PERIODS[frequency]
    shortest = max(12, 3 * period)
    real = [values for values in real if len(values) >= shortest and np.ptp(values) > 0]
    rng = np.random.default_rng(seed)
    real = [real[k] for k in rng.permutation(len(real))[:_REAL]]
    lengths = np.percentile([len(values) for values in real], _LENGTHS).astype(int)
    drawn = [row for k, T in enumerate(lengths) for row in draw(_DRAWN, int(T), seed + k, period=period).values]
    sides = dict(real=real, drawn=[row for row in drawn if np.ptp(row) > 0])
    found = {side: [features(values, period) for values in rows] for side, rows in sides.items()}
    return {
        name: {
            side: np.percentile([f[name] for f in rows], PERCENTILES).round(4).tolist() for side, rows in found.items()
        }
        for name in found["real"][0]
    }


def read_training_parts(file: Path) -> tuple[list[np.ndarray], str]:
    """The series without their last horizon, and the frequency."""
    series, head = [], {}
    for line in file.read_text(encoding="latin1").splitlines():
        if line.startswith("@"):
            key, *value = line.split(maxsplit=1)
            head[key] = value[0] if value else ""
        elif line.strip() and not line.startswith("#"):
            series.append(np.array(line.rsplit(":", 1)[1].split(","), dtype=float)[: -int(head["@horizon"])])
    return series, head["@frequency"]


def features(values: np.ndarray, period: int) -> dict[str, float]:
    """Of one series: how its values and differences remember, its trend, season, noise, spectrum and tails."""
    differences = np.diff(values)
    spread = values.std()
    found = {
        "autocorrelation": _autocorrelation(values),
        "autocorrelation of differences": _autocorrelation(differences),
        "trend strength": _trend(values, period),
        "naive error / level": np.abs(differences).mean() / np.abs(values).mean(),
        "naive error / deviation": np.abs(differences).mean() / spread,
        "spectral entropy": _entropy(values),
        "kurtosis of differences": _kurtosis(differences),
        "mean difference / its deviation": differences.mean() / (differences.std() + 1e-12 * spread),
    }
    if period > 1:
        found["season strength"] = _season(values, period)
    return {name: float(value) for name, value in found.items()}


def _autocorrelation(values: np.ndarray) -> float:
    centred = values - values.mean()
    total = (centred**2).sum()
    return (centred[1:] * centred[:-1]).sum() / total if total > 0 else 0.0


def _parts(values: np.ndarray, period: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Trend (a centred average over a period, or a line), mean season, and the rest; without the ends."""
    time = np.arange(len(values))
    if period == 1:
        trend = np.polyval(np.polyfit(time, values, 1), time)
        return trend, np.zeros_like(trend), values - trend
    weights = np.full(period + 1 - period % 2, 1 / period)
    if period % 2 == 0:
        weights[[0, -1]] /= 2
    trend = np.convolve(values, weights, "valid")
    start = len(weights) // 2
    rest, position = values[start : start + len(trend)] - trend, time[: len(trend)] % period
    season = (np.bincount(position, rest) / np.bincount(position))[position]
    return trend, season, rest - season


def _trend(values: np.ndarray, period: int) -> float:
    trend, _, rest = _parts(values, period)
    return max(0.0, 1 - rest.var() / ((trend + rest).var() + 1e-300))


def _season(values: np.ndarray, period: int) -> float:
    _, season, rest = _parts(values, period)
    return max(0.0, 1 - rest.var() / ((season + rest).var() + 1e-300))


def _entropy(values: np.ndarray) -> float:
    power = np.abs(np.fft.rfft((values - values.mean()) * np.hanning(len(values))))[1:] ** 2
    share = power / power.sum()
    return -(share * np.log(share + 1e-15)).sum() / np.log(len(share))


def _kurtosis(values: np.ndarray) -> float:
    centred = values - values.mean()
    return (centred**4).mean() / ((centred**2).mean() ** 2 + 1e-300)


def table(results: dict) -> str:
    """Median and 10 to 90 % of real series, median and 2 to 98 % of drawn ones."""
    lines = ["| files | feature | real: 10 %, median, 90 % | drawn: 2 %, median, 98 % |", "|---|---|---|---|"]
    for file, rows in results.items():
        for name, row in rows.items():
            real, drawn = row["real"][1:4], row["drawn"][::2]
            cells = (", ".join(f"{value:.2f}" for value in side) for side in (real, drawn))
            lines.append(f"| {file} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
