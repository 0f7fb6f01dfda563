"""The families of series, and how often each is drawn.

To add a family, write a file with `parameters` and `series`, and add a line here. `parameters(rng, periods, steps)`
draws the parameters of n processes; `series(rng, parameters, steps)` draws the noise and returns (n, steps). So one
process can give several series.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from timeseries.synthetic import (
    arima,
    calendar,
    counts,
    cycles,
    ets,
    gaussian,
    growth,
    intermittent,
    regime,
    structural,
    volatility,
)

FREE, POSITIVE, COUNTS = "free", "positive", "counts"


class Family(NamedTuple):
    """A kind of process.

    Attributes:
        parameters: Draws n processes: (rng, periods (n, 2), steps) -> a named tuple.
        series: Draws a series of each: (rng, that tuple, steps) -> float64 (n, steps).
        values: "free": of any sign and unit, to be placed; "positive": with a level of its own; "counts": integers.
        shares: Probability of the family for series of main period 1 (yearly), of 4 (quarterly), of most other periods,
            and of 7, 24, 48 or 96. Each of the four sums to 1 over the families.
    """

    parameters: Callable[..., Any]
    series: Callable[..., np.ndarray]
    values: str
    shares: tuple[float, float, float, float]


def _family(module: ModuleType, values: str, *shares: *tuple[float, float, float, float]) -> Family:
    return Family(module.parameters, module.series, values, shares)


FAMILIES = {
    "structural": _family(structural, FREE, 0.24, 0.24, 0.24, 0.15),
    "ets": _family(ets, POSITIVE, 0.14, 0.15, 0.15, 0.08),
    "arima": _family(arima, FREE, 0.16, 0.18, 0.17, 0.11),
    "gaussian": _family(gaussian, FREE, 0.02, 0.03, 0.06, 0.06),
    "intermittent": _family(intermittent, COUNTS, 0.01, 0.01, 0.04, 0.04),
    "counts": _family(counts, COUNTS, 0.01, 0.02, 0.06, 0.06),
    "growth": _family(growth, POSITIVE, 0.34, 0.24, 0.08, 0.01),
    "calendar": _family(calendar, POSITIVE, 0.0, 0.04, 0.06, 0.39),
    "regime": _family(regime, FREE, 0.05, 0.05, 0.08, 0.05),
    "volatility": _family(volatility, FREE, 0.02, 0.02, 0.03, 0.03),
    "cycles": _family(cycles, FREE, 0.01, 0.02, 0.03, 0.02),
}
"""The families of processes by name."""


def shares(periods: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Probabilities (n, names) of these families for each series, from its periods (n, 2)."""
    main = periods[:, 0]
    column = np.select([main == 1, main == 4, np.isin(main, (7, 24, 48, 96))], [0, 1, 3], 2)
    table = np.array([FAMILIES[name].shares for name in names]).T
    table[table.sum(axis=1) == 0] = 1
    return (table / table.sum(axis=1, keepdims=True))[column]
