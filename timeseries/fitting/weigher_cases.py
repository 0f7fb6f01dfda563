"""Synthetic cases on which a weigher is pretrained, made in numbered, reproducible files ("shards")."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from jumbo_backbone.files import replacing

from ..experts import NAMES, find_periods
from ..networks.weighing import Case
from ..synthetic import draw
from .cases import Cases, at_places

_GROUP = 128  # cases that have the same frequency, length and horizon
_LARGEST = 3e4  # largest saved number: within the range of half precision


class Frequency(NamedTuple):
    """Typical series of one frequency: main period, fraction of the cases, number of steps, and horizon."""

    period: int
    share: float
    steps: tuple[int, int]
    horizon: tuple[int, int]


FREQUENCIES = (
    Frequency(1, 0.25, (8, 80), (2, 12)),
    Frequency(1, 0.11, (20, 1000), (1, 60)),
    Frequency(4, 0.14, (8, 160), (2, 12)),
    Frequency(12, 0.19, (10, 300), (3, 24)),
    Frequency(12, 0.05, (60, 1000), (3, 36)),
    Frequency(24, 0.09, (60, 1000), (12, 96)),
    Frequency(7, 0.08, (20, 700), (7, 56)),
    Frequency(52, 0.03, (30, 500), (4, 52)),
    Frequency(48, 0.02, (100, 800), (24, 96)),
    Frequency(96, 0.01, (200, 800), (24, 192)),
    Frequency(5, 0.03, (20, 700), (5, 60)),
)
_ANY_HORIZON = 0.05  # fraction of the groups with a horizon of 1 to 720 steps
_MISSING = 0.15  # fraction of the series with gaps
_BUSINESS = 0.4, ("structural", "ets", "growth")  # fraction of the groups of these families only: business series grow
_UNTOLD = 0.15  # fraction of the groups without a known frequency: their periods are found in the values


class Shard(NamedTuple):
    """Cases, and the values to forecast (B, PLACES), in the units of the cases."""

    case: Case
    target: torch.Tensor


def shard(seed: int, number: int, context: int, size: int) -> Shard:
    """Make a shard of ``size`` cases, rounded up to whole groups. The same seed and number give the same shard."""
    each = min(_GROUP, size)
    groups = [_group(np.random.default_rng([seed, number, i]), context, each) for i in range(-(-size // each))]
    cases, targets = zip(*groups, strict=True)
    return Shard(Case(*(torch.cat(parts) for parts in zip(*cases, strict=True))), torch.cat(targets))


def _group(rng: np.random.Generator, context: int, size: int) -> tuple[Case, torch.Tensor]:
    kind = FREQUENCIES[rng.choice(len(FREQUENCIES), p=[f.share for f in FREQUENCIES])]
    low, high = kind.steps
    longest = int(np.exp(rng.uniform(np.log(low * 1.5), np.log(high))))
    first, last = (1, 720) if rng.random() < _ANY_HORIZON else kind.horizon
    horizon = int(np.exp(rng.uniform(np.log(first), np.log(last))))
    families = _BUSINESS[1] if rng.random() < _BUSINESS[0] else None
    drawn = draw(size, longest + horizon, int(rng.integers(2**31)), families, kind.period)
    values = drawn.values[:, :longest].copy()
    known = np.exp(rng.uniform(np.log(low), np.log(longest), size)).astype(int)
    known[: size // 3] = longest
    values[np.arange(longest) < longest - known[:, None]] = np.nan
    gaps = (rng.random((size, 1)) < _MISSING) & (rng.random(values.shape) < rng.uniform(0.01, 0.3, (size, 1)))
    gaps[:, -3:] = gaps[:, :3] = False
    values[gaps] = np.nan
    values[:, -1] = drawn.values[:, longest - 1]
    periods = find_periods(values) if rng.random() < _UNTOLD else drawn.periods
    cases = Cases(values, periods, horizon, context)
    read = at_places(horizon)
    truth = (drawn.values[:, longest:][:, read] - cases.middle[:, read]) / cases.unit
    case = cases.case
    case = case._replace(points=case.points[..., read], spreads=case.spreads[..., read], places=case.places[:, read])
    return case, torch.from_numpy(truth.astype(np.float32))


def write_shard(folder: Path, seed: int, number: int, context: int, size: int) -> Path:
    """Make a shard and save it, unless its file exists."""
    path = path_of_shard(folder, seed, number, context, size)
    if not path.exists():
        made = shard(seed, number, context, size)
        tensors = made.case._asdict() | dict(target=made.target)
        halves = {k: t if t.dtype == torch.bool else t.clamp(-_LARGEST, _LARGEST).half() for k, t in tensors.items()}
        with replacing(path) as temporary:
            save_file(halves, temporary, metadata=dict(experts=" ".join(NAMES)))
    return path


def path_of_shard(folder: Path, seed: int, number: int, context: int, size: int) -> Path:
    """The file of a shard. Shards of other kinds may lie in the same folder."""
    return folder / f"seed{seed}_context{context}_size{size}_{number:07d}.safetensors"


def read_shard(path: Path) -> Shard:
    """A saved shard.

    Raises:
        ValueError: If it is damaged, or was made with other experts.
    """
    try:
        with safe_open(path, framework="pt") as file:
            experts = (file.metadata() or {}).get("experts", "")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged ({error}): remove it, and it will be made again") from None
    if experts != " ".join(NAMES):
        raise ValueError(f"{path} was made with other experts, {experts}: remove the folder, and it will be made again")
    target = tensors.pop("target")
    return Shard(Case(**tensors), target)
