"""Choosing a compute budget: the cost of each on this machine, and the best one within a limit."""

import json
import statistics
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from weakref import WeakSet

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ..files import write_atomically
from .budget import ComputeBudget
from .flops import count_flops


@dataclass(frozen=True)
class BudgetProfile:
    """The cost of one budget, for the example it was measured with.

    Attributes:
        budget: The budget.
        flops: FLOPs of one call, two per multiply-add.
        latency_ms: Milliseconds of one call, the median.
        memory_bytes: Largest number of bytes allocated at once during a call: on CUDA with the weights, on CPU
            without.
        metric: Result of a validation, the higher the better; None if there was no validation.
    """

    budget: ComputeBudget
    flops: int
    latency_ms: float
    memory_bytes: int
    metric: float | None = None


class BudgetTable(list[BudgetProfile]):
    """Profiles of several budgets, and the choice among them."""

    def fastest_within(self, metric_drop: float) -> BudgetProfile:
        """The fastest budget whose metric is at most ``metric_drop`` below the best in the table.

        Raises:
            ValueError: If the table is not validated, or the drop is negative.
        """
        metrics = self._require_metrics()
        if not metric_drop >= 0:
            raise ValueError(f"metric_drop {metric_drop}: give how much may be lost, from 0")
        least = max(metrics) - metric_drop
        fitting = (row for row, metric in zip(self, metrics, strict=True) if metric >= least)
        return min(fitting, key=lambda row: row.latency_ms)

    def best_within(self, latency_ms: float) -> BudgetProfile:
        """The budget of the highest metric whose latency is at most this; of equal ones the fastest.

        Raises:
            ValueError: If the table is not validated, or no budget is fast enough.
        """
        self._require_metrics()
        fitting = [row for row in self if row.latency_ms <= latency_ms]
        if not fitting:
            fastest = min(self, key=lambda row: row.latency_ms)
            raise ValueError(
                f"no budget takes at most {latency_ms} ms: the fastest, {fastest.budget}, takes "
                f"{fastest.latency_ms:.2f} ms; allow more, or profile smaller budgets"
            )
        return max(fitting, key=lambda row: (row.metric, -row.latency_ms))

    def _require_metrics(self) -> list[float]:
        metrics = [row.metric for row in self if row.metric is not None]
        if not self or len(metrics) < len(self):
            raise ValueError("a choice needs a validated table: give profile_budgets an evaluate function")
        return metrics

    def save(self, path: str | Path) -> None:
        """Write the table as JSON."""
        write_atomically(json.dumps([asdict(row) for row in self], indent=1).encode(), path)

    @classmethod
    def load(cls, path: str | Path) -> "BudgetTable":
        """Read what ``save`` wrote."""
        rows = json.loads(Path(path).read_text())
        return cls(BudgetProfile(**{**row, "budget": ComputeBudget(**row["budget"])}) for row in rows)

    def __str__(self) -> str:
        lines = [f"{'keep rate':>9}  {'resolution':>10}  {'GFLOPs':>8}  {'ms':>9}  {'MiB':>7}  {'metric':>8}"]
        for row in self:
            at = row.budget.resolution
            size = "full" if at is None else f"{at:.3g}" if isinstance(at, float) else str(at)
            metric = "-" if row.metric is None else f"{row.metric:.4g}"
            lines.append(
                f"{row.budget.keep_rate:>9.3g}  {size:>10}  {row.flops / 1e9:>8.3g}  {row.latency_ms:>9.2f}  "
                f"{row.memory_bytes / 2**20:>7.1f}  {metric:>8}"
            )
        return "\n".join(lines)


def profile_budgets(
    model: Callable[..., object],
    example: torch.Tensor,
    budgets: Iterable[ComputeBudget],
    *,
    evaluate: Callable[[ComputeBudget], float] | None = None,
    repeats: int = 20,
    warmup: int = 2,
) -> BudgetTable:
    """Measure FLOPs, time and memory of compute budgets on the machine at hand.

    The budgets take turns, A B C A B C …, so that a machine whose speed drifts slows all of them alike.

    Args:
        model: Called as ``model(example, budget=budget)``; best in evaluation mode.
        example: An input of the shape, device and type to measure with, such as one image (1, 3, 224, 224) for
            latency.
        budgets: Budgets to compare.
        evaluate: Metric of the model at a budget on validation data, the higher the better.
        repeats: Rounds.
        warmup: Calls before the first round.

    Raises:
        ValueError: If there are no budgets or no rounds.
    """
    budgets = list(dict.fromkeys(budgets))
    if not budgets:
        raise ValueError("budgets is empty: give at least one ComputeBudget")
    costs = measure_calls([partial(model, example, budget=b) for b in budgets], example.device, repeats, warmup)
    return BudgetTable(
        BudgetProfile(budget, *cost, None if evaluate is None else float(evaluate(budget)))
        for budget, cost in zip(budgets, costs, strict=True)
    )


@torch.no_grad()
def measure_calls(
    calls: Sequence[Callable[[], object]], device: torch.device, repeats: int = 20, warmup: int = 2
) -> list[tuple[int, float, int]]:
    """FLOPs, median milliseconds and peak bytes of some calls, timed in turn on a device.

    Raises:
        ValueError: If there are no rounds.
    """
    if repeats < 1:
        raise ValueError(f"repeats {repeats}: give at least 1")
    cuda = device.type == "cuda"
    flops: list[int] = []
    seconds: list[list[float]] = [[] for _ in calls]
    for call in calls:
        flops.append(count_flops(call))
        for _ in range(warmup):
            call()
    for _ in range(repeats):
        for call, taken in zip(calls, seconds, strict=True):
            _wait(cuda)
            start = time.perf_counter()
            call()
            _wait(cuda)
            taken.append(time.perf_counter() - start)
    milliseconds = [1e3 * statistics.median(taken) for taken in seconds]
    return list(zip(flops, milliseconds, [_peak_memory(call, cuda) for call in calls], strict=True))


def _wait(cuda: bool) -> None:
    if cuda:
        torch.cuda.synchronize()


def _peak_memory(call: Callable[[], object], cuda: bool) -> int:
    """Largest number of bytes allocated at once; on CPU those of tensors, without the memory that an operator uses
    inside."""
    if cuda:
        torch.cuda.reset_peak_memory_stats()
        call()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated()
    with _Allocations() as allocations:
        call()
    return allocations.peak


class _Allocations(TorchDispatchMode):
    """Counts the bytes of tensors that are created inside the ``with`` block, as long as they live."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: WeakSet[torch.UntypedStorage] = WeakSet()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        for tensor in _tensors((args, kwargs)):  # was there before
            self._known.add(tensor.untyped_storage())
        result = func(*args, **kwargs or {})
        for tensor in _tensors(result):
            storage = tensor.untyped_storage()
            if storage not in self._known:
                self._known.add(storage)
                self.now += storage.nbytes()
                weakref.finalize(storage, self._forget, storage.nbytes())
        self.peak = max(self.peak, self.now)
        return result

    def _forget(self, size: int) -> None:
        self.now -= size


def _tensors(tree: object) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]
