"""What a fitted forecaster answers: forecasts and quantiles as tables, from many places of a series, and pictures."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..data.frames import table_of
from ..fitting.predicting import quantile_at
from .forecaster_parameters import ForecasterParameters
from .forecasts import forecasts_at, forecasts_from_cuts, weights_of_experts
from .plotting import one_of, plot_forecast


class ForecasterAnswers(ForecasterParameters):
    """A forecaster that answers once it is fitted. ``JumboForecaster`` says how it is fitted."""

    def _predict(self, fh, X):
        center, _ = forecasts_at(self, fh, X)
        return self._table(fh, self._back(center, self._floors_of_all()), self._columns)

    def _predict_quantiles(self, fh, X, alpha):
        _, quantiles = forecasts_at(self, fh, X)
        if len(self.design_.quantiles) < 3:
            raise ValueError(f"quantiles {self.quantiles!r} have none beside the median: learn some below and above it")
        values = self._quantiles(quantiles, alpha, self._floors_of_all())  # (n, steps, M, alphas)
        return self._table(fh, values.reshape(*values.shape[:2], -1), self._names_of_quantiles(alpha))

    def _quantiles(self, quantiles: np.ndarray, alpha: Sequence[float], floors: np.ndarray) -> np.ndarray:
        """Of those learned (n, S, M, Q), those wanted (n, S, M, A), in the units of the data."""
        levels = np.array(self.design_.quantiles)
        return self._back(np.stack([quantile_at(quantiles, levels, a) for a in alpha], axis=-1), floors)

    def _table(self, fh: Any, values: np.ndarray, columns: pd.Index) -> pd.DataFrame:
        return table_of(list(self._tails), [self._times(fh)] * len(values), values, self._index_names, columns)

    def _times(self, fh: Any) -> pd.Index:
        """The times of a horizon, on the index of the series."""
        return self._timeline.times(self._end + self._timeline.steps_ahead(fh, self._end))

    @property
    def weights_(self):
        """Weight of each expert in the forecast of each series and variable, and that of the networks: a table whose
        rows add up to 1, in the mean of the horizon."""
        table = pd.concat(weights_of_experts(self, list(self._tails)), axis=1).T
        rows = [(key, column) for key in self._tails for column in self._names_of_variables()]
        if list(self._tails) == [None]:
            return table.set_axis(pd.Index([column for _, column in rows]))
        return table.set_axis(
            pd.Index([key if len(self._columns) == 1 else (key, column) for key, column in rows], tupleize_cols=False)
        )

    def forecast_at(self, y, cuts, alpha=(0.1, 0.9), steps=None):
        """Forecast from many places of a series at once, without fitting again: for backtests.

        Parameters
        ----------
        y : pd.DataFrame or pd.Series
            One series with the columns that were fitted, X having been none.
        cuts : array of int
            Rows of y before which to stand (B,): the forecast from cut k reads rows before k and begins with row k.
        alpha : sequence of float
            Probabilities of the quantiles wanted (A,).
        steps : int, optional
            How many to forecast. Default: the horizon that was trained.

        Returns
        -------
        center : np.ndarray of float64 (B, steps, columns)
        quantiles : np.ndarray of float64 (B, steps, columns, A)

        Raises
        ------
        ValueError
            If the columns differ from those fitted, a cut lies outside the series, or X was fitted; and for rows as in
            ``fit``.
        """
        self.check_is_fitted()
        center, quantiles = forecasts_from_cuts(self, y, np.asarray(cuts), steps)
        floors = np.full((len(center), self.design_.targets), -np.inf)
        if self.support == "nonnegative" or (
            self.support == "auto" and all((f == 0).all() for f in self._floors.values())
        ):
            floors[:] = 0.0
        return self._back(center, floors), self._quantiles(quantiles, alpha, floors)

    def plot(self, fh=None, X=None, coverage=(0.8, 0.95), history=None, instance=None, column=None, ax=None):
        """Draw the end of a series, its forecast, and intervals.

        Parameters
        ----------
        fh, X
            As in ``predict``.
        coverage : sequence of float
            Of the intervals.
        history : int, optional
            Steps of the past to draw, of those that were kept. Default: three times as many as are forecast.
        instance : hashable, optional
            Name of the series in a panel, a tuple in a hierarchy. Default: the first.
        column : hashable, optional
            Variable. Default: the first.
        ax : matplotlib axes, optional
            New ones if None.

        Returns
        -------
        The axes.

        Raises
        ------
        ValueError
            If there is no such series or variable.
        """
        self.check_is_fitted()
        fh, X = self._checked_question(fh, X)
        columns, keys = self._names_of_variables(), list(self._tails)
        instance, column = one_of("instance", instance, keys), one_of("column", column, columns)
        center, quantiles = forecasts_at(self, fh, X)
        n, m = keys.index(instance), columns.index(column)
        times = self._times(fh)
        tail = self._tails[instance]
        shown = history or max(3 * len(times), 2)
        past = pd.Series(tail.values[-shown:, m], self._timeline.times(np.arange(tail.start, tail.end)[-shown:]))
        one = np.s_[n : n + 1, :, m : m + 1]
        floor = self._floors[instance][None, m : m + 1]
        bounds = [
            (c, *self._quantiles(quantiles[one], (0.5 - c / 2, 0.5 + c / 2), floor)[0, :, 0].T)
            for c in sorted(coverage, reverse=True)
        ]
        name = " ".join(str(part) for part in (instance, column) if part is not None and not isinstance(part, int))
        ahead = pd.Series(self._back(center[one], floor)[0, :, 0], index=times, name=name or None)
        past = np.exp(past) if self.log else past
        return plot_forecast(past, ahead, bounds, ax, spoken=weights_of_experts(self, [instance])[m])

    # ---- units

    def _back(self, values: np.ndarray, floors: np.ndarray) -> np.ndarray:
        """From the units that the networks forecast (n, S, M, …) to those of the data, none below a floor (n, M)."""
        if self.log:
            return np.exp(values)
        return np.maximum(values, floors.reshape(len(floors), 1, -1, *[1] * (values.ndim - 3)))

    def _floors_of_all(self) -> np.ndarray:
        """Below which no value of a series lies (n, M), in the order of the series."""
        return np.stack([self._floors[key] for key in self._tails])
