"""What a fitted forecaster returns: forecasts and quantiles as tables, backtests, weights of experts, and pictures."""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..checks import check_known
from ..data.frames import Instance, table_of
from ..fitting.predicting import quantile_at
from .forecaster_parameters import ForecasterParameters
from .forecasts import forecasts_at, forecasts_from_cuts, weights_of_experts
from .plotting import plot_forecast
from .support import floors_of
from .tables import in_columns


class ForecasterAnswers(ForecasterParameters):
    """The predicting part of ``JumboForecaster``, which adds the fitting."""

    def _predict(self, fh, X):
        return self._table(fh, self._values_at(fh, X, None), self._columns)

    def _predict_quantiles(self, fh, X, alpha):
        if len(self.design_.quantiles) < 3:
            raise ValueError(f"quantiles {self.quantiles!r} are too few for intervals: give some below and above 0.5")
        values = self._values_at(fh, X, alpha)
        return self._table(fh, values.reshape(*values.shape[:2], -1), self._names_of_quantiles(alpha))

    def _values_at(self, fh: Any, X: pd.DataFrame | None, alpha: Sequence[float] | None) -> np.ndarray:
        """Centres (n, S, M) of all series, or the requested quantiles (n, S, M, A), in the units of the data."""
        floors, keys = self._floors_of_all(), list(self._tails)
        shape = (len(keys), len(fh), self.design_.targets)
        values = np.empty(shape if alpha is None else (*shape, len(alpha)))
        for rows, center, quantiles in forecasts_at(self, keys, fh, X, alpha is not None):
            floor = floors[rows]
            values[rows] = self._back(center, floor) if alpha is None else self._quantiles(quantiles, alpha, floor)
        return values

    def _quantiles(self, quantiles: np.ndarray, alpha: Sequence[float], floors: np.ndarray) -> np.ndarray:
        """The requested quantiles (n, S, M, A) from the learned ones (n, S, M, Q), in the units of the data."""
        levels = np.array(self.design_.quantiles)
        return self._back(np.stack([quantile_at(quantiles, levels, a) for a in alpha], axis=-1), floors)

    def _table(self, fh: Any, values: np.ndarray, columns: pd.Index) -> pd.DataFrame:
        return table_of(list(self._tails), [self._times(fh)] * len(values), values, self._index_names, columns)

    def _times(self, fh: Any) -> pd.Index:
        """The times of a horizon, on the index of the series."""
        return self._timeline.times(self._end + self._timeline.steps_ahead(fh, self._end))

    @property
    def weights_(self):
        """Weight of each expert, and of the networks, in the forecast of each series and variable, averaged over the
        horizon: a table whose rows add up to 1."""
        table = weights_of_experts(self, list(self._tails))
        rows = [(key, column) for key in self._tails for column in self._names_of_variables()]
        if list(self._tails) == [None]:
            return table.set_axis(pd.Index([column for _, column in rows]))
        return table.set_axis(
            pd.Index([key if len(self._columns) == 1 else (key, column) for key, column in rows], tupleize_cols=False)
        )

    def forecast_at(self, y, cuts, alpha=(0.1, 0.9), steps=None):
        """Forecast from many points of a series at once, without fitting again, for backtests.

        Args:
            y (pd.DataFrame or pd.Series): One series with the same columns as in ``fit``. The forecaster must have been
                fitted without X.
            cuts (array of int): Numbers of rows of y (B,): the forecast from cut k reads the rows before k, and begins
                with row k.
            alpha (sequence of float): Probabilities of the requested quantiles (A,).
            steps (int, optional): How many steps to forecast. Default: the horizon of the networks.

        Returns:
            tuple of two np.ndarray of float64: Forecasts (B, steps, columns), and quantiles (B, steps, columns, A).

        Raises:
            ValueError: If the columns differ from those in ``fit``, if a cut lies outside the series, or if the
                forecaster was fitted with X; and for faulty rows, as in ``fit``.
        """
        self.check_is_fitted()
        center, quantiles = forecasts_from_cuts(self, y, np.asarray(cuts), steps)
        series = in_columns(pd.DataFrame(y), list(self._columns)).to_numpy(dtype=np.float64)
        floor = self._floors_for([Instance(None, 0, series)])[None]  # (M,)
        floors = np.broadcast_to(floor, (len(center), len(floor)))
        return self._back(center, floors), self._quantiles(quantiles, alpha, floors)

    def plot(self, fh=None, X=None, coverage=(0.8, 0.95), history=None, instance=None, column=None, ax=None):
        """Draw the end of a series, its forecast, and prediction intervals.

        Args:
            fh (ForecastingHorizon, int or list of int, optional): As in ``predict``.
            X (pd.DataFrame, optional): As in ``predict``.
            coverage (sequence of float): Coverage of each interval.
            history (int, optional): How many past steps to draw, as far as they were kept. Default: three times the
                forecast steps.
            instance (hashable, optional): Name of the series in a panel, a tuple in a hierarchy. Default: the first.
            column (hashable, optional): Name of the variable. Default: the first.
            ax (matplotlib axes, optional): New ones if None.

        Returns:
            matplotlib axes: Those that were drawn in.

        Raises:
            ValueError: If there is no such series or variable.
        """
        self.check_is_fitted()
        fh, X = self._checked_question(fh, X)
        columns, keys = self._names_of_variables(), list(self._tails)
        instance, column = (keys[0] if instance is None else instance), (columns[0] if column is None else column)
        check_known("series", instance, keys)
        check_known("column", column, columns)
        ((_, center, quantiles),) = forecasts_at(self, [instance], fh, X)
        m = columns.index(column)
        times = self._times(fh)
        tail = self._tails[instance]
        shown = history or max(3 * len(times), 2)
        past = pd.Series(tail.values[-shown:, m], self._timeline.times(np.arange(tail.start, tail.end)[-shown:]))
        one = np.s_[:, :, m : m + 1]
        floor = self._floors[instance][None, m : m + 1]
        bounds = [
            (c, *self._quantiles(quantiles[one], (0.5 - c / 2, 0.5 + c / 2), floor)[0, :, 0].T)
            for c in sorted(coverage, reverse=True)
        ]
        levels = instance if isinstance(instance, tuple) else (instance,)
        parts = [str(part) for part in (*levels, column) if part is not None and not isinstance(part, int)]
        name = ", ".join(parts)
        ahead = pd.Series(self._back(center[one], floor)[0, :, 0], index=times, name=name or None)
        past = np.exp(past) if self.log else past
        return plot_forecast(past, ahead, bounds, ax, spoken=weights_of_experts(self, [instance]).iloc[m])

    # ---- units

    def _back(self, values: np.ndarray, floors: np.ndarray) -> np.ndarray:
        """Convert from the units of the networks (n, S, M, …) to those of the data, with the floors (n, M) as least
        values."""
        if self.log:
            return np.exp(values)
        return np.maximum(values, floors.reshape(len(floors), 1, -1, *[1] * (values.ndim - 3)))

    def _floors_for(
        self, instances: list[Instance], before: dict[Hashable | None, np.ndarray] | None = None
    ) -> dict[Hashable | None, np.ndarray]:
        """See ``floors_of``. Logarithms need no floor."""
        return floors_of(instances, self.design_.targets, "real" if self.log else self.support, before)

    def _floors_of_all(self) -> np.ndarray:
        """The least value of each series (n, M), in the order of the series."""
        return np.stack([self._floors[key] for key in self._tails])
