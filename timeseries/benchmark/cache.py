"""A cache of forecasts on disk, by a hash of the series and the settings."""

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

_FILE = "forecasts.sqlite"


class Forecast(NamedTuple):
    """Of one series.

    Attributes:
        values: (S, 1 + A), the point forecast before the quantiles.
        seconds: Of the processor, that it took.
        why: Why the seasonal naive forecast stands in for the method's own; None if it does not.
    """

    values: np.ndarray
    seconds: float
    why: str | None


class ForecastCache:
    """Forecasts of single series, by a hash of the series and of the method with its settings.

    The cache is one database, since a file for each forecast would mean tens of thousands of files. Each forecast is
    written as soon as it is made, completely or not at all, so that an interrupted run continues where it stopped.

    Raises:
        ValueError: If the file in its place is not such a database.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / _FILE
        try:
            self._database = sqlite3.connect(self.path, timeout=60, isolation_level=None)
            self._database.execute("PRAGMA journal_mode=WAL")  # two runs may share it
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS forecasts "
                "(key TEXT PRIMARY KEY, shape TEXT, data BLOB, seconds REAL, why TEXT)"
            )
        except sqlite3.DatabaseError as error:
            raise ValueError(f"{self.path} is no cache ({error}): remove it, or name another folder") from None

    @staticmethod
    def key(settings: Mapping[str, Any], series: np.ndarray) -> str:
        """Of a series (T,) under these settings, which JSON can say."""
        told = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
        told.update(np.ascontiguousarray(series, dtype="<f8").tobytes())
        return told.hexdigest()

    def get(self, key: str) -> Forecast | None:
        row = self._database.execute("SELECT shape, data, seconds, why FROM forecasts WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        shape, data, seconds, why = row
        return Forecast(np.frombuffer(data, dtype="<f8").reshape(json.loads(shape)), seconds, why)

    def put(self, key: str, forecast: Forecast) -> None:
        values = np.ascontiguousarray(forecast.values, dtype="<f8")
        row = (key, json.dumps(values.shape), values.tobytes(), forecast.seconds, forecast.why)
        self._database.execute("INSERT OR REPLACE INTO forecasts VALUES (?, ?, ?, ?, ?)", row)

    def close(self) -> None:
        self._database.close()
