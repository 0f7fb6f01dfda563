"""Pretraining of the weigher on synthetic cases. It can be interrupted and resumed without changing the result.

Several processes started by torchrun divide each batch and the making of shards among them, and reach the same weights
up to rounding.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from ..experts import NAMES
from ..networks.weighing import LEVELS, Case, ExpertWeigher, Verdict, best_in_past
from .resumable import Course, digest_of, ranks, train_resumably
from .weigher_cases import Shard, path_of_shard, read_shard, write_shard

_HELD_OUT = 1_000_000  # number of the first shard that is never trained on
_MOST = 30.0  # greatest loss of a case, so that unforeseeable cases do not dominate the mean


@dataclass(frozen=True)
class Recipe:
    """The model to pretrain, its data, and the optimiser's settings.

    Attributes:
        shards, held_out: Number of files of cases to train on, and to measure on.
        shard_size: Cases in a file.
        epochs: Passes over the training cases.
        batch_size: Cases in a step, of all processes together.
        learning_rate, weight_decay: Of AdamW.
        seed: Seed of everything random.
        context, patch_length, blocks: See ``ExpertWeigher``.
        encoder: Sizes, as keyword arguments of ``JumboEncoder``.
        save_every: Steps from one saved state to the next.
    """

    shards: int = 160
    held_out: int = 4
    shard_size: int = 2048
    epochs: int = 6
    batch_size: int = 256
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.05
    seed: int = 0
    context: int = 256
    patch_length: int = 8
    blocks: int = 6
    encoder: dict[str, Any] = field(
        default_factory=lambda: dict(embed_dim=64, depth=3, num_heads=4, jumbo_multiplier=4)
    )
    save_every: int = 500

    def build(self) -> ExpertWeigher:
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            return ExpertWeigher(len(NAMES), self.context, self.patch_length, self.blocks, **self.encoder)

    @property
    def steps_of_epoch(self) -> int:
        return max(1, self.shards * self.shard_size // self.batch_size)

    @property
    def steps(self) -> int:
        return self.epochs * self.steps_of_epoch

    def course(self) -> Course:
        return Course(
            self.steps, self.batch_size, self.learning_rate, self.weight_decay, self.save_every, self.digest()
        )

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def digest(self) -> str:
        return digest_of(self.as_json())


def losses_of(verdict: Verdict, case: Case, target: torch.Tensor) -> torch.Tensor:
    """Pinball loss (B,) of the centre and all quantiles, in units of the experts' mean spread, so that cases have
    similar weights however hard they are to forecast."""
    miss = (target - verdict.center)[..., None] - verdict.offsets  # (B, S, Q)
    levels = miss.new_tensor(LEVELS)
    pinball = torch.maximum(levels * miss, (levels - 1) * miss).mean(dim=(1, 2))
    ahead = case.spreads.mean(dim=(1, 2)).clamp(min=1e-3)
    return (pinball / ahead).clamp(max=_MOST)


def prepare(
    recipe: Recipe, folder: Path, say: Callable[[str], None], rank: int = 0, world: int = 1
) -> tuple[list[Path], list[Path]]:
    """Make the missing shards; return the paths of those to train on and of those to measure on."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = [*range(recipe.shards), *range(_HELD_OUT, _HELD_OUT + recipe.held_out)]
    start, done = time.monotonic(), 0
    for number in numbers[rank::world]:
        kind = (folder, recipe.seed, number, recipe.context, recipe.shard_size)
        fresh = not path_of_shard(*kind).exists()
        write_shard(*kind)
        done += fresh
        if fresh:
            rate = done / (time.monotonic() - start)
            say(f"cases: shard {number}, {rate * recipe.shard_size:.0f} series per second")
    paths = [path_of_shard(folder, recipe.seed, number, recipe.context, recipe.shard_size) for number in numbers]
    return paths[: recipe.shards], paths[recipe.shards :]


def pretrain(
    recipe: Recipe,
    training: list[Path],
    held_out: list[Path],
    state: Path,
    device: torch.device,
    say: Callable[[str], None],
) -> tuple[ExpertWeigher, dict[str, float]]:
    """Train a weigher, continuing from the state in the file ``state``.

    Args:
        recipe: See there.
        training, held_out: Paths of the shards.
        state: File of the whole state. It is read at the start if it exists, and written every ``save_every`` steps.
        device: Where to train.
        say: Called with messages about the progress.

    Returns:
        The weigher, with the running mean of its weights, on the CPU; and its scores on the held-out shards.

    Raises:
        ValueError: If the state belongs to another recipe.
    """
    rank, world = ranks()
    cases = _gathered(training)
    each = recipe.batch_size // world

    @lru_cache(maxsize=1)
    def batches(epoch: int) -> tuple[torch.Tensor, ...]:
        order = torch.randperm(len(cases.target), generator=torch.Generator().manual_seed(1000 * recipe.seed + epoch))
        return order.split(recipe.batch_size)

    def loss_of(step: int) -> torch.Tensor:
        epoch, within = divmod(step, recipe.steps_of_epoch)
        rows = batches(epoch)[within]
        some = _at(cases, rows[rank * each : (rank + 1) * each], device)
        return losses_of(model(some.case), some.case, some.target).mean()

    model, course = recipe.build(), recipe.course()
    return train_resumably(
        model, lambda first: loss_of, lambda model: measure(model, held_out, device), course, state, device, say
    )


@torch.no_grad()
def measure(model: ExpertWeigher, held_out: list[Path], device: torch.device) -> dict[str, float]:
    """Scores on held-out cases: the mean loss; the mean absolute error of the centre, in units of the experts' mean
    spread; for comparison, the same error of the experts' mean, of the expert with the least past error, and of the
    best expert in hindsight; and the coverage of intervals."""
    model.eval()
    cases = _gathered(held_out)
    sums: dict[str, list[torch.Tensor]] = {}
    for rows in torch.arange(len(cases.target)).split(1024):
        some = _at(cases, rows, device)
        case, y = some.case, some.target
        verdict = model(case)
        ahead = case.spreads.mean(dim=(1, 2)).clamp(min=1e-3)
        each = ((case.points - y[:, None]).abs().mean(dim=2) / ahead[:, None]).clamp(max=_MOST)  # (B, E)
        found = dict(
            loss=losses_of(verdict, case, y),
            center=((verdict.center - y).abs().mean(dim=1) / ahead).clamp(max=_MOST),
            equal=((case.points.mean(dim=1) - y).abs().mean(dim=1) / ahead).clamp(max=_MOST),
            past=each.gather(1, best_in_past(case)[:, None])[:, 0],
            best=each.amin(dim=1),
            inside80=_inside(verdict, y, 0.1, 0.9),
            inside95=_inside(verdict, y, 0.025, 0.975),
        )
        for name, value in found.items():
            sums.setdefault(name, []).append(value)
    model.train()
    return {name: float(torch.cat(parts).mean()) for name, parts in sums.items()}


def _inside(verdict: Verdict, target: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """Fraction of the steps (B,) whose value lies between two quantiles."""
    miss = target - verdict.center
    bottom, top = (verdict.offsets[..., LEVELS.index(q)] for q in (low, high))
    return ((miss >= bottom) & (miss <= top)).float().mean(dim=1)


def _gathered(paths: list[Path]) -> Shard:
    shards = [read_shard(path) for path in paths]
    cases, targets = zip(*shards, strict=True)
    return Shard(Case(*(torch.cat(parts) for parts in zip(*cases, strict=True))), torch.cat(targets))


def _at(shard: Shard, rows: torch.Tensor, device: torch.device) -> Shard:
    def taken(t: torch.Tensor) -> torch.Tensor:
        t = t[rows].to(device)
        return t if t.dtype == torch.bool else t.float()

    return Shard(Case(*(taken(t) for t in shard.case)), taken(shard.target))
