"""Values that a series can take: forecasts of counts, sales and other quantities do not fall below zero."""

from collections.abc import Hashable

import numpy as np

from ..data.frames import Instance


def floors_of(
    instances: list[Instance], targets: int, support: str, before: dict[Hashable | None, np.ndarray] | None
) -> dict[Hashable | None, np.ndarray]:
    """Below which no forecast of a series lies: of each series, for each target (M,) 0 or minus infinity.

    Args:
        instances: The series.
        targets: Their first channels, which are forecast.
        support: "real" (no floor), "nonnegative", or "auto" (0 for what has never been negative).
        before: What held for what was seen before, of which the instances may not hold everything any more.

    Raises:
        ValueError: If there are negative values of a nonnegative series.
    """
    floors = {}
    for instance in instances:
        values = instance.values[:, :targets]
        negative = (values < 0).any(axis=0)
        if support == "nonnegative" and negative.any():
            whose = "" if instance.key is None else f" of {instance.key}"
            raise ValueError(
                f"support='nonnegative', but values{whose} go down to {np.nanmin(values)}: use support='real'"
            )
        if before is not None and instance.key in before:
            negative |= before[instance.key] < 0
        floors[instance.key] = np.where(negative | (support == "real"), -np.inf, 0.0)
    return floors
