"""sktime's two base classes, adapted. Only this file uses private names of sktime and skbase."""

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
from sktime.regression.base import BaseRegressor
from sktime.utils.validation.forecasting import check_fh

from ..data.frames import last_step
from ..data.panel_timeline import timeline_for
from ..data.timeline import Timeline
from .labelled import checked_labels, checked_panel
from .tables import in_order


class TimelineForecaster(BaseForecaster):
    """sktime's forecaster, based on a ``Timeline``: it takes any frequency, and rows in any order.

    A subclass has the parameters ``freq`` and ``insample``.
    """

    _timeline: Timeline
    _fh: Any

    def __init__(self):
        with warnings.catch_warnings():  # sktime warns about the default of remember_data, which is set below
            warnings.filterwarnings("ignore", message=".*remember_data.*", category=FutureWarning)
            super().__init__()
        self.set_config(remember_data=False)

    def __dynamic_tags__(self):
        insample = bool(self.insample)
        self.set_tags(**{"capability:insample": insample, "capability:pred_int:insample": insample})

    # ---- time

    @property
    def _end(self) -> int:
        """The last step of all series; the horizon begins after it."""
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
        """As sktime's, but without converting the horizon to pandas periods, which not every frequency has."""
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
        """As sktime's, with rows sorted by time. An array has no times: its first row follows the end of the series."""
        ahead = self.is_fitted
        X_inner, y_inner = super()._check_X_y(
            X=None if X is None else in_order(X, "X"), y=None if y is None else in_order(y, "y"), **options
        )
        if ahead:
            given = ((X, X_inner), (y, y_inner))
            X_inner, y_inner = (self._going_on(t) if isinstance(raw, np.ndarray) else t for raw, t in given)
        return X_inner, y_inner

    def _going_on(self, table: pd.DataFrame) -> pd.DataFrame:
        """A table indexed by 0, 1, …, reindexed by the times that follow the end of the series."""
        panel = isinstance(table.index, pd.MultiIndex)
        numbers = table.index.get_level_values(-1).to_numpy(dtype=np.int64)
        times = self._timeline.times(numbers + self._end + 1)
        names = [table.index.get_level_values(n) for n in range(table.index.nlevels - 1)]
        return table.set_axis(pd.MultiIndex.from_arrays([*names, times], names=table.index.names) if panel else times)

    def _checked_question(self, fh: Any, X: Any) -> tuple[ForecastingHorizon, pd.DataFrame | None]:
        """The arguments of ``predict``, checked and converted for the inner methods."""
        return self._check_fh(fh), self._check_X(X=X)

    def _names_of_variables(self) -> list:
        return list(self._get_columns(method="predict"))

    def _names_of_quantiles(self, alpha: Sequence[float]) -> pd.Index:
        return self._get_columns(method="predict_quantiles", alpha=alpha)

    # ---- saving

    def _sktime_state(self) -> dict[str, Any]:
        """What sktime stores in a fitted forecaster, as values to save."""
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
            self._pretrained_attrs = list(self.get_tag("pretrain:fitted_params"))  # fit and clone keep these
        self._y_metadata, self._converter_store_y = state["y_metadata"], state["y_store"]
        self._y_mtype_last_seen = self._y_metadata["mtype"]
        self._is_vectorized = False
        self._set_cutoff(state["cutoff"])
        self._fh = None if state["fh"] is None else ForecastingHorizon(**state["fh"])
        self._state = "fitted"

    def _take_over(
        self, fitted: "TimelineForecaster", y: Any = None, X: Any = None
    ) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
        """Become fitted as another forecaster is, to its series or to those of y. Returns X and y, checked and
        converted as in ``fit``."""
        state = fitted._sktime_state()
        if y is not None:
            X, y = self._check_X_y(X=X, y=y)
            end = self._timeline.times(np.array([last_step(y, self._timeline)]))
            state |= dict(cutoff=end, y_metadata=self._y_metadata, y_store=self._converter_store_y)
        self._restore_sktime_state(state, pretrained=hasattr(fitted, "pretrained_"))
        return X, y


class _PretrainedCloner(_CloneSkbase):
    """A clone keeps what pretraining learned, as the clone of a pretrained sktime forecaster does."""

    def _check(self, obj):
        return isinstance(obj, LabelClassifier) and hasattr(obj, "pretrained_")

    def _clone(self, obj):
        clone = super()._clone(obj)
        clone.pretrained_ = copy.deepcopy(obj.pretrained_)
        return clone


class LabelClassifier(BaseClassifier):
    """sktime's classifier, which checks panels before it converts them, and keeps ``pretrained_`` in a reset."""

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

        Args:
            X (in any format of sktime's panels): The series (n of them).
            y (np.ndarray, pd.Series or pd.DataFrame): Their labels (n,), of a kind that can be sorted: numbers, texts,
                times, … If the index of y holds the names of the series, labels are matched to series by name. Each
                column of a table is a classification of its own.

        Returns:
            Self: This classifier, fitted.

        Raises:
            TypeError: If X is a single series, or holds values that are not numbers; if y is not an array or table, or
                holds labels of several kinds.
            ValueError: If X is empty, or has a series without any observed value, infinite values, two rows of one
                series at the same time, or a series whose channels differ from those of the first; if labels are
                missing.
        """
        X = checked_panel(X)
        return super().fit(X, checked_labels(y, X))

    def _check_convert_X_for_predict(self, X):
        return super()._check_convert_X_for_predict(checked_panel(X))

    def _checked_question(self, X: Any) -> np.ndarray | pd.DataFrame:
        """The argument of ``predict``, checked and converted for the inner methods."""
        return self._check_convert_X_for_predict(X)

    def _outputs(self) -> list["LabelClassifier"] | None:
        """The classifier of each column, after a fit to a table of labels; None after a fit to one column."""
        return list(self.classifiers_.iloc[0]) if self._is_vectorized else None

    # ---- saving

    def _sktime_state(self) -> dict[str, Any]:
        """What sktime stores in a fitted classifier, as values to save."""
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
        """Store a classifier for each column of labels, in the attributes where sktime expects them."""
        names = self._y_metadata["feature_names"]
        self._is_vectorized = True
        self._yvec = VectorizedDF([pd.DataFrame([range(len(names))], columns=names)], iterate_cols=True)
        self.classifiers_ = pd.DataFrame([parts], columns=self._yvec.get_iter_indices()[1])


class NumberRegressor(BaseRegressor):
    """sktime's regressor of whole series, which checks panels before it converts them."""

    def _check_convert_X_for_predict(self, X):
        return super()._check_convert_X_for_predict(checked_panel(X))


def _without_kinds(metadata: dict[str, Any]) -> dict[str, Any]:
    """sktime's metadata of a table without "feature_kind", which holds sktime's own enum; only its checks read it."""
    return {name: value for name, value in metadata.items() if name != "feature_kind"}
