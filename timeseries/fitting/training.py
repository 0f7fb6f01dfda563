"""The training loop of both estimators: plain torch, seeded, interruptible, with the best weights at the end."""

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from .notice import Notice

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Schedule:
    """Epochs, learning rates, and when to stop.

    Attributes:
        epochs: Most epochs; 0 for no training.
        steps: Batches in an epoch.
        learning_rate: The highest learning rate. The rate rises over the first fifth of all steps, and then falls along
            a cosine (one-cycle, Smith and Topin, 2019).
        weight_decay: Weight decay of matrices (AdamW); vectors, tokens and positions have none.
        patience: Training stops after this many epochs without a better validation score.
        max_norm: Largest norm of the gradient; a larger gradient is scaled down.
        overlap: Number of neighbouring validation samples that share their data, as overlapping windows do.
        doubt: Number of standard errors of the validation scores that a gain has to exceed.
        frozen_epochs: Number of first epochs in which the ``frozen`` parameters do not change.
    """

    epochs: int
    steps: int
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    patience: int = 5
    max_norm: float = 1.0
    overlap: int = 1
    doubt: float = 1.0
    frozen_epochs: int = 0


@dataclass(frozen=True)
class Epoch:
    """An epoch, as callbacks get it: its number, counted from 1; the number of all epochs; the mean training loss; the
    validation score (lower is better) or None; and whether this score is the best so far."""

    number: int
    epochs: int
    loss: float
    score: float | None
    is_best: bool


@dataclass
class History:
    """The course of a training: its epochs, and the number of the epoch whose weights were kept; 0 for the weights from
    before the first epoch."""

    epochs: list[Epoch] = field(default_factory=list)
    best: int = 0


def train(
    model: Network,
    loss_of: Callable[[Any, int, int], torch.Tensor],
    batches: Callable[[torch.Generator, int], Iterable[Any]],
    score: Callable[[Network], torch.Tensor] | None,
    schedule: Schedule,
    *,
    generator: torch.Generator,
    device: torch.device,
    verbose: int = 0,
    callbacks: Sequence[Callable[[Epoch], Any]] = (),
    title: str = "training",
    frozen: Sequence[nn.Parameter] = (),
    notice: Notice | None = None,
) -> History:
    """Train a model in place; it ends with its best weights, in evaluation mode, on the CPU.

    Args:
        model: What is trained. Parameters that ask for no gradient stay.
        loss_of: Loss of a batch, from the model in training mode; it is told the number of the step, and of how many.
        batches: ``batches(generator, steps)`` gives the batches of one epoch.
        score: Losses (n,) of the validation samples, from a model in evaluation mode; None if there are none.
        schedule: How long and how fast.
        generator: Decides the batches.
        device: Where the model is trained; ``loss_of`` and ``score`` bring their data there.
        verbose: 0 says nothing, 1 shows one progress bar.
        callbacks: Called with an ``Epoch`` after each; one that returns True ends training.
        title: Before the progress bar.
        frozen: Parameters that do not change in the first epochs of the schedule.
        notice: Says how long it takes, once that is known; None says nothing.

    What training gains on the validation samples has to be more than its own standard error, or the model stays as it
    was (the one-standard-error rule: Breiman et al., "Classification and Regression Trees", 1984, section 3.4.3).
    Ctrl-C ends training with the best weights so far and a warning, as does a loss that is not finite. A schedule of 0
    epochs leaves the model as it is.
    """
    if not schedule.epochs:
        model.cpu().eval()
        return History()
    model.to(device).train()
    optimizer = torch.optim.AdamW(parameter_groups(model, schedule.weight_decay), lr=schedule.learning_rate)
    total = schedule.epochs * schedule.steps
    parameters, step = list(model.parameters()), 0
    average = RunningMean(model)
    best: Any = None  # validation score, weights and scores of the best epoch
    history = History()
    if score is not None:
        before, untrained = score(model.eval()), _copy(model)
        best = before.mean().item(), untrained, before
        model.train()
    after_step = None if notice is None else notice.watch(schedule.epochs, schedule.steps, device)
    bar = tqdm(total=total, desc=title, unit="step", disable=not verbose, leave=verbose > 1, dynamic_ncols=True)
    with bar:
        try:
            for number in range(1, schedule.epochs + 1):
                for parameter in frozen:
                    parameter.requires_grad_(number > schedule.frozen_epochs)
                losses = []
                for batch in batches(generator, schedule.steps):
                    with _autocast(device):
                        loss = loss_of(batch, step, total)
                    optimizer.zero_grad()
                    loss.backward()
                    norm = nn.utils.clip_grad_norm_(parameters, schedule.max_norm)
                    losses.append(loss.detach())
                    if not norm.isfinite():
                        raise _DivergedError(f"the loss was {float(loss.detach()):.4g} in epoch {number}")
                    for group in optimizer.param_groups:
                        group["lr"] = schedule.learning_rate * one_cycle(step, total)
                    optimizer.step()
                    step += 1
                    average.update()
                    bar.update()
                    if after_step is not None:
                        after_step()
                with average.applied():
                    scores = None if score is None else score(model.eval())
                    value = None if scores is None else scores.mean().item()
                    model.train()
                    if value is not None and not math.isfinite(value):
                        raise _DivergedError(f"the validation score was {value} in epoch {number}")
                    is_best = best is None or value is None or value < best[0]
                    if is_best:
                        best, history.best = (value, _copy(model), scores), number
                epoch = Epoch(number, schedule.epochs, float(torch.stack(losses).mean()), value, is_best)
                history.epochs.append(epoch)
                bar.set_postfix(dict(loss=epoch.loss) | ({} if value is None else dict(validation=value)))
                answers = [callback(epoch) for callback in callbacks]
                if True in answers:
                    break
                if value is not None and number - history.best >= schedule.patience:
                    break
        except KeyboardInterrupt:
            _tell(f"interrupted after {len(history.epochs)} of {schedule.epochs} epochs", history)
        except _DivergedError as error:
            _tell(f"training diverged, {error}: a lower learning_rate may help", history)
        finally:
            for parameter in frozen:
                parameter.requires_grad_()
    if score is not None and not is_gain(before - best[2], schedule.overlap, schedule.doubt):
        history.best, best = 0, (before, untrained)
    if best is not None:
        model.load_state_dict(best[1])
    model.cpu().eval()
    return history


def shuffled(rows: torch.Tensor, size: int) -> Callable[[torch.Generator, int], Iterator[torch.Tensor]]:
    """Batches of at most ``size`` rows for ``train``: all rows in random order, repeated until an epoch is full."""
    size = min(size, len(rows))

    def batches(generator: torch.Generator, steps: int) -> Iterator[torch.Tensor]:
        rounds = math.ceil(steps * size / len(rows))
        order = torch.cat([rows[torch.randperm(len(rows), generator=generator)] for _ in range(rounds)])
        yield from order[: steps * size].split(size)

    return batches


class _DivergedError(Exception):
    pass


def is_gain(gains: torch.Tensor, overlap: float = 1, doubt: float = 1.0) -> bool:
    """Whether the mean of gains (n,) exceeds ``doubt`` standard errors; ``overlap`` neighbours count as one sample."""
    if len(gains) < 2:
        return False
    independent = max(1.0, len(gains) / overlap)
    return bool(gains.mean() > doubt * gains.std() / math.sqrt(independent))


def _tell(what: str, history: History) -> None:
    kept = f"the weights of epoch {history.best} are kept" if history.epochs else "its latest weights are kept"
    warnings.warn(f"{what}; {kept}", RuntimeWarning, stacklevel=4)


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Parameter groups for AdamW: matrices with weight decay; vectors, tokens and positions without."""
    without = {"jumbo_token", "pos_embed"}
    groups: dict[bool, list] = {True: [], False: []}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups[parameter.dim() > 1 and name.rpartition(".")[2] not in without].append(parameter)
    return [
        dict(params=groups[True], weight_decay=weight_decay, fused=True),
        dict(params=groups[False], weight_decay=0.0, fused=True),
    ]


def one_cycle(step: int, total: int, rise: float = 0.2) -> float:
    """The learning rate at a step, as a fraction of the highest."""
    done = step / max(total, 1)
    if done < rise:
        return 0.04 + 0.96 * done / rise
    return 0.5 * (1 + math.cos(math.pi * min((done - rise) / (1 - rise), 1)))


class RunningMean:
    """Running mean of a model's weights, which is validated and kept in place of the weights. Its decay is lower at
    first, so that the first weights are soon forgotten."""

    def __init__(self, model: nn.Module, decay: float = 0.99) -> None:
        self.live: list[torch.Tensor] = [p for p in model.parameters() if p.requires_grad]
        self.mean = [p.detach().clone() for p in self.live]
        self.decay, self.steps = decay, 0

    @torch.no_grad()
    def update(self) -> None:
        self.steps += 1
        torch._foreach_lerp_(self.mean, self.live, 1 - min(self.decay, self.steps / (self.steps + 9)))

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within this context, the model has the mean as its weights."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for p, mean in zip(self.live, self.mean, strict=True):
            p.data, mean.data = mean.data, p.data


def _copy(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: t.detach().clone() for name, t in model.state_dict().items()}


def _autocast(device: torch.device) -> AbstractContextManager[Any]:
    return torch.autocast("cuda", dtype=torch.bfloat16) if device.type == "cuda" else nullcontext()


# ---- random numbers


@contextmanager
def seeded(seed: int) -> Iterator[torch.Generator]:
    """Within this context, torch's global generators have this seed. Yields a separate generator with the same seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield torch.Generator().manual_seed(seed)


def draw_seeds(random_state: int | np.random.RandomState | None, count: int) -> list[int]:
    """Seeds for ``count`` members. With None they come from the operating system, not from numpy's global state.

    Raises:
        TypeError: If ``random_state`` is not an integer, a ``RandomState`` or None.
    """
    if isinstance(random_state, np.random.RandomState):
        random_state = int(random_state.randint(2**31))
    elif random_state is not None and (
        isinstance(random_state, bool) or not isinstance(random_state, (int, np.integer))
    ):
        raise TypeError(f"random_state must be an integer, a numpy RandomState or None, got {random_state!r}")
    return [int(s) for s in np.random.SeedSequence(random_state).generate_state(count)]
