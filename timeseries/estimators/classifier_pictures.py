"""The classifier's pictures: a series, and what its encoder makes of each patch."""

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from sktime.datatypes import convert_to

from jumbo_backbone import ComputeBudget

from ..data.windows import Batch, pad_together
from .labelled import checked_panel
from .plotting import plot_attention, plot_kept

if TYPE_CHECKING:
    from .classifier import JumboClassifier


class Pictures:
    """The pictures of a ``JumboClassifier``."""

    def plot_attention(self, series, block=-1, ax=None):
        """Draw one series, and how much the Jumbo token attends to each of its patches.

        Args:
            series (in any format of sktime's panels, or np.ndarray (C, T) or (T,)): Of a panel, the first series is
                drawn.
            block (int): Index of the encoder's block; negative counts from the end. With several members, their mean is
                drawn.
            ax (matplotlib axes, optional): New ones if None.

        Returns:
            matplotlib axes: Those that were drawn in.

        Raises:
            ValueError: If the series has other channels than in ``fit``, or there is no such block.
        """
        fitted = cast("JumboClassifier", self)
        array, x = as_read(fitted, series)
        attention = torch.stack([n.encoder.attention(*x, block=block)[0] for n in fitted.networks_]).mean(dim=0).numpy()
        return plot_attention(
            array, patch_spans(fitted, len(array), len(attention)), attention, encoder_share(fitted), ax
        )

    def plot_kept(self, series, keep_rate, ax=None):
        """Draw one series, and which of its patches are kept at a keep rate.

        Args:
            series (in any format of sktime's panels, or np.ndarray (C, T) or (T,)): Of a panel, the first series is
                drawn.
            keep_rate (float): As in the constructor. With several members, their mean is drawn.
            ax (matplotlib axes, optional): New ones if None.

        Returns:
            matplotlib axes: Those that were drawn in.

        Raises:
            ValueError: If the series has other channels than in ``fit``, or the rate is out of range.
        """
        fitted = cast("JumboClassifier", self)
        array, x = as_read(fitted, series)
        budget, blocks = ComputeBudget(keep_rate), fitted.networks_[0].encoder.depth
        depths = torch.stack([n.encoder.patch_depths(*x, budget)[0] for n in fitted.networks_]).float().mean(dim=0)
        spans = patch_spans(fitted, len(array), len(depths))
        return plot_kept(array, spans, (depths / blocks).numpy(), encoder_share(fitted), ax)


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
    """Of each patch, the first step and the step after the last. A pretrained encoder cuts any series into as many."""
    if classifier.reader_ is not None:
        ends = np.round(np.linspace(0, length, patches + 1)).astype(int).tolist()
        return list(zip(ends[:-1], ends[1:], strict=True))
    starts = np.arange(patches) * classifier.patch_stride_
    return [(s, min(s + classifier.patch_length_, length)) for s in starts.tolist()]


def encoder_share(classifier: "JumboClassifier") -> float:
    """The share of the encoder in the answers, the mean over the members: 0 if the convolutions answer alone."""
    return float(np.mean([float(network.share) for network in classifier.networks_]))
