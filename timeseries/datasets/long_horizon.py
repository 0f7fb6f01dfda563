"""The long-horizon benchmarks of forecasting: their files, their splits, and the score that papers report.

Files as in Autoformer's collection (Wu et al., NeurIPS 2021): a CSV with a first column "date" and one column a
channel. Splits and scaling are those of that paper and of PatchTST's.
"""

import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

_DAY = dict(h=24, m=24 * 4)  # steps in a day of ETTh and ETTm
_MONTHS = (12, 4, 4)  # of 30 days, for training, validation and test
_BATCH = 128  # published tables leave out the last batch, if it is not full


class LongHorizon(NamedTuple):
    """A data set of T steps and C channels.

    Attributes:
        values: float64 (T, C), scaled by mean and deviation of the training range.
        columns: Names of the channels.
        train, validation, test: Ranges of steps whose values are forecast; contexts may reach back before them.
    """

    values: np.ndarray
    columns: list[str]
    train: range
    validation: range
    test: range


def load_long_horizon(path: str | Path, name: str | None = None) -> LongHorizon:
    """Read one of the long-horizon data sets.

    Args:
        path: The CSV file, or the folder it lies in.
        name: Name of the data set, such as "ETTh1", if ``path`` is a folder. Data sets whose names begin with ETTh or
            ETTm are split by months, 12/4/4; all others 7:1:2.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it has no "date" column, values that are no numbers, or too few rows for its split.
    """
    path = Path(path)
    file = path / f"{name}.csv" if path.is_dir() and name is not None else path
    if not file.is_file():
        raise FileNotFoundError(f"no data at {file}: give a CSV file, or a folder and the name of a data set in it")
    table = pd.read_csv(file)
    if table.columns[0] != "date":
        raise ValueError(f"{file} begins with the column {table.columns[0]!r}: its first column has to be 'date'")
    try:
        values = table.iloc[:, 1:].to_numpy(dtype=np.float64)
    except ValueError as error:
        raise ValueError(f"{file} has values that are no numbers: {error}") from error
    train, validation, test = _split(file.stem, len(values))
    mean, std = values[train.start : train.stop].mean(axis=0), values[train.start : train.stop].std(axis=0)
    values = (values - mean) / np.where(std > 0, std, 1)
    return LongHorizon(values, list(table.columns[1:]), train, validation, test)


def _split(name: str, rows: int) -> tuple[range, range, range]:
    if name.startswith(("ETTh", "ETTm")):
        month = 30 * _DAY[name[3]]
        a, b, c = (np.cumsum(_MONTHS) * month).tolist()
        if rows < c:
            raise ValueError(f"{name} needs {c} rows for 12, 4 and 4 months of 30 days, there are {rows}")
    else:
        a, c = int(rows * 0.7), rows
        b = rows - int(rows * 0.2)
        if a < 1:
            raise ValueError(f"{name} has {rows} rows, too few to split 7:1:2")
    return range(0, int(a)), range(int(a), int(b)), range(int(b), int(c))


def evaluate_long_horizon(forecaster: Any, path: str | Path, horizon: int, name: str | None = None) -> dict[str, float]:
    """Fit once on training and validation range, forecast every window of the test range, and score it.

    Args:
        forecaster: A ``JumboForecaster``. A clone of it is fitted, with this ``horizon``; the validation range is held
            out for early stopping.
        path, name: As in ``load_long_horizon``.
        horizon: Steps to forecast.

    Returns:
        ``mse`` and ``mae`` over all windows, steps and channels, in scaled units; ``mse_drop_last`` and
        ``mae_drop_last`` without the last windows that do not fill a batch of 128, as published tables have it;
        ``coverage_80`` and ``coverage_95``, shares of values within the intervals of these levels; ``fit_seconds`` and
        ``predict_seconds``.

    Raises:
        ValueError: If the horizon is longer than the test range.
    """
    data = load_long_horizon(path, name)
    if horizon > min(len(data.validation), len(data.test)):
        raise ValueError(
            f"horizon {horizon} is longer than the validation range of {len(data.validation)} or the test range of "
            f"{len(data.test)} steps"
        )
    forecaster = forecaster.clone().set_params(horizon=horizon, validation=len(data.validation))
    known = pd.DataFrame(data.values[: data.test.start], columns=data.columns)
    begin = time.perf_counter()
    forecaster.fit(known)
    fitted = time.perf_counter()
    everything = pd.DataFrame(data.values[: data.test.stop], columns=data.columns)
    cuts = np.arange(data.test.start, data.test.stop - horizon + 1)
    sums = _Sums()
    whole = len(cuts) // _BATCH * _BATCH
    for start in range(0, len(cuts), _BATCH):
        if start == whole:
            dropped = sums.copy()
        some = cuts[start : start + _BATCH]
        truth = data.values[some[:, None] + np.arange(horizon)]  # (B, H, C)
        sums.add(truth, *forecaster.forecast_at(everything, some, alpha=_LEVELS))
    if whole == len(cuts):
        dropped = sums.copy()
    mse, mae, inner, outer = sums.means()
    dropped_mse, dropped_mae, *_ = dropped.means()
    return dict(
        mse=mse,
        mae=mae,
        mse_drop_last=dropped_mse,
        mae_drop_last=dropped_mae,
        coverage_80=inner,
        coverage_95=outer,
        fit_seconds=fitted - begin,
        predict_seconds=time.perf_counter() - fitted,
    )


_LEVELS = (0.025, 0.1, 0.9, 0.975)


class _Sums:
    """Sums of squared and absolute errors, and of values within the intervals."""

    def __init__(self, totals: np.ndarray | None = None, count: int = 0) -> None:
        self.totals, self.count = np.zeros(4) if totals is None else totals, count

    def copy(self) -> "_Sums":
        return _Sums(self.totals.copy(), self.count)

    def add(self, truth: np.ndarray, center: np.ndarray, quantiles: np.ndarray) -> None:
        error = truth - center
        low, inner_low, inner_high, high = np.moveaxis(quantiles, -1, 0)
        inner, outer = (truth >= inner_low) & (truth <= inner_high), (truth >= low) & (truth <= high)
        self.totals += [np.square(error).sum(), np.abs(error).sum(), inner.sum(), outer.sum()]
        self.count += truth.size

    def means(self) -> list[float]:
        return (self.totals / max(self.count, 1)).tolist()
