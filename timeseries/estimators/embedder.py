"""JumboEmbedder: a table of features of series, by a pretrained encoder, as an sktime transformer."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from sktime.transformations.base import BaseTransformer

from jumbo_backbone.device import pick_device

from ..data.windows import mean_and_spread
from ..fitting.classification import outputs
from ..networks.convolutions import standard_of
from .labelled import checked_panel
from .panel_arrays import PanelArrays, check_values
from .pretrained_reader import channel_features, check_pretrained


class JumboEmbedder(PanelArrays, BaseTransformer):
    """Turns each series into a row of features: what a pretrained transformer with a Jumbo token (one wide token) says
    of it, its level and spread, and its length. For pipelines, clustering, and finding similar series.

    The transformer has learned to read synthetic series, and stays as it is. ``fit`` learns the units of the series,
    and the mean and the deviation of each feature, by which they are standardised. Series may be multivariate, of
    unequal lengths, and have missing values (NaN).

    Args:
        pretrained ("synthetic", str or Path): Weights of the transformer, as in ``JumboClassifier``.
        keep_rate (float): Fraction of the patch tokens that is kept after a quarter, a half and three quarters of the
            blocks.
        device (str): "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", … The fitted estimator keeps its weights
            on the CPU.

    Attributes:
        features_ (torch.nn.Module): What computes the features.

    Raises:
        FileNotFoundError: In ``fit``: if there are no such pretrained weights.
        ValueError, TypeError: In the constructor: for parameters out of range. In ``fit``: for pretrained weights that
            are damaged or of another version, and for series without values. In ``fit`` and ``transform``: for infinite
            values. In ``transform``: for another number of channels.

    Examples:
        >>> from sktime.datasets import load_unit_test
        >>> from timeseries import JumboEmbedder
        >>> X, _ = load_unit_test(split="train", return_X_y=True)
        >>> len(JumboEmbedder().fit_transform(X))
        20
    """

    _tags = {
        "authors": "Jumbo developers",
        "maintainers": "Jumbo developers",
        "python_dependencies": "torch",
        "scitype:transform-input": "Series",
        "scitype:transform-output": "Primitives",
        "scitype:instancewise": False,
        "X_inner_mtype": ["pd-multiindex", "numpy3D"],
        "y_inner_mtype": "None",
        "fit_is_empty": False,
        "capability:multivariate": True,
        "capability:unequal_length": True,
        "capability:missing_values": True,
        "capability:categorical_in_X": False,
    }
    _guessed = "features"

    def __init__(self, pretrained="synthetic", keep_rate=1.0, device="auto"):
        self.pretrained = pretrained
        self.keep_rate = keep_rate
        self.device = device
        super().__init__()
        check_pretrained(pretrained, keep_rate)

    def fit(self, X, y=None):
        """Fit to series.

        Args:
            X (in any format of sktime's panels): The series (n).
            y (None): Ignored.

        Returns:
            Self: This embedder.
        """
        return super().fit(_checked(X), y)

    def transform(self, X, y=None):
        """Features of series.

        Args:
            X (in any format of sktime's panels): The series (n).
            y (None): Ignored.

        Returns:
            pd.DataFrame: A row for each series (n, F).
        """
        return super().transform(_checked(X), y)

    def _fit(self, X, y=None):
        arrays = self._arrays_to_learn_from(X)
        check_values(arrays)
        self.location_, self.scale_ = mean_and_spread(np.concatenate(arrays))
        self.channels_ = len(self.location_)
        self.features_ = channel_features(self.pretrained, self.channels_, self.keep_rate)
        self.mean_, self.spread_ = (t.numpy() for t in standard_of(self._told(arrays)))
        return self

    def _transform(self, X, y=None):
        told = (self._told(self._arrays_as_fitted(X)).numpy() - self.mean_) / self.spread_
        names = X.index.get_level_values(0).unique() if isinstance(X, pd.DataFrame) else None
        return pd.DataFrame(told, index=names, columns=[f"f{n}" for n in range(told.shape[1])])

    def _told(self, arrays: list[np.ndarray]) -> torch.Tensor:
        return outputs(self.features_, self._tensors(arrays), pick_device(self.device))

    @classmethod
    def get_test_params(cls, parameter_set="default"):
        """Small settings for sktime's tests."""
        return [dict(), dict(keep_rate=0.5)]


def _checked(X: Any) -> Any:
    """The input, checked if it is a panel; of a single series sktime makes a panel, and of a hierarchy several."""
    if isinstance(X, np.ndarray):
        return checked_panel(X) if X.ndim == 3 else X
    long = isinstance(X, pd.DataFrame) and X.index.nlevels == 2
    return checked_panel(X) if long or isinstance(X, list) else X
