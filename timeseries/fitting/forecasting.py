"""Forecasts without sktime: windows of a panel, networks that read them, steps beyond their horizon."""

import copy
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from scipy.stats import norm

from jumbo_backbone import ComputeBudget

from ..data.windows import Batch, Cuts, Panel
from ..networks.network import Forecast, ForecastNet
from .budgets import Plan, training_loss
from .closed_form import fit_linear
from .design import Design
from .training import History, Schedule, seeded, train

LOSSES = ("quantile", "mse", "mae", "huber")

_CHOOSE_ON = 20_000  # items of the windows on which a penalty is chosen
_ITEMS = 1024  # in a training batch, and in one pass of prediction; a window has an item for each target channel


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

    def some(self, most: int = 65_536) -> Iterator[tuple[Batch, Batch]]:
        """Batches of at most so many items, of windows at even distances."""
        n = max(1, min(len(self.cuts), most // self.design.targets))
        for part in torch.linspace(0, len(self.cuts) - 1, n).long().split(self.per_batch):
            yield self.at(part)

    def in_order(self) -> Iterator[tuple[Batch, Batch]]:
        for part in torch.arange(len(self.cuts)).split(self.per_batch):
            yield self.at(part)

    def at(self, numbers: torch.Tensor) -> tuple[Batch, Batch]:
        """Context (B*M, 1+K, L or L+H) and target (B*M, 1, H) of some windows, M being the target channels."""
        series, cuts = self.cuts[numbers]
        around = self.panel.windows(series, cuts, self.design.context, self.design.horizon)
        return split(around, self.design, self.device)


def split(around: Batch, design: Design, device: torch.device) -> tuple[Batch, Batch]:
    """Split windows (B, M+K, L+H) into what a network reads (B*M, 1+K, …) and what it forecasts (B*M, 1, H)."""
    L = design.context

    def parts(t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        t = t.to(device)
        one = t[:, : design.targets].flatten(0, 1)[:, None]  # (B*M, 1, L+H)
        if not design.covariates:
            return one[..., :L], one[..., L:]
        others = t[:, design.targets :].repeat_interleave(design.targets, dim=0)  # (B*M, K, L+H)
        return torch.cat([one, others], dim=1), one[..., L:]

    values, ahead = parts(around.values)
    observed, seen = (None, None) if around.observed is None else parts(around.observed)
    return Batch(values, observed), Batch(ahead, seen)


def losses_of(forecast: Forecast, target: Batch, design: Design) -> torch.Tensor:
    """Loss (B,) of the centre plus the pinball loss of the quantiles, over what was observed of the target (B, 1, H).

    Unless the loss is "quantile" the centre is left alone by the quantiles.
    """
    y = target.values[:, 0]
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
    # twice max(level * miss, (level - 1) * miss), in fewer passes over the largest tensor there is
    losses = point + (miss.abs().sum(dim=-1) + miss @ (2 * levels - 1)) / len(levels)  # (B, H)
    if target.observed is None:
        return losses.mean(dim=1)
    seen = target.observed[:, 0]
    # a window of which half was observed counts half
    return (losses * seen).sum(dim=1) / seen.sum().clamp(min=1) * len(seen)


def distance(forecast: Forecast, target: Forecast) -> torch.Tensor:
    """Mean absolute difference of a forecast, its centre and its quantiles, from another, which has no gradient."""
    center = (forecast.center - target.center.detach()).abs()
    return (center + (forecast.offsets - target.offsets.detach()).abs().mean(dim=-1)).mean()


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
    schedule: Schedule,
    fresh: bool = True,
    plan: Plan = None,
    **options: Any,
) -> History:
    """Train one network on the windows of a panel.

    A ``fresh`` one begins with the closed form (see ``fit_linear``). Without validation windows the later quarter of
    the training windows is lent in their place, to tell for how many epochs training gains anything; then all of it is
    done again on all windows, for so many epochs. See ``train`` for what comes back.

    Args:
        model: What is trained.
        design: What it reads and returns.
        panel: The series.
        training, validation: Where to cut.
        seed: Decides everything random.
        device: Where to train.
        steps: Batches in an epoch, at least and at most.
        schedule: How long and how fast; ``steps`` and ``overlap`` follow from the windows. 0 epochs fit the
            closed form only.
        fresh: Whether it has learned nothing yet.
        plan: At which compute budgets to train (see ``training_plan``).
        options: Further arguments of ``train``.
    """
    early, late = training.split(0.75)
    lent = validation is None and len(early) > 0 and len(late) > 0
    if lent:
        validation = late
    windows = Windows(panel, design, early if lent else training, device)
    held_out = None if validation is None else Windows(panel, design, validation, device)
    squared = design.loss == "mse"
    model.to(device)
    if fresh:
        ridge = fit_linear(model, windows.some(), [] if held_out is None else held_out.some(_CHOOSE_ON), squared)

    def loss(batch: tuple[Batch, Batch], step: int, total: int) -> torch.Tensor:
        context, target = batch

        def predict(budget: ComputeBudget) -> Forecast:
            return model(*context, budget)

        def criterion(forecast: Forecast) -> torch.Tensor:
            return losses_of(forecast, target, design).mean()

        own = model.encoder.default_budget
        return training_loss(predict, criterion, plan, own, step, total, distance)

    @torch.no_grad()
    def score(model: ForecastNet) -> torch.Tensor:
        assert held_out is not None
        losses = [losses_of(model(*context), target, design) for context, target in held_out.in_order()]
        losses = [loss.unflatten(0, (-1, design.targets)).mean(dim=1) for loss in losses]  # one a window
        return torch.cat(losses).cpu()

    def run(windows: Windows, epochs: int, validated: bool) -> History:
        return train(
            model,
            loss,
            windows.draw,
            score if validated else None,
            replace(schedule, epochs=epochs, steps=windows.steps(*steps), overlap=design.horizon),
            generator=generator,
            device=device,
            **options,
        )

    with seeded(seed) as generator:
        untrained = copy.deepcopy(model.state_dict())
        history = run(windows, schedule.epochs, held_out is not None)
        if lent:
            model.load_state_dict(untrained)
            model.to(device)
            windows = Windows(panel, design, training, device)
            if fresh:
                fit_linear(model, windows.some(), [], squared, (ridge,))
            if history.best:
                run(windows, history.best, False)
            model.cpu().eval()
    return history


def forecast_from(
    networks: list[ForecastNet],
    design: Design,
    panel: Panel,
    series: np.ndarray,
    stands: np.ndarray,
    wanted: np.ndarray,
    device: torch.device,
    roll_on: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Forecast steps of series, each from what is known of a target channel before the step where one stands.

    A channel whose last steps are not observed is forecast from the last one that is, over all steps that follow: in
    the same way whether it ends there or goes on as missing.

    Args:
        networks, design, panel, device: See ``forecast``.
        series, stands: Which series, and before which of its steps (B,).
        wanted: Steps of the series to forecast, none before the stand (B, S).
        roll_on: Whether steps beyond the horizon of the networks may be asked for.

    Returns:
        Centres (B, S, M) and quantiles (B, S, M, Q), float64.

    Raises:
        ValueError: If a step is beyond the horizon, and it may not be.
    """
    H, M = design.horizon, design.targets
    cuts = panel.last_known(torch.as_tensor(series), torch.as_tensor(stands), M).numpy()  # (B, M)
    ahead = wanted[..., None] - cuts[:, None] + 1  # (B, S, M), at least 1
    if not roll_on and (last := int(ahead.max())) > H:
        raise ValueError(
            f"step {last} is beyond the horizon of {H} steps trained, from the last that is known: fit with that "
            "fh, or use roll_on=True"
        )
    if (ahead == np.arange(1, ahead.shape[1] + 1)[:, None]).all():  # nothing is missing
        places = (torch.as_tensor(series), torch.as_tensor(cuts[:, 0]))
        return forecast(networks, design, panel, *places, ahead.shape[1], device)
    reach = int(cuts.max()) + 1
    pairs, number = np.unique(series[:, None] * reach + cuts, return_inverse=True)  # of series and cut
    number = number.reshape(-1, M)
    furthest = np.zeros(len(pairs), dtype=np.int64)
    np.maximum.at(furthest, number, ahead.max(axis=1))
    blocks = -(-furthest // H)
    center = np.empty(ahead.shape)
    quantiles = np.empty((*ahead.shape, len(design.quantiles)))
    # a series that ended long ago takes many passes: the others are not rolled on as far
    for some in np.unique(blocks):
        here = np.flatnonzero(blocks == some)
        place = np.full(len(blocks), -1)
        place[here] = np.arange(len(here))
        which, cut = (torch.as_tensor(part) for part in np.divmod(pairs[here], reach))
        c, q = forecast(networks, design, panel, which, cut, int(furthest[here].max()), device)
        row, channel = np.nonzero(place[number] >= 0)
        at = (place[number[row, channel], None], ahead[row, :, channel] - 1, channel[:, None])
        center[row, :, channel], quantiles[row, :, channel] = c[at], q[at]
    return center, quantiles


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
        networks: The members. The forecast is the mean of their centres, and of each of their quantiles.
        design: What they read and return.
        panel: The series; covariates may go on after the cut.
        series, cuts: Which series, and before which of their steps (B,).
        steps: How many to forecast.
        device: Where to compute.

    Returns:
        Centres (B, steps, M) and quantiles (B, steps, M, Q), float64.
    """
    per_pass = max(1, _ITEMS // design.targets)
    networks = [network.to(device) for network in networks]
    blocks = math.ceil(steps / design.horizon)
    parts = [
        _forecast_some(networks, design, panel.windows(s, c, design.context, blocks * design.horizon), steps, device)
        for s, c in zip(series.split(per_pass), cuts.split(per_pass), strict=True)
    ]
    for network in networks:
        network.cpu()
    center, quantiles = (np.concatenate(p) for p in zip(*parts, strict=True))
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
    observed[:, :M, L:] = False  # nothing of the targets is known ahead
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
    """A quantile (…) between or beyond those known (…, Q): linear in the scores of a normal distribution."""
    scores, score = norm.ppf(levels), norm.ppf(alpha)
    right = int(np.clip(np.searchsorted(scores, score), 1, len(scores) - 1))
    share = (score - scores[right - 1]) / (scores[right] - scores[right - 1])
    return values[..., right - 1] + share * (values[..., right] - values[..., right - 1])
