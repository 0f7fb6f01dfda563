"""Where a prediction and the truth differ, and which classes are taken for which."""

from collections.abc import Sequence

import numpy as np

IGNORED = 255
RIGHT, WRONG = 0, 1
COLOURS = np.array([(70, 70, 78), (255, 60, 40)], dtype=np.uint8)  # of both; in grey pictures red stands out
MOST = 5  # confusions that are named


def marks(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """``RIGHT``, ``WRONG`` or, where the truth is ignored, 255 for each pixel of two label maps: uint8 (H, W).

    Raises:
        ValueError: If they differ in size.
    """
    truth, prediction = np.asarray(truth), np.asarray(prediction)
    if truth.shape != prediction.shape:
        raise ValueError(f"the truth has {truth.shape} pixels, the prediction {prediction.shape}: make them alike")
    return np.where(truth == IGNORED, IGNORED, np.where(truth == prediction, RIGHT, WRONG)).astype(np.uint8)


def confusions(truth: np.ndarray, prediction: np.ndarray, classes: Sequence[str]) -> str:
    """A sentence on the share of wrong pixels, among those that are not ignored, and the commonest confusions."""
    found = marks(truth, prediction)
    known, wrong = found != IGNORED, found == WRONG
    if not known.any():
        return "Every pixel of the mask is ignored."
    if not wrong.any():
        return "No pixel is wrong."
    pairs = np.asarray(truth)[wrong].astype(np.int64) * (IGNORED + 1) + np.asarray(prediction)[wrong]
    kinds, counts = np.unique(pairs, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:MOST]
    named = []
    for kind, count in zip(kinds[order].tolist(), counts[order].tolist(), strict=True):
        true, taken = divmod(kind, IGNORED + 1)
        named.append(f"{classes[true]} taken for {classes[taken]} {count / known.sum():.1%}")
    more = f", and {len(kinds) - MOST} more kinds" if len(kinds) > MOST else ""
    return f"{wrong.sum() / known.sum():.1%} of the pixels are wrong: {', '.join(named)}{more}"
