"""Covariates: columns beside the series, some known ahead and some up to the present only."""

from collections.abc import Hashable
from typing import NamedTuple

import numpy as np
import pandas as pd
from sktime.forecasting.base import ForecastingHorizon

from .frames import Instance, instances_of
from .timeline import Timeline


class Covariates(NamedTuple):
    """What was fitted beside the series.

    Attributes:
        columns: Names of the columns of X, in order (K,); none without X.
        known_ahead: Which of them have values for the steps to come (K,).
    """

    columns: list[Hashable]
    known_ahead: list[bool]

    @classmethod
    def of(cls, X: pd.DataFrame | None, past: list[Hashable] | str | None) -> "Covariates":
        """From a table, of whose columns those in ``past`` ("all" for all) are not known ahead.

        Raises:
            ValueError: If ``past`` names other columns.
        """
        columns = columns_of(X)
        if past == "all":
            return cls(columns, [False] * len(columns))
        if unknown := [c for c in past or [] if c not in columns]:
            raise ValueError(f"past_covariates {unknown} are not among the columns of X, {columns}")
        return cls(columns, [c not in (past or []) for c in columns])

    def with_future(
        self, instance: Instance, ahead: np.ndarray, X: pd.DataFrame | None, timeline: Timeline
    ) -> np.ndarray:
        """Values (T, M+K) of a series, and after them those of its covariates in the steps to come (T+steps, M+K).

        Args:
            instance: The series, its M own columns first.
            ahead: Steps wanted after its own end (n,); of these, X has to tell what is known ahead.
            X: Covariates of the steps to come.
            timeline: Of all series.

        Raises:
            ValueError: If X has other columns, or no row for a step wanted.
        """
        K, steps = len(self.columns), int(ahead.max())
        if not K or steps < 1:
            return instance.values
        width = instance.values.shape[1]
        future = np.full((steps, width), np.nan)
        if any(self.known_ahead):
            if X is None or columns_of(X) != self.columns:
                given = None if X is None else columns_of(X)
                raise ValueError(
                    f"fitted with the columns {self.columns} of X, to predict there are {given}: give the "
                    "same ones for the steps to come, or name those that are not known ahead in past_covariates"
                )
            behind = timeline.behind(instance.index)
            times = timeline.times(ForecastingHorizon(np.arange(1 - behind, steps + 1 - behind)))
            rows = {i.key: i for i in instances_of(X)}.get(instance.key)
            found = np.full(steps, -1) if rows is None else rows.index.get_indexer(times)
            wanted = ahead[ahead > 0]
            if (absent := wanted[found[wanted - 1] < 0]).size:
                raise ValueError(
                    f"X does not cover the horizon: there is no row at {times[absent[0] - 1]}"
                    + (f" of {instance.key}" if instance.key is not None else "")
                )
            known = np.flatnonzero(self.known_ahead)
            future[np.ix_(found >= 0, width - K + known)] = rows.values[np.ix_(found[found >= 0], known)]
        return np.concatenate([instance.values, future])


def columns_of(X: pd.DataFrame | None) -> list[Hashable]:
    """Names of the columns, none without a table."""
    return [] if X is None else list(X.columns)


def beside(instances: list[Instance], X: pd.DataFrame | None) -> list[Instance]:
    """Series (T, M) with their rows of X in columns after their own (T, M+K), NaN where it has none."""
    if X is None:
        return instances
    others = {i.key: i for i in instances_of(X)}
    return [i._replace(values=np.hstack([i.values, _rows(others.get(i.key), i.index, X)])) for i in instances]


def _rows(found: Instance | None, index: pd.Index, X: pd.DataFrame) -> np.ndarray:
    """Covariates at some times."""
    values = np.full((len(index), X.shape[1]), np.nan)
    if found is not None:
        at = found.index.get_indexer(index)
        values[at >= 0] = found.values[at[at >= 0]]
    return values
