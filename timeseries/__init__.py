"""Forecasting, classification, regression and embedding of series with the Jumbo encoder: native sktime estimators.

Beside the methods that are described here they have those of sktime's estimators: ``fit``, ``predict``,
``predict_interval``, ``update``, ``predict_proba``, ``clone``, … They are loaded when they are first asked for: sktime
takes seconds to import.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .estimators.classifier import JumboClassifier
    from .estimators.embedder import JumboEmbedder
    from .estimators.forecaster import JumboForecaster
    from .estimators.regressor import JumboRegressor

_LAZY = {
    "JumboForecaster": ".estimators.forecaster",
    "JumboClassifier": ".estimators.classifier",
    "JumboEmbedder": ".estimators.embedder",
    "JumboRegressor": ".estimators.regressor",
}

__all__ = ["JumboClassifier", "JumboEmbedder", "JumboForecaster", "JumboRegressor"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
