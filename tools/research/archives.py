"""Problems of the UCR and UEA archives: their series, and classifiers timed on them."""

import time
from pathlib import Path
from typing import Any

import numpy as np
from sktime.datasets import load_from_tsfile, load_UCR_UEA_dataset


def load(problem: str) -> list[tuple[Any, np.ndarray]]:
    """Training and test series with their labels."""
    folder = Path(problem)
    if folder.is_dir():
        return [load_from_tsfile(str(folder / f"{folder.name}_{part}.ts")) for part in ("TRAIN", "TEST")]
    return [load_UCR_UEA_dataset(problem, split=part, return_X_y=True) for part in ("train", "test")]


def drawn(train: tuple, per_class: int | None, seed: int) -> tuple:
    """So many series of each class, or all of a smaller class; everything if ``per_class`` is None."""
    if per_class is None:
        return train
    X, y = train
    rng = np.random.default_rng(seed)
    rows = np.concatenate([rng.permutation(np.flatnonzero(y == label))[:per_class] for label in np.unique(y)])
    return X.iloc[np.sort(rows)], y[np.sort(rows)]


def measure_minirocket(train: tuple, test: tuple, seed: int) -> dict[str, Any]:
    from sktime.classification.kernel_based import RocketClassifier

    make = lambda: RocketClassifier(rocket_transform="minirocket", random_state=seed)  # noqa: E731
    try:
        make().fit(*train).predict(test[0].iloc[:2])  # compiles
        return timed(make(), train, test)
    except (ValueError, TypeError, IndexError) as error:  # series too short for it, or of unequal lengths
        return dict(error=f"{type(error).__name__}: {error}"[:200])


def timed(classifier, train: tuple, test: tuple) -> dict[str, Any]:
    begin = time.perf_counter(), time.process_time()
    classifier.fit(*train)
    fitted = time.perf_counter(), time.process_time()
    predictions = classifier.predict(test[0])
    return dict(
        accuracy=float((predictions == test[1]).mean()),
        fit_seconds=fitted[0] - begin[0],
        fit_cpu_seconds=fitted[1] - begin[1],
        predict_seconds=time.perf_counter() - fitted[0],
    )
