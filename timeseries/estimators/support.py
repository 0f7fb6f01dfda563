"""Least values of forecasts: those of counts, sales and other quantities do not fall below zero."""

from collections.abc import Hashable

import numpy as np

from ..data.frames import Instance


def floors_of(
    instances: list[Instance], targets: int, support: str, before: dict[Hashable | None, np.ndarray] | None
) -> dict[Hashable | None, np.ndarray]:
    """The least value that a forecast may take: for each target (M,) of each series, 0 or minus infinity.

    Args:
        instances: The series.
        targets: Number of channels that are forecast, M; they are the first ones.
        support: "real" (no floor), "nonnegative" (0), or "auto" (0 for channels that have never been negative).
        before: The floors before an update. The instances may no longer hold the earliest values, which count too.

    Raises:
        ValueError: If a series has negative values, and ``support`` is "nonnegative".
    """
    floors = {}
    for instance in instances:
        values = instance.values[:, :targets]
        negative = (values < 0).any(axis=0)
        if support == "nonnegative" and negative.any():
            whose = "" if instance.key is None else f" of {instance.key}"
            raise ValueError(
                f"support='nonnegative', but the least value{whose} is {np.nanmin(values)}: use support='real'"
            )
        if before is not None and instance.key in before:
            negative |= before[instance.key] < 0
        floors[instance.key] = np.where(negative | (support == "real"), -np.inf, 0.0)
    return floors
