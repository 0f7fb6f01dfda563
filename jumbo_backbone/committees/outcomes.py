"""Outcomes of a committee's members, and of groups of them, on validation data: all that choosing thresholds
needs."""

import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file

from ..files import replacing
from .committee import Cascade, Committee, RunningMean, confidence_of

METRICS = ("accuracy", "mIoU")
Group = tuple[int, ...]  # numbers of members whose answers are averaged


class Routing(NamedTuple):
    """The effect of a cascade's thresholds: metric, mean cost, and the share of the samples that leaves at each
    stage."""

    thresholds: tuple[float, ...]
    value: float
    cost: float
    shares: list[float]


@dataclass
class Outcomes:
    """Outcomes of groups of members on validation samples: all that choosing thresholds needs.

    Attributes:
        groups: Numbers of the members of each of M groups, whose answer is the mean of their probabilities.
        confidence: Confidence (M, n) of each answer.
        tallies: For accuracy, whether an answer is right (M, n, 1). For mIoU, counts (M, n, 3, K) of the pixels that
            were rightly given a class, that were given it, and that are labelled with it.
        metric: "accuracy" or "mIoU".
        losses: For accuracy, the cross-entropy (M, n) of each answer; None for mIoU.
    """

    groups: list[Group]
    confidence: torch.Tensor
    tallies: torch.Tensor
    metric: str
    losses: torch.Tensor | None = None

    def __len__(self) -> int:
        return self.confidence.shape[1]

    def score(self, sums: torch.Tensor) -> torch.Tensor:
        """The metric, from 0 to 1, of tallies (…, 1) or (…, 3, K) that were summed over all samples: (…)."""
        if self.metric == "accuracy":
            return sums[..., 0] / len(self)
        both, given, labelled = sums.unbind(dim=-2)
        return torch.nanmean(both / (given + labelled - both), dim=-1)  # 0/0: of a class that is nowhere

    def of(self, group: Group) -> tuple[torch.Tensor, torch.Tensor]:
        """Confidence (n,) and tallies (n, …) of a group's answers.

        Raises:
            ValueError: If the group was not asked.
        """
        if group not in self.groups:
            raise ValueError(f"members {group} were not validated together, only {self.groups}")
        i = self.groups.index(group)
        return self.confidence[i], self.tallies[i]

    def excess(self, stages: Sequence[Group]) -> torch.Tensor:
        """Cross-entropy (S, n) of the stages' answers minus that of the last stage.

        Raises:
            ValueError: If there is none.
        """
        if self.losses is None:
            raise ValueError(f"there is no cross-entropy of {self.metric}: calibrate by the metric alone")
        losses = self.losses[[self.groups.index(group) for group in stages]]
        return losses - losses[-1]

    def metric_of(self, group: Group) -> float:
        """Metric of a group that answers all samples."""
        return float(self.score(self.of(group)[1].sum(dim=0)))

    def answers(self, stages: Sequence[Group], thresholds: Sequence[float]) -> tuple[torch.Tensor, torch.Tensor]:
        """Tallies (n, …) of a cascade's answers, and the stage (n,) at which each sample leaves.

        Args:
            stages: The members that answer at each stage. thresholds: Thresholds of all stages but the last.
        """
        confidence, tallies = (torch.stack(t) for t in zip(*map(self.of, stages), strict=True))
        stage = leaving_stage(confidence, thresholds)
        return tallies[stage, torch.arange(len(self))], stage

    def routed(self, stages: Sequence[Group], thresholds: Sequence[float], costs: Sequence[float]) -> "Routing":
        """The effect of a cascade on these samples.

        Args:
            stages, thresholds: See ``answers``.
            costs: Cost that each stage adds to those before it.
        """
        tallies, stage = self.answers(stages, thresholds)
        spent = torch.tensor(costs, dtype=torch.float64).cumsum(dim=0)[stage].mean()
        shares = [float((stage == i).double().mean()) for i in range(len(stages))]
        return Routing(tuple(thresholds), float(self.score(tallies.sum(dim=0))), float(spent), shares)

    def part(self, rows: torch.Tensor) -> "Outcomes":
        """The outcomes of some samples alone."""
        losses = None if self.losses is None else self.losses[:, rows]
        return Outcomes(self.groups, self.confidence[:, rows], self.tallies[:, rows], self.metric, losses)

    @classmethod
    def concatenate(cls, parts: Sequence["Outcomes"]) -> "Outcomes":
        """The outcomes of samples that were tallied in pieces."""
        names = ("confidence", "tallies") + ("losses",) * (parts[0].losses is not None)
        tensors = {name: torch.cat([getattr(p, name) for p in parts], dim=1) for name in names}
        return cls(parts[0].groups, metric=parts[0].metric, **tensors)

    def save(self, path: str | Path) -> None:
        """Write a safetensors file, so that other targets can be tried without asking the members again."""
        about = dict(groups=json.dumps(self.groups), metric=self.metric)
        tensors = dict(confidence=self.confidence, tallies=self.tallies)
        tensors |= {} if self.losses is None else dict(losses=self.losses)
        with replacing(path) as temporary:
            save_file(tensors, temporary, metadata=about)

    @classmethod
    def load(cls, path: str | Path) -> "Outcomes":
        """Read what ``save`` wrote."""
        with safe_open(path, framework="pt") as file:
            about = file.metadata()
            groups = [tuple(group) for group in json.loads(about["groups"])]
            names = file.keys()
            return cls(groups, metric=about["metric"], **{name: file.get_tensor(name) for name in names})


def stage_groups(members: int, ensemble: bool) -> list[Group]:
    """The members that answer at each stage of a cascade: one alone, or one and all before it."""
    return [tuple(range(i + 1)) if ensemble else (i,) for i in range(members)]


def all_groups(members: int) -> list[Group]:
    """All possible groups, single members first."""
    numbers = range(members)
    return [g for size in range(1, members + 1) for g in itertools.combinations(numbers, size)]


def tally(
    scores: Sequence[torch.Tensor],
    labels: torch.Tensor | Sequence[torch.Tensor],
    groups: Sequence[Group],
    confidence: str | Callable[[torch.Tensor], torch.Tensor] = "max_probability",
    ignore_index: int = 255,
    *,
    valid: torch.Tensor | None = None,
    predict: Callable[[torch.Tensor], torch.Tensor | Sequence[torch.Tensor]] | None = None,
) -> Outcomes:
    """Outcomes of groups of members, from given scores.

    Args:
        scores: Scores of each member: (n, K), or dense (n, K, H, W).
        labels: Classes (n,), or maps (n, H, W); pixels of ``ignore_index`` are not counted. groups: Groups of members
        that answer together.
        confidence: See ``Cascade``.
        ignore_index: Of pixels without a label.
        valid: Pixels (n, H, W) that count towards the confidence, as for ``Cascade.route``.
        predict: Turns dense scores into label maps, each of the size of its labels; by default the class of the
        largest score.

    Raises:
        ValueError: If there are no samples, or scores and labels do not fit each other.
        TypeError: If the labels for scores (n, K) are not a tensor.
    """
    first = scores[0]
    dense, classes = first.ndim > 2, first.shape[1]
    if any(s.shape != first.shape for s in scores) or len(labels) != len(first):
        raise ValueError(
            f"scores of shapes {[tuple(s.shape) for s in scores]} and {len(labels)} labels: scores are (n, K) or "
            "(n, K, H, W), alike for all members, with n labels"
        )
    if not len(first):
        raise ValueError("no samples: give validation data")
    confidences, tallies, losses = [], [], []
    for group in groups:
        answer = scores[group[0]]
        if len(group) > 1:
            running = RunningMean(answer)
            for number in group[1:]:
                running.add(scores[number])
            answer = running.scores()
        confidences.append(confidence_of(answer, confidence, valid).cpu())
        given: Any = predict(answer) if predict else answer.argmax(dim=1)
        if dense:
            samples = zip(given, labels, strict=True)
            tallies.append(torch.stack([_pixels(*sample, classes, ignore_index) for sample in samples]))
        else:
            if not isinstance(labels, torch.Tensor):
                raise TypeError(
                    f"labels are a {type(labels).__name__}: for scores (n, K) give a tensor of classes (n,)"
                )
            _require_labels(labels, classes)
            tallies.append((given == labels).double()[:, None])
            losses.append(F.cross_entropy(answer.double(), labels, reduction="none").cpu())
    return Outcomes(
        list(groups),
        torch.stack(confidences).double(),
        torch.stack(tallies).cpu(),
        METRICS[1 if dense else 0],
        None if dense else torch.stack(losses),
    )


def _pixels(given: torch.Tensor, label: torch.Tensor, classes: int, ignore_index: int) -> torch.Tensor:
    """Counts (3, K) of one map's pixels: rightly given each class, given it, labelled with it."""
    if given.shape != label.shape:
        raise ValueError(
            f"answers of {tuple(given.shape)} for labels of {tuple(label.shape)}: dense labels are (n, H, W) like the "
            "scores, or predict makes maps of their size"
        )
    valid = label != ignore_index
    given, label = given[valid], label[valid]
    _require_labels(label, classes)
    counts = [torch.bincount(x, minlength=classes) for x in (label[given == label], given, label)]
    return torch.stack(counts).double()


def _require_labels(labels: torch.Tensor, classes: int) -> None:
    if labels.numel() and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"labels from {int(labels.min())} to {int(labels.max())}, the members have {classes} classes")


@torch.inference_mode()
def ask_all(
    committee: Committee,
    batches: Iterable[tuple[object, torch.Tensor]],
    groups: Sequence[Group] | None = None,
    confidence: str | Callable[[torch.Tensor], torch.Tensor] = "max_probability",
    ignore_index: int = 255,
) -> Outcomes:
    """Ask every member about validation data, once.

    Args:
        committee: A cascade, or an ensemble.
        batches: Pairs of inputs (a tensor, or a tuple of the members' arguments) and labels (see ``tally``).
        groups: Groups of members that answer together; by default the stages of a cascade.
        confidence: Confidence of an ensemble's answers; a cascade has its own.
        ignore_index: Of pixels without a label.

    Raises:
        ValueError: If there are no batches, or members and labels do not fit.
    """
    if isinstance(committee, Cascade):
        confidence = committee.confidence
        groups = groups or stage_groups(len(committee.members), committee.ensemble)
    parts = []
    for inputs, labels in batches:
        inputs = inputs if isinstance(inputs, tuple) else (inputs,)
        scores = [committee.ask(number, *inputs) for number in range(len(committee.members))]
        for number, found in enumerate(scores):
            committee.require_alike(number, found, scores[0])
        labels = labels.to(scores[0].device)
        parts.append(tally(scores, labels, groups or all_groups(len(scores)), confidence, ignore_index))
    if not parts:
        raise ValueError("no batches: give validation data")
    return Outcomes.concatenate(parts)


def leaving_stage(confidence: torch.Tensor, thresholds: Sequence[float]) -> torch.Tensor:
    """Stage (n,) at which each sample leaves, by its confidence (S, n) at each."""
    sure = confidence[:-1] >= torch.tensor(thresholds, dtype=torch.float64)[:, None]
    sure = torch.cat([sure, torch.ones_like(confidence[:1], dtype=torch.bool)])
    return sure.double().argmax(dim=0)  # the first one
