"""The series of a fitted forecaster: what it remembers of them, and forecasts of some of them, or of others."""

import copy
from typing import Self

import numpy as np
import pandas as pd

from ..checks import check_known
from ..data.frames import Instance, Rows, instances_of, of_series, rows_of
from ..data.panel_timeline import check_same_frequency
from .forecaster_answers import ForecasterAnswers
from .memory import remembered
from .tables import in_columns

_LEARNED = ("design_", "networks_", "history_", "pretrained_", "_blend", "_covariates", "_timeline")


class ForecasterSeries(ForecasterAnswers):
    """The part of ``JumboForecaster`` that turns tables into series and remembers them."""

    # ---- some of the series, and others

    def select(self, names):
        """Choose series of the fitted panel, to forecast these alone.

        Args:
            names (list of hashable, pd.Index, or one name): Names of series of the panel; tuples in a hierarchy.

        Returns:
            Self: A fitted forecaster of these series, in the order of the panel. It forecasts them as this
                one does, after the same last time, with ``predict``, ``predict_interval`` and all other methods. This
                one does not change.

        Raises:
            ValueError: If the panel has no such series (the message names the nearest), if no name is given, or if the
                forecaster was fitted to a single series.
        """
        self.check_is_fitted()
        if list(self._tails) == [None]:
            raise ValueError("fitted to a single series, there is nothing to select: call predict")
        wanted = set()
        for name in list(names) if isinstance(names, (list, pd.Index, pd.Series, np.ndarray)) else [names]:
            check_known("series", name, self._tails)
            wanted.add(name)
        if not wanted:
            raise ValueError("no name is given: give the names of the series to select")
        other = self._same_learned()
        other._take_over(self)
        other._index_names, other._columns = self._index_names, self._columns
        other._tails = {key: tail for key, tail in self._tails.items() if key in wanted}
        other._floors = {key: self._floors[key] for key in other._tails}
        other._learned = {key: end for key, end in self._learned.items() if key in wanted}
        return other

    def apply(self, y, X=None):
        """Take what was learned to other series, without fitting again.

        Args:
            y (in any format of ``fit``): Series with the columns and the frequency of those in ``fit``: their past,
                which may be a single observation. A forecaster fitted to one series takes a panel, too, and the other
                way round.
            X (in any format of ``fit``, optional): Their covariates, with the columns of X in ``fit``.

        Returns:
            Self: A fitted forecaster of these series, with the same networks and experts. Forecasts begin
                after their last time. Whether they may be negative (``support``) depends on their own values. This
                forecaster does not change, and ``update`` of the other trains copies of the networks.

        Raises:
            ValueError, TypeError: If a series has no observation; if columns or frequency differ from those in ``fit``;
                and for faulty tables, as in ``fit``.
        """
        self.check_is_fitted()
        other = self._same_learned()
        X_inner, y_inner = other._take_over(self, y, X)
        other._columns = self._columns
        y_inner = other._in_columns(y_inner, "apply")
        if self.freq is None:
            check_same_frequency(y_inner, self._timeline)
        other._index_names, other._columns = list(y_inner.index.names), y_inner.columns
        instances = instances_of(*other._rows(y_inner, X_inner, "apply"))
        for instance in instances:
            if np.isnan(instance.values[:, : self.design_.targets]).all():
                raise ValueError(
                    f"y has no observation{of_series(instance.key)}: give at least one value, or leave the series out"
                )
        other._learned = {}  # an update may learn from all of it
        other._remember(instances)
        return other

    def _same_learned(self) -> Self:
        """A forecaster with the same parameters that has learned the same, and has no series yet."""
        other = self.clone()
        for name in _LEARNED:
            if hasattr(self, name):
                setattr(other, name, getattr(self, name))
        other.networks_ = copy.deepcopy(self.networks_)  # ``set_budget`` changes them in place
        return other

    # ---- what is remembered

    def _remember(self, instances: list[Instance]) -> None:
        self._tails = remembered(instances, self.design_, whole=self.insample)
        self._floors = self._floors_for(instances, getattr(self, "_floors", None))

    # ---- tables and units

    def _in_columns(self, y: pd.DataFrame, doing: str) -> pd.DataFrame:
        """A table with its columns in the order of ``fit``; ``doing`` is the name of the caller in messages."""
        if y.shape[1] != self.design_.targets:
            raise ValueError(
                f"fitted on series of {self.design_.targets} columns, {doing} got {y.shape[1]}: give the same columns"
            )
        return in_columns(y, list(self._columns))

    def _rows(self, y: pd.DataFrame, X: pd.DataFrame | None, doing: str) -> tuple[Rows, Rows | None]:
        """The rows of y, in the units that the networks forecast, and of X."""
        rows = self._in_units(rows_of(y, self._timeline, "y"))
        return rows, self._covariates.beside(rows, X, self._timeline, doing)

    def _in_units(self, rows: Rows) -> Rows:
        """The rows in the units that the networks forecast."""
        if not self.log:
            return rows
        smallest = np.nanmin(rows.values, initial=np.inf)
        if smallest <= 0:
            raise ValueError(
                f"log=True needs positive values, the smallest here is {smallest}: add a constant, or use log=False"
            )
        return rows._replace(values=np.log(rows.values))
