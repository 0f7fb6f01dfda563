"""Panels as arrays: their channels in one order, and in units of the series that were fitted."""

import warnings
from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd
import torch

from ..checks import check_finite
from ..data.panel_timeline import even_values
from .labelled import in_order, names_of


class PanelArrays:
    """An estimator that reads panels. In ``fit`` it sets ``channels_`` and the ``location_`` and ``scale_`` of each."""

    channels_: int
    channel_names_: list[Hashable] | None
    location_: np.ndarray
    scale_: np.ndarray

    def _arrays_to_learn_from(self, X: np.ndarray | pd.DataFrame) -> list[np.ndarray]:
        """Series (T, C) of a panel, and the names of their channels, if they have any, or had in pretraining."""
        start: Any = getattr(self, "pretrained_", None)
        known = None if start is None else start.channel_names
        self.channel_names_ = names_of(X) if known is None else known
        return arrays_of(in_order(X, known))

    def _arrays_as_fitted(self, X: np.ndarray | pd.DataFrame) -> list[np.ndarray]:
        """Series (T, C) of a panel, their channels in the order that was fitted."""
        arrays = arrays_of(in_order(X, self.channel_names_))
        if (channels := arrays[0].shape[1]) != self.channels_:
            raise ValueError(f"series of {channels} channels, fitted on series of {self.channels_}: give as many")
        if unseen := without_values(arrays):
            warnings.warn(
                f"{len(unseen)} series have no observed value, the first is series {unseen[0]}, counted from 0: their "
                f"{self._guessed} are guesses",
                UserWarning,
                stacklevel=4,
            )
        return arrays

    _guessed = "classes"

    def _tensors(self, arrays: list[np.ndarray]) -> list[torch.Tensor]:
        """Float32 (C, T) each, in units of the training set."""
        return [torch.from_numpy(((a - self.location_) / self.scale_).T.astype(np.float32)) for a in arrays]


def check_values(arrays: list[np.ndarray]) -> None:
    """Raise ValueError if a series to learn from has no observed value."""
    if unseen := without_values(arrays):
        raise ValueError(
            f"{len(unseen)} series have no observed value, the first is series {unseen[0]}, counted from 0: leave them "
            "out of fit"
        )


def arrays_of(X: np.ndarray | pd.DataFrame) -> list[np.ndarray]:
    """Series (T, C) of sktime's "numpy3D" or "pd-multiindex" format, NaN where nothing was observed."""
    tables = X.astype(np.float64).transpose(0, 2, 1) if isinstance(X, np.ndarray) else even_values(X)
    for table in tables:
        check_finite(table)
    return list(tables)


def without_values(arrays: list[np.ndarray]) -> list[int]:
    """Indices of the series without any observed value."""
    return [n for n, array in enumerate(arrays) if np.isnan(array).all()]
