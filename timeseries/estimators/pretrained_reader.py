"""The pretrained encoder of the estimators that keep it as it is."""

import copy
from pathlib import Path
from typing import Any

from jumbo_backbone import ComputeBudget

from ..networks.channel_features import ChannelFeatures
from ..networks.series_reader import SeriesReader
from ..weights import load_reader


def check_pretrained(pretrained: Any, keep_rate: float) -> None:
    """Raise TypeError for what cannot name pretrained weights, ValueError for a keep rate out of range."""
    if not isinstance(pretrained, (str, Path)):
        raise TypeError(f"pretrained {pretrained!r}: give 'synthetic', a path, or the name of a repository on the hub")
    ComputeBudget(keep_rate)  # checks it


def channel_features(pretrained: str | Path | SeriesReader, channels: int, keep_rate: float) -> ChannelFeatures:
    """Features of series of so many channels, by a copy of pretrained weights.

    Raises:
        FileNotFoundError, ValueError: See ``load_reader``.
    """
    reader = pretrained if isinstance(pretrained, SeriesReader) else load_reader(pretrained)
    features = ChannelFeatures(copy.deepcopy(reader), channels)
    features.default_budget = ComputeBudget(keep_rate)
    return features
