"""Forecasts without sktime: windows of a panel, networks that read them, steps beyond their horizon."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from .network import Forecast, ForecastNet
from .training import Schedule, seeded, train
from .windows import Batch, Cuts, Panel

LOSSES = ("quantile", "mse", "mae", "huber")

_ITEMS = 1024  # series in a training batch, and in one pass of prediction; a window has one of each channel


@dataclass(frozen=True)
class Design:
    """What a network reads and returns.

    Attributes:
        context: Steps L it reads.
        horizon: Steps H it forecasts at once.
        targets: Channels that are forecast, the first ones of a panel.
        covariates: Channels after them, read with each target.
        quantiles: Probabilities, rising, 0.5 among them.
        loss: What the centre of the forecast minimises.
        network: Further arguments of ``ForecastNet``.
    """

    context: int
    horizon: int
    targets: int
    covariates: int
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


class Windows:
    """Training windows of a panel: batches of context and target, every target channel an item of its own.

    Args:
        panel: The series.
        design: What is read and forecast.
        cuts: Between context and target.
        device: Where batches go.
    """

    def __init__(self, panel: Panel, design: Design, cuts: Cuts, device: torch.device) -> None:
        self.panel, self.design, self.cuts, self.device = panel, design, cuts, device
        self.per_batch = max(1, _ITEMS // design.targets)

    def steps(self, least: int, most: int) -> int:
        """Batches in an epoch: once through all windows, within limits."""
        return min(max(math.ceil(len(self.cuts) / self.per_batch), least), most)

    def draw(self, generator: torch.Generator, steps: int) -> Iterator[tuple[Batch, Batch]]:
        """Batches of context and target in random order, without repetition while there are windows."""
        n, wanted = len(self.cuts), steps * self.per_batch
        for start in range(0, wanted, max(n, self.per_batch)):
            order = torch.randperm(n, generator=generator)[: wanted - start]
            yield from (self.at(part) for part in order.split(self.per_batch))

    def in_order(self) -> Iterator[tuple[Batch, Batch]]:
        for part in torch.arange(len(self.cuts)).split(self.per_batch):
            yield self.at(part)

    def at(self, numbers: torch.Tensor) -> tuple[Batch, Batch]:
        """Context (B*M, 1+K, L or L+H) and target (B*M, 1, H) of some windows, M being the target channels."""
        series, cuts = self.cuts[numbers]
        around = self.panel.windows(series, cuts, self.design.context, self.design.horizon)
        return split(around, self.design, self.device)


def split(around: Batch, design: Design, device: torch.device) -> tuple[Batch, Batch]:
    """Windows (B, M+K, L+H) to what a network reads (B*M, 1+K, …) and what it is to forecast (B*M, 1, H)."""
    L = design.context

    def parts(t: torch.Tensor | None) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        if t is None:
            return None, None
        t = t.to(device)
        one = t[:, : design.targets].flatten(0, 1)[:, None]  # (B*M, 1, L+H)
        if not design.covariates:
            return one[..., :L], one[..., L:]
        others = t[:, design.targets :].repeat_interleave(design.targets, dim=0)  # (B*M, K, L+H)
        return torch.cat([one, others], dim=1), one[..., L:]

    (values, ahead), (observed, seen) = parts(around.values), parts(around.observed)
    return Batch(values, observed), Batch(ahead, seen)


def loss_of(forecast: Forecast, target: Batch, design: Design) -> torch.Tensor:
    """Loss of the centre plus the pinball loss of the quantiles, over what was observed of the target (B, 1, H).

    Unless the loss is "quantile" the centre is left alone by the quantiles.
    """
    y = target.values[:, 0]
    weight = torch.ones_like(y) if target.observed is None else target.observed[:, 0].to(y.dtype)
    weight = weight / weight.sum().clamp(min=1)
    error = y - forecast.center
    if design.loss == "mse":
        point = error.square()
    elif design.loss == "huber":
        point = torch.nn.functional.huber_loss(forecast.center, y, reduction="none")
    else:
        point = error.abs()
    center = forecast.center if design.loss == "quantile" else forecast.center.detach()
    miss = (y - center)[..., None] - forecast.offsets  # (B, H, Q)
    levels = miss.new_tensor(design.quantiles)
    pinball = torch.maximum(levels * miss, (levels - 1) * miss).mean(dim=-1)
    return ((point + 2 * pinball) * weight).sum()


def fit_network(
    model: ForecastNet,
    design: Design,
    panel: Panel,
    training: Cuts,
    validation: Cuts | None,
    *,
    seed: int,
    device: torch.device,
    steps: tuple[int, int],
    schedule: dict[str, Any],
    **options: Any,
):
    """Train one network on the windows of a panel; see ``train`` for what comes back."""
    windows = Windows(panel, design, training, device)
    held_out = None if validation is None else Windows(panel, design, validation, device)

    def loss(batch: tuple[Batch, Batch]) -> torch.Tensor:
        context, target = batch
        return loss_of(model(*context), target, design)

    @torch.no_grad()
    def score(model: ForecastNet) -> float:
        total = count = 0.0
        for context, target in held_out.in_order():
            n = target.values.numel() if target.observed is None else float(target.observed.sum())
            total += float(loss_of(model(*context), target, design)) * n
            count += n
        return total / max(count, 1)

    with seeded(seed) as generator:
        return train(
            model,
            loss,
            windows.draw,
            None if held_out is None else score,
            Schedule(steps=windows.steps(*steps), **schedule),
            generator=generator,
            device=device,
            **options,
        )


@torch.inference_mode()
def forecast(
    networks: list[ForecastNet],
    design: Design,
    panel: Panel,
    series: torch.Tensor,
    cuts: torch.Tensor,
    steps: int,
    device: torch.device,
) -> tuple[np.ndarray, np.ndarray]:
    """Forecast the targets after some cuts, in the units of the series.

    Beyond the horizon of the networks their own forecasts are read as if they had been observed; the offsets of the
    quantiles then add up as independent errors do.

    Args:
        networks: Of which the mean is taken.
        design: Theirs.
        panel: The series; covariates may go on after the cut.
        series, cuts: Which series, and before which of their steps (B,).
        steps: How many to forecast.
        device: Where.

    Returns:
        Centres (B, steps, M) and quantiles (B, steps, M, Q), float64.
    """
    per_pass = max(1, _ITEMS // design.targets)
    networks = [network.to(device) for network in networks]
    parts = [
        _forecast_some(networks, design, panel, s, c, steps, device)
        for s, c in zip(series.split(per_pass), cuts.split(per_pass), strict=True)
    ]
    for network in networks:
        network.cpu()
    center, quantiles = (np.concatenate(p) for p in zip(*parts, strict=True))
    rows = series.numpy()
    location = panel.location[rows, None, : design.targets]
    scale = panel.scale[rows, None, : design.targets]
    return center * scale + location, quantiles * scale[..., None] + location[..., None]


def _forecast_some(networks, design, panel, series, cuts, steps, device) -> tuple[np.ndarray, np.ndarray]:
    """In the units of the panel."""
    L, H, M = design.context, design.horizon, design.targets
    blocks = math.ceil(steps / H)
    around = panel.windows(series, cuts, L, blocks * H)
    values = around.values
    observed = torch.ones_like(values, dtype=torch.bool) if around.observed is None else around.observed.clone()
    observed[:, :M, L:] = False  # nothing of the targets is known ahead
    whole = bool(observed[:, :M, :L].all()) and bool(observed[:, M:].all())
    results = []
    for network in networks:
        x, seen = values.clone(), observed.clone()
        reach: torch.Tensor | float = 0.0
        centers, quantiles = [], []
        for start in range(0, blocks * H, H):
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
