"""What a forecaster remembers of its series, and when an update has brought enough to learn from."""

from collections.abc import Hashable

import numpy as np

from ..data.frames import Instance, ends_of
from ..data.windows import Cuts, training_cuts
from ..fitting.design import Design
from .forecaster_learning import Material

DOUBT = 2.0  # standard errors by which an update has to gain: what it changes is known to serve

_REMEMBERED = 512  # steps that are kept of a series at least, if it has them
_NEW_SHARE = 0.25  # of what is remembered, before an update learns from it
_JUDGES = 3  # horizons that judge what an update learned: windows that overlap say much the same


def remembered(instances: list[Instance], design: Design, whole: bool) -> dict[Hashable | None, Instance]:
    """What forecasts and updates need of each series: its end, or all of it."""
    keep = max(_REMEMBERED, 2 * design.context + 2 * (_JUDGES + 1) * design.horizon)
    return {i.key: i for i in (instances if whole else ends_of(instances, keep, design.targets))}


def cuts_for_update(
    material: Material, learned: dict[Hashable | None, int], design: Design
) -> tuple[Cuts, Cuts] | None:
    """Where an update trains, and where it is judged; None while too little is new.

    Once a quarter of what is remembered is new, an update trains on the older half of what is new, and on all that is
    remembered from before. The newer half is held out to judge it.

    Args:
        material: What is remembered, with what is new.
        learned: Up to which step each series was learned from.
        design: What the networks read and return.
    """
    lengths, starts = material.lengths, {i.key: i.start for i in material.instances}
    new = np.array([end - learned.get(key, starts[key]) for key, end in material.ends.items()])
    new = np.clip(new, 0, lengths)
    if new.sum() < _NEW_SHARE * lengths.sum():
        return None
    H = design.horizon
    held_out = np.where(new // 2 >= _JUDGES * H, new // 2, 0)
    training, validation = training_cuts(lengths, design.context, H, held_out)
    return None if validation is None else (training, validation)
