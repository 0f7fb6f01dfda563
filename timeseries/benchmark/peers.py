"""Forecasts of the peers, taken from the cache or made by a worker process."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ..evaluation import HeldOut
from . import peer_worker
from .cache import Forecast, ForecastCache
from .peer_worker import METHODS

_SEED = 0  # of FLAIR's samples
_FREQ = dict(yearly="Y", quarterly="Q", monthly="M", weekly="W", daily="D", hourly="H", half_hourly="30T", minutely="T")
_FREQ |= {"10_minutes": "10T", "4_seconds": "4S"}  # as flaircast names them
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
# one thread; and the files beside the worker are no modules of it
_ENVIRONMENT = dict.fromkeys(_THREADS, "1") | {"PYTHONSAFEPATH": "1"}


class WorkerError(RuntimeError):
    """The worker process ended before it had answered for all series."""


def versions_of_peers(python: str | Path = sys.executable) -> dict[str, str]:
    """Versions of the packages that a Python has.

    Raises:
        ValueError: If it does not start, or lacks one of them.
    """
    try:
        command = [str(python), peer_worker.__file__, "versions"]
        run = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | _ENVIRONMENT)
        told = json.loads(run.stdout)
    except (OSError, subprocess.CalledProcessError, json.JSONDecodeError) as error:
        raise ValueError(f"{python} cannot run the peers: {error}") from None
    missing = [package for package, version in told.items() if version is None]
    if missing:
        raise ValueError(
            f"the peers need {' and '.join(missing)}: pip install {' '.join(missing)}. statsforecast needs "
            "pandas below 3, so give them an environment of their own and name its Python: --peers-python"
        )
    return told


def peer_forecasts(
    method: str,
    held_out: HeldOut,
    alpha: Sequence[float],
    versions: dict[str, str],
    cache: ForecastCache,
    python: str | Path = sys.executable,
) -> tuple[np.ndarray, np.ndarray, float, int]:
    """Forecasts of one method.

    Args:
        method: One of ``METHODS``.
        held_out: The panel; its steps are 1, 2, … up to the horizon.
        alpha: Probabilities of the quantiles (A,).
        versions: Of the packages (``versions_of_peers``).
        cache: Holds the forecasts made so far; new ones are added one by one.
        python: The Python that runs the worker.

    Returns:
        Point forecasts (n, S); quantiles (n, S, A); processor time in seconds; and the number of series on which the
        method failed, which have the seasonal naive forecast instead.

    Raises:
        WorkerError: If the worker breaks. Its answers up to then are in the cache.
    """
    horizon = int(held_out.steps[-1])
    settings = dict(
        method=method,
        version=versions[METHODS[method]],
        horizon=horizon,
        season=held_out.season,
        freq=_FREQ.get(held_out.frequency or "", "Y"),  # which has no seasons
        alpha=list(alpha),
        seed=_SEED,
    )
    keys = [cache.key(settings, values) for values in held_out.past]
    forecasts = {key: found for key in keys if (found := cache.get(key)) is not None}
    missing = {key: values for key, values in zip(keys, held_out.past, strict=True) if key not in forecasts}
    with _answers(settings, list(missing.values()), python) as answers:
        told = tqdm(answers, desc=method, total=len(missing), leave=False, disable=None)
        for key, forecast in zip(missing, told, strict=False):  # if the worker dies it answers for fewer
            cache.put(key, forecast)
            forecasts[key] = forecast
    answered = [forecasts[key] for key in keys]
    values = np.stack([forecast.values for forecast in answered])[:, held_out.steps - 1]
    failed = sum(forecast.why is not None for forecast in answered)
    return values[..., 0], values[..., 1:], sum(forecast.seconds for forecast in answered), failed


@contextmanager
def _answers(settings: dict[str, Any], series: list[np.ndarray], python: str | Path) -> Iterator[Iterator[Forecast]]:
    """What the worker answers, series by series, as it comes."""
    if not series:
        yield iter(())
        return
    request = json.dumps({**settings, "series": [values.tolist() for values in series]})
    worker = subprocess.Popen(
        [str(python), peer_worker.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | _ENVIRONMENT,
    )
    try:
        assert worker.stdin and worker.stdout
        with suppress(BrokenPipeError):  # its exit code tells
            worker.stdin.write(request)
            worker.stdin.close()
        yield (_forecast_of(line) for line in worker.stdout)
        if worker.wait():
            raise WorkerError(f"the worker of {settings['method']} ended with code {worker.returncode}")
    finally:
        worker.kill()
        worker.wait()
        if worker.stdout:
            worker.stdout.close()


def _forecast_of(line: str) -> Forecast:
    answer = json.loads(line)
    return Forecast(np.array(answer["forecast"], dtype=np.float64), answer["seconds"], answer["why"])
