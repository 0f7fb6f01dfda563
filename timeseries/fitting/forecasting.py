"""Training of forecasting networks without sktime: windows of a panel, losses, and validation on held-out windows."""

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

_CHOOSE_ON = 20_000  # items on which a penalty is chosen
ITEMS = 1024  # items in a training batch, and in one pass of prediction: a window has one for each target channel


class Windows:
    """Training windows of a panel: batches of context and target. Each target channel of a window is one item.

    Args:
        panel: The series.
        design: What the network reads and returns.
        cuts: Cuts between context and target.
        device: Device of the batches.
    """

    def __init__(self, panel: Panel, design: Design, cuts: Cuts, device: torch.device) -> None:
        self.panel, self.design, self.cuts, self.device = panel, design, cuts, device
        self.per_batch = max(1, ITEMS // design.targets)

    def steps(self, least: int, most: int) -> int:
        """Batches in an epoch: once through all windows, within limits."""
        return min(max(math.ceil(len(self.cuts) / self.per_batch), least), most)

    def draw(self, generator: torch.Generator, steps: int) -> Iterator[tuple[Batch, Batch]]:
        """Batches of context and target in random order. No window is repeated before all have been drawn."""
        n, wanted = len(self.cuts), steps * self.per_batch
        for start in range(0, wanted, max(n, self.per_batch)):
            order = torch.randperm(n, generator=generator)[: wanted - start]
            yield from (self.at(part) for part in order.split(self.per_batch))

    def some(self, most: int = 65_536) -> Iterator[tuple[Batch, Batch]]:
        """Batches of evenly spaced windows, at most ``most`` items in all."""
        n = max(1, min(len(self.cuts), most // self.design.targets))
        for part in torch.linspace(0, len(self.cuts) - 1, n).long().split(self.per_batch):
            yield self.at(part)

    def in_order(self) -> Iterator[tuple[Batch, Batch]]:
        for part in torch.arange(len(self.cuts)).split(self.per_batch):
            yield self.at(part)

    def at(self, numbers: torch.Tensor) -> tuple[Batch, Batch]:
        """Context (B*M, 1+K, L or L+H) and target (B*M, 1, H) of some windows; M is the number of target channels."""
        series, cuts = self.cuts[numbers]
        around = self.panel.windows(series, cuts, self.design.context, self.design.horizon)
        return split(around, self.design, self.device)


def split(around: Batch, design: Design, device: torch.device) -> tuple[Batch, Batch]:
    """Split windows (B, M+K, L+H) into contexts (B*M, 1+K, …) and targets (B*M, 1, H)."""
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
    """Loss (B,) of the centre plus the pinball loss of the quantiles, over the observed steps of the target (B, 1, H).

    Unless the loss is "quantile", the pinball loss has no gradient with respect to the centre.
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
    # the same as twice max(level * miss, (level - 1) * miss), in fewer passes over the largest tensor
    losses = point + (miss.abs().sum(dim=-1) + miss @ (2 * levels - 1)) / len(levels)  # (B, H)
    if target.observed is None:
        return losses.mean(dim=1)
    seen = target.observed[:, 0]
    # a window of which half was observed has half the weight
    return (losses * seen).sum(dim=1) / seen.sum().clamp(min=1) * len(seen)


def distance(forecast: Forecast, target: Forecast) -> torch.Tensor:
    """Mean absolute difference between two forecasts, in centres and quantiles. The target has no gradient."""
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

    A ``fresh`` network begins with the closed form (see ``fit_linear``). Without validation windows, the later quarter
    of the training windows serves for validation, to find the number of epochs after which training gains nothing more.
    Training is then repeated on all windows, for this number of epochs.

    Args:
        model: The network to train.
        design: What the network reads and returns.
        panel: The series.
        training, validation: Cuts of the windows.
        seed: Seed of everything random.
        device: Where to train.
        steps: Least and most batches in an epoch.
        schedule: Epochs and learning rates; its ``steps`` and ``overlap`` are replaced, by the windows. 0 epochs fit
            only the closed form.
        fresh: Whether the network is untrained.
        plan: The compute budgets at which to train (see ``training_plan``).
        witness: Called after training with the network and the windows held out from it.
        options: Further arguments of ``train``.

    Returns:
        See ``train``.
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
        losses = [loss.unflatten(0, (-1, design.targets)).mean(dim=1) for loss in losses]  # one for each window
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
