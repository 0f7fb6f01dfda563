"""sktime's two bases, adapted. Only this file touches names that sktime and skbase keep private."""

import copy
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from skbase.base._clone_plugins import _CloneSkbase
from sktime.classification.base import BaseClassifier
from sktime.datatypes import VectorizedDF
from sktime.forecasting.base import BaseForecaster, ForecastingHorizon
from sktime.utils.validation.forecasting import check_fh

from ..data.frames import last_step
from ..data.panel_timeline import timeline_for
from ..data.timeline import Timeline
from .labelled import checked_labels, checked_panel
from .tables import in_order


class TimelineForecaster(BaseForecaster):
    """sktime's forecaster, on the steps of a ``Timeline``: of any frequency, and with rows in any order.

    A subclass has the parameters ``freq`` and ``insample``.
    """

    _timeline: Timeline
    _fh: Any

    def __init__(self):
        with warnings.catch_warnings():  # about a default that is set right below
            warnings.filterwarnings("ignore", message=".*remember_data.*", category=FutureWarning)
            super().__init__()
        self.set_config(remember_data=False)

    def __dynamic_tags__(self):
        insample = bool(self.insample)
        self.set_tags(**{"capability:insample": insample, "capability:pred_int:insample": insample})

    # ---- time

    @property
    def _end(self) -> int:
        """The last step of all series, after which "ahead" begins."""
        return int(self._timeline.steps(self.cutoff, "the cutoff")[0])

    def _set_cutoff_from_y(self, y):
        """Set the cutoff to the latest time of all series seen so far."""
        if not self.is_fitted:
            self._timeline = timeline_for(y, self.freq)
        end = last_step(y, self._timeline)
        if self.is_fitted:
            end = max(end, self._end)
        self._set_cutoff(self._timeline.times(np.array([end])))

    def _check_fh(self, fh, pred_int=False):
        """As sktime's, but without its count in periods, which not every frequency has."""
        if fh is None and self._fh is None:
            return super()._check_fh(fh, pred_int)
        fh = check_fh(self._fh if fh is None else fh)
        steps = self._timeline.steps_ahead(fh, self._end)
        if not self.insample and steps.min() < 1:
            raise NotImplementedError(
                f"{type(self).__name__} can not perform in-sample prediction of {fh}: use insample=True"
            )
        self._fh = fh
        return fh

    # ---- tables

    def _check_X_y(self, X=None, y=None, **options):
        """As sktime's, with rows sorted by time. Arrays have no times: their steps follow the end of the series."""
        ahead = self.is_fitted
        X_inner, y_inner = super()._check_X_y(
            X=None if X is None else in_order(X, "X"), y=None if y is None else in_order(y, "y"), **options
        )
        if ahead:
            given = ((X, X_inner), (y, y_inner))
            X_inner, y_inner = (self._going_on(t) if isinstance(raw, np.ndarray) else t for raw, t in given)
        return X_inner, y_inner

    def _going_on(self, table: pd.DataFrame) -> pd.DataFrame:
        """A table of numbered steps, at the times that follow what was seen."""
        panel = isinstance(table.index, pd.MultiIndex)
        numbers = table.index.get_level_values(-1).to_numpy(dtype=np.int64)
        times = self._timeline.times(numbers + self._end + 1)
        names = [table.index.get_level_values(n) for n in range(table.index.nlevels - 1)]
        return table.set_axis(pd.MultiIndex.from_arrays([*names, times], names=table.index.names) if panel else times)

    def _checked_question(self, fh: Any, X: Any) -> tuple[ForecastingHorizon, pd.DataFrame | None]:
        """Arguments of ``predict`` as its inner methods take them."""
        return self._check_fh(fh), self._check_X(X=X)

    def _names_of_variables(self) -> list:
        return list(self._get_columns(method="predict"))

    def _names_of_quantiles(self, alpha: Sequence[float]) -> pd.Index:
        return self._get_columns(method="predict_quantiles", alpha=alpha)

    # ---- saving

    def _sktime_state(self) -> dict[str, Any]:
        """What sktime remembers, as values to save."""
        fh = self._fh
        return dict(
            cutoff=self.cutoff,
            fh=None if fh is None else dict(values=fh.to_pandas(), is_relative=fh.is_relative, freq=fh.freq),
            y_metadata=_without_kinds(self._y_metadata),
            y_store=self._converter_store_y,
        )

    def _restore_sktime_state(self, state: dict[str, Any], pretrained: bool) -> None:
        """Undo ``_sktime_state``."""
        if pretrained:
            self._pretrained_attrs = list(self.get_tag("pretrain:fitted_params"))  # which fit and clone keep
        self._y_metadata, self._converter_store_y = state["y_metadata"], state["y_store"]
        self._y_mtype_last_seen = self._y_metadata["mtype"]
        self._is_vectorized = False
        self._set_cutoff(state["cutoff"])
        self._fh = None if state["fh"] is None else ForecastingHorizon(**state["fh"])
        self._state = "fitted"


class _PretrainedCloner(_CloneSkbase):
    """A clone keeps what pretraining learned, as the clone of a pretrained sktime forecaster does."""

    def _check(self, obj):
        return isinstance(obj, LabelClassifier) and hasattr(obj, "pretrained_")

    def _clone(self, obj):
        clone = super()._clone(obj)
        clone.pretrained_ = copy.deepcopy(obj.pretrained_)
        return clone


class LabelClassifier(BaseClassifier):
    """sktime's classifier, with panels checked before they are converted, and with ``pretrained_``, which lives on."""

    @classmethod
    def _get_clone_plugins(cls):
        return [_PretrainedCloner]

    def reset(self):
        """Forget what ``fit`` learned, as every sktime estimator does, but keep what ``pretrain`` learned."""
        pretrained = getattr(self, "pretrained_", None)
        super().reset()
        if pretrained is not None:
            self.pretrained_ = pretrained
        return self

    def fit(self, X, y):
        """Fit to labelled series.

        Parameters
        ----------
        X : in any format of sktime's panels
            The series (n of them).
        y : np.ndarray, pd.Series or pd.DataFrame
            Their labels (n,), which have an order: of numbers, texts, times, … Those with the names of the series for
            index are put in their order. Of a table, each column is a classification of its own.

        Returns
        -------
        self

        Raises
        ------
        TypeError
            If X is a single series or holds what are no numbers; if y is no array or table, or of labels of several
            kinds.
        ValueError
            If X is empty, holds a series without any observed value, infinite values, two rows of one time, or series
            of other channels than the first; if labels are missing.
        """
        X = checked_panel(X)
        return super().fit(X, checked_labels(y, X))

    def _check_convert_X_for_predict(self, X):
        return super()._check_convert_X_for_predict(checked_panel(X))

    def _checked_question(self, X: Any) -> np.ndarray | pd.DataFrame:
        """The argument of ``predict`` as its inner methods take it."""
        return self._check_convert_X_for_predict(X)

    def _outputs(self) -> list["LabelClassifier"] | None:
        """The classifiers of the columns, after a fit to a table of labels; None after a fit to one column."""
        return list(self.classifiers_.iloc[0]) if self._is_vectorized else None

    # ---- saving

    def _sktime_state(self) -> dict[str, Any]:
        """What sktime remembers, as values to save."""
        return dict(
            classes=self.classes_,
            y_metadata=_without_kinds(self._y_metadata),
            y_store=self._converter_store_y,
            y_inner_mtype=self._y_inner_mtype,
        )

    def _restore_sktime_state(self, state: dict[str, Any]) -> None:
        """Undo ``_sktime_state``."""
        self.classes_ = state["classes"]
        self.n_classes_ = len(self.classes_)
        self._class_dictionary = {c: i for i, c in enumerate(self.classes_)}
        self._y_metadata, self._converter_store_y = state["y_metadata"], state["y_store"]
        self._y_inner_mtype = state["y_inner_mtype"]
        self._is_fitted = True

    def _set_outputs(self, parts: list["LabelClassifier"]) -> None:
        """Put a classifier of each column of labels where sktime keeps them."""
        names = self._y_metadata["feature_names"]
        self._is_vectorized = True
        self._yvec = VectorizedDF([pd.DataFrame([range(len(names))], columns=names)], iterate_cols=True)
        self.classifiers_ = pd.DataFrame([parts], columns=self._yvec.get_iter_indices()[1])


def _without_kinds(metadata: dict[str, Any]) -> dict[str, Any]:
    """What sktime notes about data, without its own enumeration of kinds of columns, which only its checks read."""
    return {name: value for name, value in metadata.items() if name != "feature_kind"}
