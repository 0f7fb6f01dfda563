"""Cascades of the classifier: their stages and their thresholds ("Wisdom of Committees", ICLR 2022).

The members are parts of one network, compute budgets of it, or networks of different seeds. Routing and calibration
are done by ``jumbo_backbone`` (``Cascade``, ``calibrate``).
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import torch

from jumbo_backbone import Calibration, Cascade, ComputeBudget, calibrate, member_costs
from jumbo_backbone.committees.committee import Routed
from jumbo_backbone.committees.outcomes import stage_groups, tally

from ..data.windows import Batch
from ..networks.closed_net import ClosedNet
from ..networks.network import ClassifierNet
from .budgets import series_budget

KERNELS, WHOLE = "kernels", "whole"  # stages of a network: its first set of convolutions; everything
_KINDS = ("kernels", "budgets", "seeds")
_BUDGETS = (dict(keep_rate=0.5, resolution=0.5),)

SeriesClassifier = ClassifierNet | ClosedNet  # with an encoder that was trained on the series, or a pretrained one
Stage = str | ComputeBudget  # a budget stands for the encoder's scores alone, at this budget
Kind = str | Sequence[dict[str, Any]] | None


class Unseen(NamedTuple):
    """Scores of the stages of a network for training series that they did not learn from.

    Attributes:
        rows: Indices of the series (m,), rising.
        scores: Scores of each stage (m, K).
    """

    rows: torch.Tensor
    scores: list[torch.Tensor]


# ---- the stages


def stages_of(committee: Kind) -> tuple[Stage, ...]:
    """The stages of one network, from the parameter ``committee``; none without a committee.

    Raises:
        ValueError, TypeError: If there is no such committee, or a budget is out of range.
    """
    if committee is None:
        return ()
    if isinstance(committee, str) and committee in _KINDS:
        if committee == "budgets":
            return stages_of(_BUDGETS)
        return (WHOLE,) if committee == "seeds" else (KERNELS, WHOLE)
    if isinstance(committee, str) or not isinstance(committee, Sequence) or not committee:
        raise ValueError(
            f"unknown committee {committee!r}: choose one of {', '.join(_KINDS)}, or give a list of budgets such as "
            "[dict(keep_rate=0.5, resolution=0.5)], or None"
        )
    for budget in committee:
        if not isinstance(budget, dict):
            raise TypeError(
                f"{budget!r} in the committee is no budget: give a dict such as dict(keep_rate=0.5, resolution=0.5)"
            )
    return (*(series_budget(**budget) for budget in cast(Sequence[dict[str, Any]], committee)), WHOLE)


def check_committee(
    committee: Kind, target: float | str, *, num_kernels: int, n_members: int, validation: float, learns: bool
) -> None:
    """Check that the classifier's parameters for a committee go together.

    Raises:
        ValueError, TypeError: If they do not.
    """
    if target != "last" and not (isinstance(target, (int, float)) and 0 <= target <= 1):
        raise ValueError(f"committee_target {target!r}: give an accuracy from 0 to 1, or 'last'")
    stages = stages_of(committee)
    if not stages:
        return
    if KERNELS in stages and not num_kernels:
        raise ValueError(
            "committee 'kernels' begins with the convolutions, and num_kernels=0 has none: give a positive num_kernels"
        )
    if not learns and any(isinstance(stage, ComputeBudget) for stage in stages):
        raise ValueError(
            f"committee {committee!r} asks the transformer alone, and max_epochs=0 does not train it: give more epochs"
        )
    if committee == "seeds" and n_members < 2:
        raise ValueError(f"committee 'seeds' of n_members={n_members}: give at least 2")
    if committee != "seeds" and n_members > 1:
        raise ValueError(
            f"committee {committee!r} consists of parts of one network, but n_members={n_members}: give n_members=1, "
            "or committee='seeds'"
        )
    if not validation:
        raise ValueError(
            f"committee {committee!r} is calibrated on held-out series, and validation={validation} holds out none: "
            "give a fraction above 0, or committee=None"
        )


def cascade_of(networks: Sequence[SeriesClassifier], committee: Kind) -> Cascade:
    """The members in order. Until thresholds are set, every series goes through all of them."""
    if committee == "seeds":
        names = [f"seed {number + 1}" for number in range(len(networks))]
        return Cascade(networks, [math.inf] * (len(networks) - 1), ensemble=True, names=names)
    (network,) = networks
    stages = stages_of(committee)
    members = [_member(network, stage) for stage in stages]
    return Cascade(members, [math.inf] * (len(stages) - 1), names=list(map(_name, stages)))


def _member(
    network: SeriesClassifier, stage: Stage
) -> Callable[..., torch.Tensor] | tuple[Callable[..., torch.Tensor], ComputeBudget]:
    if isinstance(stage, ComputeBudget):
        return network.from_tokens, stage
    return network.from_kernels if stage == KERNELS else network


def _name(stage: Stage) -> str:
    return f"tokens, {stage}" if isinstance(stage, ComputeBudget) else stage


def _inputs(cascade: Cascade, batch: Batch) -> tuple:
    """Arguments of the members. The stage "kernels" writes its features into a tensor, so that the whole network does
    not compute them again; the cascade passes on the rows of this tensor whose series go on to the next stage."""
    if cascade.names[0] != KERNELS:
        return tuple(batch)
    network = cast(SeriesClassifier, cascade.members[-1].model)
    return *batch, batch.values.new_empty(len(batch.values), network.num_shares)


# ---- calibration


def calibrated(
    networks: Sequence[SeriesClassifier],
    committee: Kind,
    unseen: Sequence[Unseen],
    labels: torch.Tensor,
    target: float | str,
    example: Batch,
) -> Calibration:
    """Thresholds of a committee, from the scores of its members for series that they did not learn from. Costs are in
    FLOPs, which are the same on every machine.

    Args:
        networks, committee: See ``cascade_of``.
        unseen: Scores of each network.
        labels: Classes (n,) of the training series.
        target: See ``calibrate``.
        example: A series for which FLOPs are counted.

    Raises:
        ValueError: If there are no such series, or no thresholds reach the target.
    """
    rows = min((u.rows for u in unseen), key=len)  # some networks scored all series, others only the held-out ones
    if not len(rows):
        raise ValueError(
            f"a committee is calibrated on held-out series, and of classes of {torch.bincount(labels).tolist()} series "
            "validation holds out none: give more series, a larger validation, or committee=None"
        )
    scores = [s[torch.isin(u.rows, rows)] for u in unseen for s in u.scores]
    cascade = cascade_of(networks, committee)
    outcomes = tally(scores, labels[rows], stage_groups(len(scores), cascade.ensemble))
    costs = member_costs(cascade, *_inputs(cascade, example), unit="FLOPs", repeats=1)
    # an accuracy given by the user may be lower than that of the last stage; "last" must not cost accuracy
    return calibrate(cascade, outcomes, costs, target, by_loss=target == "last")


@torch.inference_mode()
def answers(cascade: Cascade, batch: Batch) -> Routed:
    """Scores (B, K) of series, and the number (B,) of the stage that gave them."""
    return cascade.route(*_inputs(cascade, batch))
