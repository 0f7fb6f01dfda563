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
        context: Steps L that it reads.
        horizon: Steps H that it forecasts in one pass.
        targets: Number of channels that are forecast; they come first in a panel.
        covariates: For each further channel, whether it is known ahead. These are read along with every target.
        quantiles: Probabilities of the quantiles, rising, including 0.5.
        loss: Loss of the centre of the forecast.
        network: Further arguments of ``ForecastNet``.
        static: For each of the covariates, whether it never changes within a series; empty: none.
    """

    context: int
    horizon: int
    targets: int
    covariates: tuple[bool, ...]
    quantiles: tuple[float, ...]
    loss: str
    network: dict[str, Any] = field(default_factory=dict)
    static: tuple[bool, ...] = ()

    @property
    def static_channels(self) -> list[int]:
        """Their channels in a panel."""
        return [self.targets + n for n, still in enumerate(self.static) if still]

    def build(self) -> ForecastNet:
        return ForecastNet(
            self.context,
            self.horizon,
            self.quantiles,
            covariates=self.covariates,
            static=self.static,
            median_is_center=self.loss in ("quantile", "mae"),
            **self.network,
        )


def default_horizon(longest: int) -> int:
    """The default horizon if the longest series has ``longest`` steps."""
    return max(1, min(_HORIZON, longest // 4))


def context_and_patch(
    longest: int, horizon: int, context_length: int | None, patch_length: int | None, stacklevel: int
) -> tuple[int, int]:
    """Steps of the context and of a patch: those requested, or fewer if the series are too short.

    Args:
        longest: Steps of the longest series.
        horizon: Steps to forecast.
        context_length, patch_length: Requested steps; None for defaults.
        stacklevel: Stack level of the warnings about fewer steps, counted from the caller.
    """
    allowed = max(1, longest - horizon, longest // 2) if longest < 4 * horizon else max(1, (longest - horizon) // 2)
    wanted = context_length or min(_LONGEST, max(1, (longest - horizon) // 2))
    L = min(wanted, allowed)
    if context_length is not None and L < wanted:
        warnings.warn(
            f"context_length {wanted} is too long for series of at most {longest} steps and a horizon of {horizon}: "
            f"using {L} steps",
            UserWarning,
            stacklevel=stacklevel + 1,
        )
    P = patch_length or int(np.clip(round(L / 16), 4, 24))
    if P > L and patch_length is not None:
        warnings.warn(
            f"patch_length {P} is longer than the context of {L} steps: using {L}",
            UserWarning,
            stacklevel=stacklevel + 1,
        )
    return L, min(P, L)
