"""Only one file knows what sktime keeps private: an update of sktime then has one place to go to."""

import ast
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sktime")
from sktime.classification.dummy import DummyClassifier
from sktime.forecasting.naive import NaiveForecaster

import timeseries

# what sktime asks those who extend it to write
PUBLIC = {
    "_fit",
    "_predict",
    "_predict_quantiles",
    "_predict_proba",
    "_update",
    "_pretrain",
    "_pretrain_update",
    "_tags",
}


def names_in(path):
    """Attributes and methods of a file, and what it imports from sktime."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("sktime", "skbase")):
            parts = [*node.module.split("."), *(alias.name for alias in node.names)]
            yield from (f"import {part}" for part in parts if part.startswith("_"))


@pytest.mark.filterwarnings("ignore:.*remember_data:FutureWarning")
def test_private_names_of_sktime_are_touched_in_one_file():
    forecaster = NaiveForecaster().fit(np.arange(9.0), fh=[1])
    classifier = DummyClassifier().fit(np.zeros((4, 1, 5)), np.arange(4) % 2)
    private = {n for n in {*dir(forecaster), *dir(classifier)} if n.startswith("_") and not n.endswith("__")} - PUBLIC
    assert {"_fh", "_y_metadata", "_is_vectorized", "_check_X_y", "_get_columns"} <= private
    used = {
        path.name: {n for n in names_in(path) if n in private or n.startswith("import ")}
        for path in Path(timeseries.__file__).parent.rglob("*.py")
    }
    assert used.pop("sktime_bases.py") >= {"_check_fh", "_is_vectorized", "import _CloneSkbase"}
    assert {name: found for name, found in used.items() if found} == {}
