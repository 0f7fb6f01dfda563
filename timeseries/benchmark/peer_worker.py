"""Forecasts of others' methods, in a process of their own: reads a request in JSON, writes an answer a series, a line.

It needs numpy and the packages of the methods alone, and is run as a file: statsforecast takes no pandas 3, which this
package needs, so that it may be another Python that runs it.

    python peer_worker.py versions        # {"statsforecast": "2.1.1", "flaircast": null}
    python peer_worker.py < request.json  # {"method", "season", "freq", "horizon", "alpha", "seed", "series"}
"""

import contextlib
import importlib.metadata
import json
import sys
import time
import warnings

import numpy as np

METHODS = {  # and the packages that have them
    "SeasonalNaive": "statsforecast",
    "DynamicOptimizedTheta": "statsforecast",
    "AutoETS": "statsforecast",
    "FLAIR": "flaircast",
}


def versions():
    """Of the packages, None where one is not installed."""
    found = dict.fromkeys(METHODS.values())
    for package in found:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def without_gaps(y):
    """Missing values (T,) by linear interpolation; those before the first known value are left out."""
    known = np.flatnonzero(~np.isnan(y))
    return np.interp(np.arange(known[0], len(y)), known, y[known])


def by_statsforecast(request):
    """A function of a series (T,): mean (H,) and quantiles (H, A), the ends of central intervals."""
    from statsforecast import models

    model = getattr(models, request["method"])(season_length=request["season"])
    alpha, horizon = request["alpha"], request["horizon"]
    levels = {p: round(100 * abs(2 * p - 1), 6) for p in alpha if p != 0.5}
    levels = {p: int(level) if level == int(level) else level for p, level in levels.items()}  # 95, not 95.0

    def forecast(y):
        told = model.forecast(y=y, h=horizon, level=sorted(set(levels.values())))
        quantiles = [told["mean"] if p == 0.5 else told[f"{'lo' if p < 0.5 else 'hi'}-{levels[p]}"] for p in alpha]
        return told["mean"], np.stack(quantiles, axis=1)

    return forecast


def by_flaircast(request):
    """A function of a series (T,): mean (H,) and quantiles (H, A) of samples."""
    import flaircast

    def forecast(y):
        samples = flaircast.forecast(y, request["horizon"], request["freq"], seed=request["seed"])
        return samples.mean(axis=0), np.quantile(samples, request["alpha"], axis=0).T

    return forecast


def seasonal_naive(y, horizon, season):
    """The last season again and again (H,), of a series shorter than that its last value."""
    last = y[-season:] if len(y) >= season else y[-1:]
    return np.resize(last, horizon)


def forecast(method, request, values):
    """Forecasts (H, 1 + A), the mean before the quantiles, and why the seasonal naive forecast stands in for them."""
    y = without_gaps(np.array(values, dtype=np.float64))
    why = None
    try:
        center, quantiles = method(y)
        found = np.column_stack([center, np.sort(quantiles, axis=1)]).astype(np.float64)
        if not np.isfinite(found).all():
            why = "not all forecasts are finite"
    except Exception as error:  # whatever a method makes of an odd series is told with its forecasts
        why = f"{type(error).__name__}: {error}"
    if why is not None:
        naive = seasonal_naive(y, request["horizon"], request["season"])
        found = np.repeat(naive[:, None], 1 + len(request["alpha"]), axis=1)
    return found, why


def main():
    if sys.argv[1:] == ["versions"]:
        print(json.dumps(versions()))
        return
    request = json.load(sys.stdin)
    warnings.simplefilter("ignore")
    method = {"statsforecast": by_statsforecast, "flaircast": by_flaircast}[METHODS[request["method"]]](request)
    example = 100 + np.arange(60) + np.sin(np.arange(60))
    forecast(method, request, example)  # what it compiles first is no forecast's time
    for values in request["series"]:
        begin = time.process_time()  # it is kept for long, so what else the machine did meanwhile should not count
        found, why = forecast(method, request, values)
        seconds = time.process_time() - begin
        print(json.dumps({"seconds": seconds, "forecast": found.tolist(), "why": why}), flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:  # Ctrl-C reaches both processes, and the other one tells
        sys.exit(130)
