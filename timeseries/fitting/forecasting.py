"""Training of forecasting networks without sktime: windows of a panel, losses, and what held-out windows say."""

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch

from jumbo_backbone import ComputeBudget

from ..data.windows import Batch, Cuts, Panel
from ..networks.network import Forecast, ForecastNet
from .budgets import Plan, training_loss
from .closed_form import fit_linear
from .design import Design
from .training import History, Schedule, seeded, train

LOSSES = ("quantile", "mse", "mae", "huber")

_CHOOSE_ON = 20_000  # items of the windows on which a penalty is chosen
ITEMS = 1024  # in a training batch, and in one pass of prediction; a window has an item for each target channel


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
        self.per_batch = max(1, ITEMS // design.targets)

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
    witness: Callable[[ForecastNet, "Windows"], None] | None = None,
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
        witness: Shown the network and the windows that it has not learned from, as soon as it is trained.
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
        if witness is not None and held_out is not None:
            witness(model, held_out)
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
