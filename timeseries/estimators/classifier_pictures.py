"""Input of the classifier's plots: a series as its networks read it, and the steps of its patches."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sktime.datatypes import convert_to

from ..data.windows import Batch, pad_together
from .labelled import checked_panel

if TYPE_CHECKING:
    from .classifier import JumboClassifier


def as_read(classifier: "JumboClassifier", series: Any) -> tuple[np.ndarray, Batch]:
    """The first series of the input: its values (T, C), and the batch that the networks read."""
    classifier.check_is_fitted()
    classifier._check_has_network()
    if isinstance(series, np.ndarray) and series.ndim < 3:
        series = series.reshape(1, -1, series.shape[-1])
    panel = convert_to(checked_panel(series), classifier.get_tag("X_inner_mtype"), as_scitype="Panel")
    array = classifier._arrays_as_fitted(panel)[0]
    return array, pad_together(classifier._tensors([array]), torch.device("cpu"))


def patch_spans(classifier: "JumboClassifier", length: int, patches: int) -> list[tuple[int, int]]:
    """Of each patch, the first step and the step after the last."""
    starts = np.arange(patches) * classifier.patch_stride_
    return [(s, min(s + classifier.patch_length_, length)) for s in starts.tolist()]


def encoder_share(classifier: "JumboClassifier") -> float:
    """The share of the encoder in the answers, the mean over the members: 0 if the convolutions answer alone."""
    return float(np.mean([float(network.share) for network in classifier.networks_]))
