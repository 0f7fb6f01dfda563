"""What the tab "Classify series" answers: a classifier fitted to one part of labelled series, tested on the other."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .jobs import Job
from .limits import ROWS, check_size
from .loading import libraries

if TYPE_CHECKING:
    from PIL import Image

    from timeseries.data.labelled_files import Labelled

POWER = "Italian power demand: winter or summer, 67 days"
GESTURES = "Basic motions: four activities, six channels"
EXAMPLES = {POWER: "ItalyPowerDemand", GESTURES: "BasicMotions"}
_LEAST = 4  # series


@dataclass
class Fitted:
    """A classifier, and what it says of the series that it has not seen.

    Attributes:
        classifier: A fitted ``JumboClassifier``.
        held_out: These series.
        accuracy: The share that is classified rightly.
        commonest: The share that always saying the commonest class of the others would get right.
        predicted: Their predicted labels (n,).
        learned_from: Number of the others.
        share: Weight of the encoder's scores, beside the convolutions'.
    """

    classifier: Any
    held_out: "Labelled"
    accuracy: float
    commonest: float
    predicted: np.ndarray
    learned_from: int
    share: float


def example_file(name: str) -> Path:
    """The file of an example, which comes with sktime."""
    libraries()
    import sktime.datasets

    problem = EXAMPLES[name]
    return Path(sktime.datasets.__file__).parent / "data" / problem / f"{problem}_TRAIN.ts"


def read(path: str | None, label: str | None = None) -> "Labelled":
    """The labelled series in an uploaded file.

    Raises:
        ValueError: If there is none, it is too large, or cannot be read.
    """
    if not path:
        raise ValueError("there is no file yet: drop one, or choose an example")
    libraries()
    from timeseries.data.labelled_files import read_labelled

    check_size(Path(path))
    return read_labelled(path, label, ROWS)


def columns_of(path: str) -> tuple[list[str], str | None]:
    """Columns of a CSV file, and which seems to hold the labels; none for other files."""
    libraries()
    from timeseries.data.csv_files import read_csv
    from timeseries.data.labelled_files import label_column

    if Path(path).suffix.lower() in (".ts", ".npz"):
        return [], None
    table = read_csv(path, ROWS)
    return [str(c) for c in table.columns], label_column(table)


def fit(job: Job, data: "Labelled", held_out: float, epochs: int) -> Fitted:
    """Fit to one part of the series, and predict the other.

    Args:
        job: Told the progress after each epoch.
        data: The series.
        held_out: The share of each class to hold out.
        epochs: Most epochs of an encoder of its own; 0: the encoder in the package, which was pretrained.

    Raises:
        ValueError, TypeError: As JumboClassifier; and for too few series.
        Stopped: If the job is stopped.
    """
    import torch

    from timeseries import JumboClassifier
    from timeseries.fitting.classification import stratified

    classes, labels = np.unique(data.y, return_inverse=True)
    if len(classes) < 2 or len(labels) < _LEAST:
        raise ValueError(f"{len(labels)} series of {len(classes)} classes are too few: give {_LEAST} or more of two")
    learn, test = stratified(torch.from_numpy(labels), held_out, torch.Generator().manual_seed(0))
    if not len(test):
        raise ValueError(f"holding out {held_out:.0%} of each class leaves no series to test on: hold out more")
    rounds = 0

    def after_epoch(epoch: Any) -> None:
        nonlocal rounds
        rounds += epoch.number == 1
        what = "fitting" if rounds == 1 else "fitting once more, to all series to learn from"
        job.tell(0.9 * epoch.number / epoch.epochs, f"{what}, epoch {epoch.number} of at most {epoch.epochs}")

    job.tell(0.02, "fitting")
    known, unknown = data.of(np.sort(learn.numpy())), data.of(np.sort(test.numpy()))
    own = dict(pretrained=None, max_epochs=epochs, callbacks=[after_epoch]) if epochs else {}
    classifier = JumboClassifier(random_state=0, **own).fit(known.X, known.y)
    job.tell(0.95, "predicting the series that were held out")
    predicted = classifier.predict(unknown.X)
    names, counts = np.unique(known.y, return_counts=True)
    share = float(np.mean([float(network.share) for network in classifier.networks_]))
    return Fitted(
        classifier,
        unknown,
        float(np.mean(predicted == unknown.y)),
        float(np.mean(unknown.y == names[counts.argmax()])),
        predicted,
        len(known.y),
        share,
    )


def attention(fitted: Fitted, number: int) -> "Image.Image":
    """A series that was held out, over the attention that its patches get."""
    from matplotlib.figure import Figure

    from .drawing import as_image

    figure = Figure(figsize=(9, 3.6), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    fitted.classifier.plot_attention(fitted.held_out.of(np.array([number])).X, ax=axes)
    return as_image(figure)
