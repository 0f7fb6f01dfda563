"""Files of labelled series: .ts, CSV with a row for each step or for each series, and arrays of numpy."""

import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from sktime.datasets import load_from_tsfile

from jumbo_backbone.words import some

from .csv_files import MOST_ROWS, read_csv

SUFFIXES = (".ts", ".csv", ".txt", ".tsv", ".npz")
_MOST_BYTES = 256 * 2**20  # of arrays, unpacked
_LABELS = ("label", "labels", "class", "classes", "target", "y", "category")
_SERIES = ("series", "series_id", "id", "case", "case_id", "instance", "sample", "name")
_TIMES = ("time", "step", "t", "timestamp", "date", "index", "dim_time")


class Labelled(NamedTuple):
    """Labelled series.

    Attributes:
        X: In one of sktime's formats of panels.
        y: Their labels (n,).
        told: How the file was read, in words.
    """

    X: np.ndarray | pd.DataFrame
    y: np.ndarray
    told: str

    def of(self, rows: np.ndarray) -> "Labelled":
        """Some of the series, by their numbers (m,)."""
        X = self.X
        if isinstance(X, pd.DataFrame) and isinstance(X.index, pd.MultiIndex):
            names = X.index.get_level_values(0).unique()[rows]
            return Labelled(X.loc[names], self.y[rows], self.told)
        return Labelled(X.iloc[rows] if isinstance(X, pd.DataFrame) else X[rows], self.y[rows], self.told)


def read_labelled(path: str | Path, label: str | None = None, most_rows: int = MOST_ROWS) -> Labelled:
    """Read labelled series.

    Args:
        path: A .ts file; a CSV file with a row for each step of each series (then a column names the series) or with a
            row for each series; or an .npz file with X (series, steps) or (series, channels, steps), and y.
        label: Column of the labels in a CSV file. Default: a column with a usual name, or else the only column of
            texts.
        most_rows: Limit of the rows of a CSV file, and of the series and of the steps in others.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read, has no labels, or is too large.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file at {path}: give one of {', '.join(SUFFIXES)}")
    suffix = path.suffix.lower()
    if suffix == ".ts":
        return _of_ts(path, most_rows)
    if suffix == ".npz":
        return _of_arrays(path, most_rows)
    if suffix in SUFFIXES:
        return _of_csv(read_csv(path, most_rows), path.name, label)
    raise ValueError(f"{path.name} is of a kind that is not read: give one of {', '.join(SUFFIXES)}")


def label_column(table: pd.DataFrame) -> str | None:
    """The column that seems to hold the labels; None if there is none."""
    lower = {c.lower(): c for c in reversed(list(table.columns))}
    named = [lower[name] for name in _LABELS if name in lower]
    texts = [c for c in table.columns if not pd.api.types.is_numeric_dtype(table[c])]
    return named[0] if named else texts[0] if len(texts) == 1 else None


def _of_ts(path: Path, most_rows: int) -> Labelled:
    try:
        X, y = load_from_tsfile(str(path))
    except Exception as error:  # the reader raises whatever it likes on a bad file
        told = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path.name} cannot be read as a .ts file: {told}") from error
    if y is None or not len(y):
        raise ValueError(f"{path.name} has no labels: a .ts file to learn from says @classLabel true and the classes")
    steps = sum(len(series) for series in X.iloc[:, 0]) if isinstance(X, pd.DataFrame) else X.shape[0] * X.shape[-1]
    _check_size(path.name, steps, most_rows)
    return Labelled(X, np.asarray(y), f"Read {len(y):,} series of {X.shape[1]} channels from a .ts file")


def _of_arrays(path: Path, most_rows: int) -> Labelled:
    try:
        _check_unpacked(path)
        with np.load(path, allow_pickle=False) as file:
            if missing := {"X", "y"} - set(file.files):
                raise ValueError(f"no array {' and '.join(sorted(missing))}: save it by np.savez(path, X=X, y=y)")
            X, y = file["X"], file["y"]
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path.name} cannot be read as arrays: {' '.join(str(error).split())}") from error
    if X.ndim not in (2, 3) or y.shape != X.shape[:1]:
        raise ValueError(
            f"X {X.shape} and y {y.shape} of {path.name} do not fit: give X (series, steps) or (series, channels, "
            "steps), and a label for each series"
        )
    _check_size(path.name, X.shape[0] * X.shape[-1], most_rows)
    X = X[:, None] if X.ndim == 2 else X
    return Labelled(X, y, f"Read {len(X):,} series of {X.shape[1]} channels and {X.shape[2]:,} steps from arrays")


def _check_unpacked(path: Path) -> None:
    """Raise ValueError for a small file that would fill the memory."""
    with zipfile.ZipFile(path) as packed:
        size = sum(part.file_size for part in packed.infolist())
    if size > _MOST_BYTES:
        raise ValueError(f"its arrays take {size / 2**20:,.0f} MiB, more than {_MOST_BYTES >> 20}: give fewer series")


def _check_size(name: str, steps: int, most: int) -> None:
    if steps > most:
        raise ValueError(f"{name} has {steps:,} steps, more than {most:,}: give fewer or shorter series")


def _of_csv(table: pd.DataFrame, name: str, label: str | None) -> Labelled:
    label = label_column(table) if label is None else label
    if label is None:
        raise ValueError(
            f"no column of {name} has a usual name of labels ({', '.join(_LABELS)}) or alone holds texts: choose one "
            f"of {some(map(repr, table.columns), 12)}"
        )
    if label not in table:
        raise ValueError(
            f"{name} has no column {label!r}: choose one of {', '.join(map(repr, list(table.columns)[:12]))}"
        )
    if table[label].isna().any():
        raise ValueError(f"row {int(table[label].isna().argmax()) + 1} of {name} has no label in column {label!r}")
    lower = {c.lower(): c for c in reversed(list(table.columns)) if c != label}
    series = next((lower[n] for n in _SERIES if n in lower and table[lower[n]].duplicated().any()), None)
    rest = [c for c in table.columns if c not in (label, series)]
    if series is not None:
        return _long(table, name, label, series, rest)
    rest = [c for c in rest if c.lower() not in _SERIES]
    X = table[rest]
    if wrong := [c for c in rest if not pd.api.types.is_numeric_dtype(X[c])]:
        raise ValueError(f"column {wrong[0]!r} of {name} holds texts, where the steps of the series are expected")
    if len(rest) < 2:
        raise ValueError(f"{name} has {len(rest)} columns beside the labels: a series needs at least 2 steps")
    told = f"Read {len(X):,} series of {len(rest):,} steps, a row for each; the labels are in {label!r}"
    return Labelled(X.to_numpy(np.float64)[:, None], table[label].to_numpy(), told)


def _long(table: pd.DataFrame, name: str, label: str, series: str, rest: list[str]) -> Labelled:
    several = table.groupby(series)[label].nunique()
    if (several > 1).any():
        raise ValueError(f"series {several.idxmax()} of {name} has {several.max()} labels in {label!r}: give it one")
    time = next((c for c in rest if c.lower() in _TIMES), None)
    channels = [c for c in rest if c != time]
    if not channels:
        raise ValueError(f"{name} has no column with values beside {', '.join(map(repr, table.columns))}")
    steps = table.groupby(series).cumcount() if time is None else table[time]
    X = table[channels].set_axis(pd.MultiIndex.from_arrays([table[series], steps], names=["series", "time"]))
    y = table.groupby(series, sort=False)[label].first()
    X = X.loc[y.index]
    told = (
        f"Read {len(y):,} series of {len(channels)} channels, a row for each step; their names are in {series!r}, "
        f"the labels in {label!r}"
    )
    return Labelled(X, y.to_numpy(), told)
