"""Contrastive pretraining of the encoder that classifiers read series with.

Two draws of one random process (``timeseries.synthetic.draw_pairs``) are a positive pair, and all other series of the
batch are negatives (InfoNCE: van den Oord et al., "Representation Learning with Contrastive Predictive Coding", 2018;
in the symmetric form of Chen et al., "A Simple Framework for Contrastive Learning", ICML 2020, section 2).
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import distributed as dist
from torch import nn

from ..networks.series_reader import SeriesReader
from ..synthetic import draw_pairs
from .resumable import Course, LossOfStep, digest_of, ranks, train_resumably

TEMPERATURE = 0.1
_CROP = 0.75  # least part of a series that a view shows
_COARSEST = 24  # least number of steps of a series that is resampled
_PROJECTED = 128  # width in which series are compared
_HELD_OUT = 2**31  # number of the first batch that is never trained on
_MEASURED = 4  # batches to measure on


@dataclass(frozen=True)
class ContrastiveRecipe:
    """The reader to pretrain, its data, and the optimiser's settings.

    Attributes:
        steps: Steps of training.
        batch_size: Pairs in a step, of all processes together.
        learning_rate, weight_decay: Of AdamW.
        seed: Seed of everything random.
        length, patch_length: See ``SeriesReader``.
        encoder: Sizes, as keyword arguments of ``JumboEncoder``.
        save_every: Steps from one saved state to the next.
    """

    steps: int = 4000
    batch_size: int = 256
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.05
    seed: int = 0
    length: int = 512
    patch_length: int = 16
    encoder: dict[str, Any] = field(
        default_factory=lambda: dict(embed_dim=96, depth=4, num_heads=4, jumbo_multiplier=4)
    )
    save_every: int = 100

    def build(self) -> "Contrast":
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            return Contrast(SeriesReader(self.length, self.patch_length, **self.encoder))

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def digest(self) -> str:
        return digest_of(self.as_json())

    def course(self) -> Course:
        return Course(
            self.steps, self.batch_size, self.learning_rate, self.weight_decay, self.save_every, self.digest()
        )


class Contrast(nn.Module):
    """A reader, and the projection in which its features of series are compared. Only the reader is kept."""

    def __init__(self, reader: SeriesReader) -> None:
        super().__init__()
        self.reader = reader
        self.project = nn.Sequential(nn.Linear(reader.compared, 256), nn.GELU(), nn.Linear(256, _PROJECTED))

    def forward(self, series: torch.Tensor) -> torch.Tensor:
        """Directions (B, _PROJECTED) of series (B, T)."""
        return F.normalize(self.project(self.reader(series)), dim=1)


def info_nce(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Cross-entropies (2 n,) of finding the other of each pair: directions (n, D) and (n, D)."""
    likeness = first @ second.T / TEMPERATURE
    truth = torch.arange(len(first), device=first.device)
    return torch.cat([F.cross_entropy(s, truth, reduction="none") for s in (likeness, likeness.T)])


def views(rng: np.random.Generator, series: np.ndarray, steps: int) -> np.ndarray:
    """A view of each series (n, T): a random crop, half of the time coarsened to a random number of steps, and then
    resampled to ``steps`` steps, all linearly: float32 (n, steps)."""
    n, T = series.shape
    width = rng.uniform(_CROP, 1, (n, 1))
    start = rng.uniform(0, 1 - width)
    coarse = np.exp(rng.uniform(np.log(_COARSEST), np.log(T), (n, 1))).astype(int)
    coarse = np.where(rng.random((n, 1)) < 0.5, coarse, 0)

    def at(times: np.ndarray) -> np.ndarray:
        place = (start + width * times) * (T - 1)
        left = np.minimum(place.astype(np.int32), T - 2)
        first = np.take_along_axis(series, left, axis=1)
        return first + (place - left).astype(np.float32) * (np.take_along_axis(series, left + 1, axis=1) - first)

    times = np.linspace(0, 1, steps)
    last = np.where(coarse > 0, coarse - 1, steps - 1)
    below = np.minimum(np.floor(times * last + 1e-9), last - 1)
    before, after = at(below / last), at((below + 1) / last)
    return before + (times * last - below).astype(np.float32) * (after - before)


def batch_of(recipe: ContrastiveRecipe, number: int) -> torch.Tensor:
    """The pairs (2, batch_size, T) of a batch: half of the batches have the full length, the others an eighth of it or
    more, since a classifier reads series at several lengths."""
    rng = np.random.default_rng((recipe.seed, number, 1))
    drawn = draw_pairs(recipe.batch_size, recipe.length, (recipe.seed, number))
    patches = recipe.length // recipe.patch_length
    fewer = int(np.exp(rng.uniform(np.log(max(patches / 8, 1)), np.log(patches + 1))))
    steps = recipe.patch_length * (patches if number % 2 else fewer)
    both = [views(rng, np.ascontiguousarray(drawn[:, i]), steps) for i in range(2)]
    return torch.from_numpy(np.stack(both))


def pretrain_reader(
    recipe: ContrastiveRecipe,
    state: Path,
    device: torch.device,
    say: Callable[[str], None],
    workers: int = 0,
) -> tuple[SeriesReader, dict[str, float]]:
    """Pretrain a reader, continuing from the state in the file ``state``.

    Args:
        recipe: See there.
        state: See ``train_resumably``.
        device: Where to train.
        say: Called with messages about the progress.
        workers: Processes that draw batches; 0: this one does.

    Returns:
        The reader, on the CPU; and its scores on held-out pairs: the loss, and how often a pair is found.

    Raises:
        ValueError: If the state belongs to another recipe.
    """
    rank, world = ranks()

    def loss_of(model: Contrast, batch: torch.Tensor) -> torch.Tensor:
        own = batch[:, rank * batch.shape[1] // world : (rank + 1) * batch.shape[1] // world].to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            told = model(own.flatten(0, 1))
        return info_nce(*_gathered(told.float().view(2, -1, told.shape[1]))).mean() * world

    model = recipe.build()

    def losses(first: int) -> LossOfStep:
        numbers = range(first, recipe.steps)
        loader = iter(torch.utils.data.DataLoader(_Batches(recipe), None, sampler=numbers, num_workers=workers))
        return lambda step: loss_of(model, next(loader))

    def measure(model: Contrast) -> dict[str, float]:
        model.eval()
        found = []
        with torch.no_grad():
            for number in range(_HELD_OUT, _HELD_OUT + _MEASURED):
                first, second = (model(part.to(device)) for part in batch_of(recipe, number))
                hits = (first @ second.T).argmax(dim=1) == torch.arange(len(first), device=device)
                found.append(torch.stack([info_nce(first, second).mean(), hits.float().mean()]))
        model.train()
        loss, hits = torch.stack(found).mean(dim=0).tolist()
        return dict(loss=loss, found=hits)

    model, reached = train_resumably(model, losses, measure, recipe.course(), state, device, say)
    return model.reader, reached


class _Batches(torch.utils.data.Dataset):
    """Batches by their number."""

    def __init__(self, recipe: ContrastiveRecipe) -> None:
        self.recipe = recipe

    def __getitem__(self, number: int) -> torch.Tensor:
        return batch_of(self.recipe, number)


def _gathered(own: torch.Tensor) -> torch.Tensor:
    """Directions (2, n, D) of the whole batch. Only this process's own ones carry a gradient; the sum of the gradients
    of all processes is that of the whole loss."""
    rank, world = ranks()
    if world == 1:
        return own
    parts = [torch.empty_like(own) for _ in range(world)]
    dist.all_gather(parts, own.detach().contiguous())
    parts[rank] = own
    return torch.cat(parts, dim=1)
