"""Forecasts of a fitted forecaster, without sktime: by networks and experts, and beyond a network's horizon."""

import math

import numpy as np
import torch
from scipy.stats import norm

from ..data.windows import Batch, Panel
from ..networks.network import ForecastNet
from .blending import Blend, Trial, contexts_of, zero_shot
from .design import Design
from .forecasting import ITEMS, Windows, split

_TRIED = 512  # items of the windows on which networks and experts are compared


def try_out(network: ForecastNet, windows: Windows, most: int = _TRIED) -> Trial:
    """Forecasts of a network for at most ``most`` items, from evenly spaced windows."""
    n = min(len(windows.cuts), max(1, most // windows.design.targets))
    series, cuts = windows.cuts[torch.linspace(0, len(windows.cuts) - 1, n).long()]
    design = windows.design
    answer = of_networks([network], design, windows.panel, series, cuts, design.horizon, windows.device)
    return Trial(series.numpy(), cuts.numpy(), *answer)


def forecast_from(
    networks: list[ForecastNet],
    blend: Blend,
    design: Design,
    panel: Panel,
    series: np.ndarray,
    stands: np.ndarray,
    wanted: np.ndarray,
    device: torch.device,
    roll_on: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Forecast steps of series, each target channel from its observations before a given step.

    If the last steps before it are missing, the channel is forecast from its last observed step on, over all missing
    steps, whether the series ends there or goes on with NaN.

    Args:
        networks, blend, design, panel, device: See ``forecast``.
        series, stands: Numbers of the series, and the step of each before which observations are used (B,).
        wanted: Steps of the series to forecast, none before ``stands`` (B, S).
        roll_on: Whether steps beyond the horizon of the networks are allowed.

    Returns:
        Centres (B, S, M) and quantiles (B, S, M, Q), float64.

    Raises:
        ValueError: If a step is beyond the horizon, without ``roll_on``.
    """
    H, M = design.horizon, design.targets
    cuts = panel.last_known(torch.as_tensor(series), torch.as_tensor(stands), M).numpy()  # (B, M)
    ahead = wanted[..., None] - cuts[:, None] + 1  # (B, S, M), at least 1
    if not roll_on and (last := int(ahead.max())) > H:
        raise ValueError(
            f"step {last} after the last observed one is beyond the trained horizon of {H} steps: fit with that fh, or "
            "use roll_on=True"
        )
    if (ahead == np.arange(1, ahead.shape[1] + 1)[:, None]).all():  # nothing is missing
        places = (torch.as_tensor(series), torch.as_tensor(cuts[:, 0]))
        return forecast(networks, blend, design, panel, *places, ahead.shape[1], device)
    reach = int(cuts.max()) + 1
    pairs, number = np.unique(series[:, None] * reach + cuts, return_inverse=True)  # of series and cut
    number = number.reshape(-1, M)
    furthest = np.zeros(len(pairs), dtype=np.int64)
    np.maximum.at(furthest, number, ahead.max(axis=1))
    blocks = -(-furthest // H)
    center = np.empty(ahead.shape)
    quantiles = np.empty((*ahead.shape, len(design.quantiles)))
    # a series that ended long ago takes many passes; the others are not rolled on as far
    for some in np.unique(blocks):
        here = np.flatnonzero(blocks == some)
        place = np.full(len(blocks), -1)
        place[here] = np.arange(len(here))
        which, cut = (torch.as_tensor(part) for part in np.divmod(pairs[here], reach))
        c, q = forecast(networks, blend, design, panel, which, cut, int(furthest[here].max()), device)
        row, channel = np.nonzero(place[number] >= 0)
        at = (place[number[row, channel], None], ahead[row, :, channel] - 1, channel[:, None])
        center[row, :, channel], quantiles[row, :, channel] = c[at], q[at]
    return center, quantiles


def forecast(
    networks: list[ForecastNet],
    blend: Blend,
    design: Design,
    panel: Panel,
    series: torch.Tensor,
    cuts: torch.Tensor,
    steps: int,
    device: torch.device,
) -> tuple[np.ndarray, np.ndarray]:
    """Forecast the targets after some cuts, in the units of the series.

    Args:
        networks: Members that learned the series.
        blend: How their forecasts and those of the experts are blended.
        design: What the networks read and return.
        panel: The series; covariates may go on after the cut.
        series, cuts: Numbers of the series, and the step of each before which to cut (B,).
        steps: How many steps to forecast.
        device: Where to compute.

    Returns:
        Centres (B, steps, M) and quantiles (B, steps, M, Q), float64.
    """
    share = blend.shares(steps)
    if (share == 0).all():
        return _of_experts(blend, design, panel, series, cuts, steps, device)
    center, quantiles = of_networks(networks, design, panel, series, cuts, steps, device)
    if (share == 1).all():
        return center, quantiles
    other, others = _of_experts(blend, design, panel, series, cuts, steps, device)
    share = share[:, None]
    center = share * center + (1 - share) * other
    return center, share[..., None] * quantiles + (1 - share[..., None]) * others


def _of_experts(
    blend: Blend,
    design: Design,
    panel: Panel,
    series: torch.Tensor,
    cuts: torch.Tensor,
    steps: int,
    device: torch.device,
) -> tuple[np.ndarray, np.ndarray]:
    """As ``forecast``, by the weigher alone."""
    assert blend.weigher is not None  # without a weigher, the networks have the whole weight
    said = [
        zero_shot(
            blend.weigher,
            contexts_of(panel, series.numpy(), cuts.numpy(), channel),
            steps,
            design.quantiles,
            blend.periods,
            device,
        )
        for channel in range(design.targets)
    ]
    return np.stack([s.center for s in said], axis=2), np.stack([s.quantiles for s in said], axis=2)


@torch.inference_mode()
def of_networks(
    networks: list[ForecastNet],
    design: Design,
    panel: Panel,
    series: torch.Tensor,
    cuts: torch.Tensor,
    steps: int,
    device: torch.device,
) -> tuple[np.ndarray, np.ndarray]:
    """As ``forecast``, by the networks alone: the mean of their centres, and of each of their quantiles.

    Beyond the horizon, each network reads its own forecast as if it had been observed. The offsets of its quantiles
    then add up like independent errors.
    """
    per_pass = max(1, ITEMS // design.targets)
    networks = [network.to(device) for network in networks]
    blocks = math.ceil(steps / design.horizon)
    parts = [
        _forecast_some(networks, design, panel.windows(s, c, design.context, blocks * design.horizon), steps, device)
        for s, c in zip(series.split(per_pass), cuts.split(per_pass), strict=True)
    ]
    for network in networks:
        network.cpu()
    center, quantiles = (np.concatenate(p) for p in zip(*parts, strict=True))
    quantiles = quantiles[..., : len(design.quantiles)]  # a design without quantiles asks for the centre alone
    rows = series.numpy()
    location = panel.location[rows, None, : design.targets]
    scale = panel.scale[rows, None, : design.targets]
    return center * scale + location, quantiles * scale[..., None] + location[..., None]


def _forecast_some(
    networks: list[ForecastNet], design: Design, around: Batch, steps: int, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """As ``forecast``, for one pass: windows with whole horizons after the cut, in the units of the panel."""
    L, H, M = design.context, design.horizon, design.targets
    values = around.values
    observed = torch.ones_like(values, dtype=torch.bool) if around.observed is None else around.observed.clone()
    observed[:, :M, L:] = False  # the targets are not known ahead
    whole = bool(observed[:, :M, :L].all()) and bool(observed[:, M:].all())
    results = []
    for network in networks:
        x, seen = values.clone(), observed.clone()
        reach: torch.Tensor | float = 0.0
        centers, quantiles = [], []
        for start in range(0, values.shape[2] - L, H):
            here = slice(start, start + L + H)
            context, _ = split(Batch(x[..., here], None if whole else seen[..., here]), design, device)
            center, offsets = (t.double().cpu() for t in network(*context))
            center = center.unflatten(0, (-1, M))  # (B, M, H)
            offsets = offsets.unflatten(0, (-1, M))  # (B, M, H, Q)
            offsets = offsets.sign() * (offsets.square() + reach**2).sqrt()
            reach = offsets[:, :, -1:]
            x[:, :M, L + start : L + start + H] = center.to(x.dtype)
            seen[:, :M, L + start : L + start + H] = True
            centers.append(center)
            quantiles.append(center[..., None] + offsets)
        results.append((torch.cat(centers, dim=2), torch.cat(quantiles, dim=2)))
    center, quantile = (torch.stack(r).mean(dim=0)[:, :, :steps].transpose(1, 2) for r in zip(*results, strict=True))
    return center.numpy(), quantile.numpy()


def quantile_at(values: np.ndarray, levels: np.ndarray, alpha: float) -> np.ndarray:
    """A quantile (…) interpolated or extrapolated from known ones (…, Q), linearly in normal scores."""
    scores, score = norm.ppf(levels), norm.ppf(alpha)
    right = int(np.clip(np.searchsorted(scores, score), 1, len(scores) - 1))
    share = (score - scores[right - 1]) / (scores[right] - scores[right - 1])
    return values[..., right - 1] + share * (values[..., right] - values[..., right - 1])
