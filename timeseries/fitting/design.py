"""What a forecasting network reads and returns, and the defaults of context, horizon and patch."""

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..networks.network import ForecastNet

_LONGEST = 512  # steps of the longest default context
_HORIZON = 24  # steps of the longest default horizon


@dataclass(frozen=True)
class Design:
    """What a network reads and returns.

    Attributes:
        context: Steps L it reads.
        horizon: Steps H it forecasts at once.
        targets: Channels that are forecast, the first ones of a panel.
        covariates: Of each channel after them, which is read with each target, whether it is known ahead.
        quantiles: Probabilities, rising, 0.5 among them.
        loss: What the centre of the forecast minimises.
        network: Further arguments of ``ForecastNet``.
    """

    context: int
    horizon: int
    targets: int
    covariates: tuple[bool, ...]
    quantiles: tuple[float, ...]
    loss: str
    network: dict[str, Any] = field(default_factory=dict)

    def build(self) -> ForecastNet:
        return ForecastNet(
            self.context,
            self.horizon,
            self.quantiles,
            covariates=self.covariates,
            median_is_center=self.loss in ("quantile", "mae"),
            **self.network,
        )


def default_horizon(longest: int) -> int:
    """The default horizon, where the longest series has so many steps."""
    return max(1, min(_HORIZON, longest // 4))


def context_and_patch(
    longest: int, horizon: int, context_length: int | None, patch_length: int | None, stacklevel: int
) -> tuple[int, int]:
    """Steps of the context and of a patch: as asked for, or fewer where the series are too short.

    Args:
        longest: Steps of the longest series.
        horizon: Steps to forecast.
        context_length, patch_length: Steps asked for, None for defaults.
        stacklevel: Of the warnings about fewer steps, counted from the caller.
    """
    allowed = max(1, longest - horizon, longest // 2) if longest < 4 * horizon else max(1, (longest - horizon) // 2)
    wanted = context_length or min(_LONGEST, max(1, (longest - horizon) // 2))
    L = min(wanted, allowed)
    if context_length is not None and L < wanted:
        warnings.warn(
            f"context_length {wanted} is more than series of at most {longest} steps and a horizon of {horizon} "
            f"allow: reading {L} steps",
            UserWarning,
            stacklevel=stacklevel + 1,
        )
    P = patch_length or int(np.clip(round(L / 16), 4, 24))
    if P > L and patch_length is not None:
        warnings.warn(
            f"patch_length {P} is more than the context of {L} steps: using {L}", UserWarning, stacklevel=stacklevel + 1
        )
    return L, min(P, L)
