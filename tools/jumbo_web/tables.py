"""Tables of series that visitors drop, and examples that need no file."""

from pathlib import Path
from typing import TYPE_CHECKING

from .limits import ROWS, check_size
from .loading import libraries

if TYPE_CHECKING:
    import pandas as pd

AIRLINE = "Airline passengers: one monthly series"
SHOPS = "Three shops: a long table with missing days"
STATIONS = "Two stations: a wide table of hours"
EXAMPLES = (AIRLINE, SHOPS, STATIONS)


def read(path: str | None) -> "pd.DataFrame":
    """The table in an uploaded file.

    Raises:
        ValueError: If there is none, or it is too large or no table.
    """
    if not path:
        raise ValueError("there is no table yet: drop a CSV file, or choose an example")
    libraries()
    from timeseries.data.csv_files import read_csv

    check_size(Path(path))
    return read_csv(path, ROWS)


def write_example(name: str, folder: Path) -> Path:
    """An example as a CSV file."""
    libraries()
    table = {AIRLINE: _airline, SHOPS: _shops, STATIONS: _stations}[name]()
    path = folder / f"{name.split(':')[0].lower().replace(' ', '_')}.csv"
    table.to_csv(path, index=False)
    return path


def _airline() -> "pd.DataFrame":
    from sktime.datasets import load_airline

    y = load_airline()
    return y.rename("passengers").rename_axis("month").reset_index()


def _shops() -> "pd.DataFrame":
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=364)
    week = np.array([0, -1, -1, 0, 2, 6, 4.0])
    parts = []
    for name, level in (("harbour", 40), ("market", 25), ("station", 60)):
        sales = level + np.tile(week, 52) * level / 15 + level / 800 * np.arange(364) + rng.normal(0, level / 15, 364)
        part = pd.DataFrame(dict(date=days.strftime("%Y-%m-%d"), shop=name, sales=sales.round(1)))
        parts.append(part.drop(index=rng.choice(np.arange(30, 300), 20, replace=False)))
    return pd.concat(parts)


def _stations() -> "pd.DataFrame":
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(1)
    hours = np.arange(24 * 28)
    day = np.sin(2 * np.pi * (hours - 9) / 24)
    slow = np.cumsum(rng.normal(0, 0.15, len(hours)))
    return pd.DataFrame(
        dict(
            time=pd.date_range("2024-06-01", periods=len(hours), freq="h").astype(str),
            valley=(18 + 6 * day + slow + rng.normal(0, 0.4, len(hours))).round(2),
            summit=(4 + 3 * day + 0.7 * slow + rng.normal(0, 0.5, len(hours))).round(2),
        )
    )
