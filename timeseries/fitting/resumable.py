"""A training that can be killed and continued with the same numbers, by one process or by several of torchrun."""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import distributed as dist
from torch import nn

from jumbo_backbone.files import replacing

from .training import Network, RunningMean, one_cycle, parameter_groups

LossOfStep = Callable[[int], torch.Tensor]  # of the number of a step


@dataclass(frozen=True)
class Course:
    """How long and how fast to train.

    Attributes:
        steps: Steps in all.
        batch_size: Samples in a step, of all processes together.
        learning_rate, weight_decay: Of AdamW. The rate rises over the first 5 % of the steps, then falls along a
            cosine.
        save_every: Steps from one saved state to the next.
        recipe: A digest of everything that the result depends on.
    """

    steps: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    save_every: int
    recipe: str


def digest_of(settings: dict[str, Any]) -> str:
    """A hash of all settings, to tell recipes apart."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]


def ranks() -> tuple[int, int]:
    """Rank of this process among those that train together, and their number."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def train_resumably(
    model: Network,
    losses: Callable[[int], LossOfStep],
    measure: Callable[[Network], dict[str, float]],
    course: Course,
    state: Path,
    device: torch.device,
    say: Callable[[str], None],
) -> tuple[Network, dict[str, float]]:
    """Train a model, continuing from the state in the file ``state``.

    Args:
        model: What is trained, with the weights that it begins with.
        losses: ``losses(first)`` gives the loss of each step from ``first`` on, as a function of the number of the
            step. What it computes may depend on that number alone. Processes compute it on their own part of the batch,
            and the mean of their gradients is taken.
        measure: Scores of the model on held-out samples.
        course: See there.
        state: File of the whole state. It is read at the start if it exists, and written every ``save_every`` steps.
        device: Where to train.
        say: Called with messages about the progress.

    Returns:
        The model, with the running mean of its weights, on the CPU in evaluation mode; and its scores.

    Raises:
        ValueError: If the state belongs to another recipe.
    """
    rank, world = ranks()
    model = model.to(device).train()
    optimizer = torch.optim.AdamW(
        parameter_groups(model, course.weight_decay), lr=course.learning_rate, betas=(0.9, 0.98)
    )
    average, step = RunningMean(model, 0.999), 0
    if state.exists():
        saved = torch.load(state, map_location=device, weights_only=True)
        if saved["recipe"] != course.recipe:
            raise ValueError(f"{state} belongs to another recipe: remove it, or choose another folder")
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        average.steps, step = saved["averaged"], saved["step"]
        for mean, value in zip(average.mean, saved["mean"], strict=True):
            mean.copy_(value)
        say(f"continuing from step {step} of {course.steps}")
    loss_of = losses(step)
    begun, first, recent = time.monotonic(), step, []
    while step < course.steps:
        loss = loss_of(step)
        optimizer.zero_grad()
        loss.backward()
        if world > 1:
            for p in model.parameters():
                if p.grad is not None:  # what one process does not use, none does
                    dist.all_reduce(p.grad)
                    p.grad /= world
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = course.learning_rate * one_cycle(step, course.steps, rise=0.05)
        optimizer.step()
        average.update()
        recent.append(loss.detach())
        step += 1
        if step % course.save_every == 0 or step == course.steps:
            with average.applied():
                reached = measure(model)
            if rank == 0:
                with replacing(state) as temporary:
                    torch.save(
                        dict(
                            recipe=course.recipe,
                            model=model.state_dict(),
                            optimizer=optimizer.state_dict(),
                            mean=average.mean,
                            averaged=average.steps,
                            step=step,
                        ),
                        temporary,
                    )
            rate = (step - first) * course.batch_size / (time.monotonic() - begun)
            left = (course.steps - step) * course.batch_size / rate
            told = ", ".join(f"{name} {value:.4f}" for name, value in reached.items())
            mean_loss = float(torch.stack(recent).mean())
            say(
                f"step {step} of {course.steps}, loss {mean_loss:.4f}; held out: {told}; {rate:.0f} "
                f"samples per second; {left / 60:.0f} min left"
            )
            recent = []
    with average.applied():
        reached = measure(model)
        weights = {name: t.detach().cpu().clone() for name, t in model.state_dict().items()}
    model.load_state_dict(weights)
    return model.cpu().eval(), reached
