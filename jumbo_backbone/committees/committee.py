"""Committees: ensembles, and cascades that ask one member after another until one is sure.

"Wisdom of Committees: An Overlooked Approach To Faster and More Accurate Models" (Wang et al., ICLR 2022). Members
may be different models, or several compute budgets of one model: ``Cascade([(model, ComputeBudget(0.5,
resolution=0.7)), model], [0.9])``
reads an image at low resolution and in part, and reads it in full only if it is unsure.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils._pytree import tree_leaves, tree_map

from ..budgets.budget import ComputeBudget


class Member(NamedTuple):
    """A model, and the budget it is called with (None: the model's own)."""

    model: Callable[..., torch.Tensor]
    budget: ComputeBudget | None = None

    @property
    def name(self) -> str:
        """Name of the model, and the budget."""
        name = getattr(self.model, "__name__", type(self.model).__name__)
        return name if self.budget is None else f"{name}, {self.budget}"


class Committee(nn.Module):
    """The common part of ensembles and cascades: members that give class scores.

    Args:
        members: Models, or pairs ``(model, ComputeBudget)``, whose model is called with ``budget=``. Any callable
            that returns scores (logits or logarithms of probabilities) can be a member: (B, K), or dense (B, K, H,
            W), K from 2. A model of several members is kept once.
        temperatures: The number that each member's scores are divided by (see ``fit_temperatures``); 1 by default.
        names: Names of the members; made from their models and budgets by default.

    Raises:
        ValueError: If there are no members, the number of names or temperatures is not theirs, or a temperature is
        not above 0.
        TypeError: If a member cannot be called.
    """

    def __init__(
        self,
        members: Sequence[Callable | tuple[Callable, ComputeBudget]],
        temperatures: Sequence[float] | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        if not members:
            raise ValueError("a committee needs members: give at least one")
        self.members = [Member(*m) if isinstance(m, tuple) else Member(m) for m in members]
        for member in self.members:
            if not callable(member.model) or not isinstance(member.budget, ComputeBudget | None):
                raise TypeError(f"{member!r}: a member is a model or a pair (model, ComputeBudget)")
        modules = {id(m.model): m.model for m in self.members if isinstance(m.model, nn.Module)}
        self.models = nn.ModuleList(modules.values())
        self.temperatures = temperatures
        self.names = list(names) if names is not None else _distinct([m.name for m in self.members])
        if len(self.names) != len(self.members):
            raise ValueError(f"{len(self.names)} names for {len(self.members)} members: give one for each")

    @property
    def temperatures(self) -> tuple[float, ...]:
        """Temperatures, one for each member."""
        return self._temperatures

    @temperatures.setter
    def temperatures(self, values: Sequence[float] | None) -> None:
        values = (1.0,) * len(self.members) if values is None else tuple(float(t) for t in values)
        if len(values) != len(self.members):
            raise ValueError(f"{len(values)} temperatures for {len(self.members)} members: give one for each")
        if not all(0 < t < math.inf for t in values):
            raise ValueError(f"temperatures {values}: give numbers above 0")
        self._temperatures = values

    def ask(self, number: int, *inputs: Any) -> torch.Tensor:
        """Scores (B, K, …) of one member, float32 on the device of the inputs, divided by its temperature.

        Inputs go to the device and the floating type of its parameters.

        Raises:
            ValueError: If the member does not return scores of at least two classes.
        """
        model, budget = self.members[number]
        home = tensors_of(inputs)[0].device
        weight = next(model.parameters(), None) if isinstance(model, nn.Module) else None
        if weight is not None:
            inputs = tree_map(lambda x: _like(x, weight), inputs)
        scores = model(*inputs) if budget is None else model(*inputs, budget=budget)
        if not isinstance(scores, torch.Tensor) or scores.ndim < 2 or scores.shape[1] < 2:
            told = f"shape {tuple(scores.shape)}" if isinstance(scores, torch.Tensor) else f"{type(scores).__name__}"
            raise ValueError(
                f"{self.names[number]} gave {told}: a member returns scores (B, K) or (B, K, H, W) of 2 or more classes"
            )
        scores = scores.to(home, torch.float32)
        return scores if self.temperatures[number] == 1 else scores / self.temperatures[number]

    def require_alike(self, number: int, scores: torch.Tensor, like: torch.Tensor) -> None:
        """Raise a ValueError if a member's scores differ from the first member's in the number of classes or the
        grid."""
        if scores.shape[1:] != like.shape[1:]:
            raise ValueError(
                f"{self.names[number]} gives scores of {_told(scores)}, {self.names[0]} of {_told(like)}: members have "
                "to give the same classes, and dense scores on one grid (resize them)"
            )


class Ensemble(Committee):
    """Asks all members and averages their answers.

    Args:
        members, temperatures, names: See ``Committee``.
    """

    def forward(self, *inputs: Any) -> torch.Tensor:
        """Inputs of the members to scores (B, K, …), whose softmax is the mean of the members' probabilities.

        Raises:
            ValueError: If the members' scores differ in shape.
        """
        first = self.ask(0, *inputs)
        running = RunningMean(first)
        for number in range(1, len(self.members)):
            scores = self.ask(number, *inputs)
            self.require_alike(number, scores, first)
            running.add(scores)
        return running.scores()


class RunningMean:
    """Running mean of the probabilities of scores (B, K, …). It holds one map of scores, however many are added."""

    def __init__(self, scores: torch.Tensor) -> None:
        self._total, self._count = scores.log_softmax(dim=1), 1

    def add(self, scores: torch.Tensor) -> None:
        """Add the scores of one more member."""
        self._count += 1
        self._total = torch.logaddexp(self._total, scores.log_softmax(dim=1))

    def keep(self, rows: torch.Tensor) -> None:
        """Keep only some samples."""
        self._total = self._total[rows]

    def scores(self) -> torch.Tensor:
        """The mean so far, in logarithms."""
        return self._total - math.log(self._count)


class Routed(NamedTuple):
    """A cascade's answer: scores (B, K, …), and for each sample the number (B,) of the member that gave them."""

    scores: torch.Tensor
    stage: torch.Tensor


class Cascade(Committee):
    """Asks the members in turn, cheap ones first; a sample leaves with the first answer whose confidence is high
    enough.

    Only samples that are still unsure go on, as one smaller batch. Which member answers a sample does not depend on the
    other samples of the batch. Budgets are arguments of the calls, so several threads may use one cascade at once.

    Args:
        members, temperatures, names: See ``Committee``.
        thresholds: One for every member but the last: a sample leaves if the confidence is at least this. From 0 (all
            samples leave) to 1; ``math.inf`` sends all on. ``calibrate`` finds them.
        confidence: "max_probability", "margin" between the two likeliest classes, "entropy" (1 minus the entropy over
            its largest possible value), or a function of scores (B, K, …) to (B, …). For dense scores it is the mean
            over the pixels.
        ensemble: Whether an answer is the mean of the probabilities of a member and of all before it (the paper's
            section 4).

    Raises:
        ValueError: If the number of thresholds is not that of the members less one, a threshold is out of range, or
            the confidence is unknown.
    """

    def __init__(
        self,
        members: Sequence[Callable | tuple[Callable, ComputeBudget]],
        thresholds: Sequence[float],
        confidence: str | Callable[[torch.Tensor], torch.Tensor] = "max_probability",
        ensemble: bool = False,
        temperatures: Sequence[float] | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        super().__init__(members, temperatures, names)
        if not callable(confidence) and confidence not in CONFIDENCES:
            raise ValueError(f"unknown confidence {confidence!r}: choose one of {', '.join(CONFIDENCES)}")
        self.thresholds = thresholds
        self.confidence = confidence
        self.ensemble = ensemble

    @property
    def thresholds(self) -> tuple[float, ...]:
        """One for every member but the last."""
        return self._thresholds

    @thresholds.setter
    def thresholds(self, values: Sequence[float]) -> None:
        values, wanted = tuple(float(t) for t in values), len(self.members) - 1
        if len(values) != wanted:
            raise ValueError(
                f"{len(values)} thresholds for {wanted + 1} members: give {wanted}, one for each but the last, whose "
                "answer always counts"
            )
        if not all(0 <= t <= 1 or t == math.inf for t in values):
            raise ValueError(f"thresholds {values}: give numbers from 0 to 1, or math.inf to send all samples on")
        self._thresholds = values

    def forward(self, *inputs: Any, valid: torch.Tensor | None = None) -> torch.Tensor:
        """Inputs of the members (B, …) to scores (B, K, …); see ``route``."""
        return self.route(*inputs, valid=valid).scores

    def route(self, *inputs: Any, valid: torch.Tensor | None = None) -> Routed:
        """Inputs of the members, all tensors of them (B, …), to scores and the members that gave them.

        Args:
            inputs: Arguments of every member; structures of tensors, and None, are allowed.
            valid: Pixels (B, H, W) that count towards the confidence of dense scores; None for all.

        Raises:
            ValueError: If the members' scores differ in shape.
        """
        last = len(self.members) - 1
        rows = stage = out = running = None  # rows: the samples still unsure, None for all
        for number in range(last + 1):
            scores = self.ask(number, *(inputs if rows is None else _rows_of(inputs, rows)))
            if out is not None:
                self.require_alike(number, scores, out)
            if self.ensemble:
                if running is None:
                    running = RunningMean(scores)
                else:
                    running.add(scores)
                scores = running.scores()
            if rows is None:
                out, stage = scores, torch.full((len(scores),), number, device=scores.device)
            else:
                assert out is not None and stage is not None  # of the first member
                out, stage = out.index_copy(0, rows, scores), stage.index_fill(0, rows, number)
            if number == last or self.thresholds[number] == 0:
                break
            if self.thresholds[number] == math.inf:
                continue
            counted = valid if valid is None or rows is None else valid[rows]
            unsure = confidence_of(scores, self.confidence, counted) < self.thresholds[number]
            (on,) = unsure.nonzero(as_tuple=True)
            if not len(on):
                break
            if len(on) < len(unsure):
                rows = on if rows is None else rows[on]
                if running is not None:
                    running.keep(on)
        assert out is not None and stage is not None  # there is a member
        return Routed(out, stage)


# ---- confidence


def confidence_of(
    scores: torch.Tensor,
    kind: str | Callable[[torch.Tensor], torch.Tensor] = "max_probability",
    valid: torch.Tensor | None = None,
) -> torch.Tensor:
    """Confidence (B,), from 0 to 1, of scores (B, K) or (B, K, H, W); for the latter it is the mean over ``valid``
    pixels."""
    function = kind if callable(kind) else CONFIDENCES[kind]
    if scores.ndim == 2:
        return function(scores)
    # one sample at a time: intermediate results are as large as its scores
    maps = torch.cat([function(sample) for sample in scores.split(1)]).flatten(1)
    if valid is None:
        return maps.mean(dim=1)
    weight = valid.flatten(1).to(maps)
    return (maps * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)


def _max_probability(scores: torch.Tensor) -> torch.Tensor:
    return (scores.amax(dim=1) - scores.logsumexp(dim=1)).exp()


def _margin(scores: torch.Tensor) -> torch.Tensor:
    first, second = (scores.topk(2, dim=1).values - scores.logsumexp(dim=1, keepdim=True)).exp().unbind(dim=1)
    return first - second


def _entropy(scores: torch.Tensor) -> torch.Tensor:
    logarithms = scores.log_softmax(dim=1)
    entropy = torch.special.entr(logarithms.exp()).sum(dim=1)
    return (1 - entropy / math.log(scores.shape[1])).clamp(0, 1)


CONFIDENCES = {"max_probability": _max_probability, "margin": _margin, "entropy": _entropy}


# ---- helpers


def tensors_of(inputs: object) -> list[torch.Tensor]:
    """The tensors of a structure.

    Raises:
        TypeError: If there are none.
    """
    tensors = [x for x in tree_leaves(inputs) if isinstance(x, torch.Tensor)]
    if not tensors:
        raise TypeError("a committee takes tensors: give at least one, of shape (B, …)")
    return tensors


def _rows_of(inputs: tuple, rows: torch.Tensor) -> tuple:
    return tree_map(lambda x: x[rows] if isinstance(x, torch.Tensor) else x, inputs)


def _like(x: object, weight: torch.Tensor) -> object:
    if not isinstance(x, torch.Tensor):
        return x
    return x.to(weight.device, weight.dtype if x.is_floating_point() else x.dtype)


def _distinct(names: list[str]) -> list[str]:
    return [name if names.count(name) == 1 else f"{name} {names[:i].count(name) + 1}" for i, name in enumerate(names)]


def _told(scores: torch.Tensor) -> str:
    grid = f" on {'x'.join(map(str, scores.shape[2:]))}" if scores.ndim > 2 else ""
    return f"{scores.shape[1]} classes{grid}"
