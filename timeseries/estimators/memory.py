"""Which steps a forecaster remembers of its series, and when an update has enough new steps to learn from."""

from collections.abc import Hashable

import numpy as np

from ..data.frames import Instance, ends_of
from ..data.windows import Cuts, training_cuts
from ..fitting.design import Design
from .forecaster_learning import Material

DOUBT = 2.0  # standard errors that the gain of an update has to exceed: it replaces networks that already work

_REMEMBERED = 512  # least number of steps that are kept of a series, if it has as many
_NEW_SHARE = 0.25  # fraction of the remembered steps that has to be new before an update trains
_JUDGES = 3  # least number of horizons that judge an update: windows that overlap say much the same


def remembered(instances: list[Instance], design: Design, whole: bool) -> dict[Hashable | None, Instance]:
    """The part of each series that forecasts and updates need: its end, or all of it if ``whole``."""
    keep = max(_REMEMBERED, 2 * design.context + 2 * (_JUDGES + 1) * design.horizon)
    return {i.key: i for i in (instances if whole else ends_of(instances, keep, design.targets))}


def cuts_for_update(
    material: Material, learned: dict[Hashable | None, int], design: Design
) -> tuple[Cuts, Cuts] | None:
    """Training cuts and validation cuts of an update; None while too few steps are new.

    Once a quarter of the remembered steps are new, an update trains on the older half of the new steps and on all
    earlier steps that are remembered. The newer half of the new steps is held out for validation.

    Args:
        material: The remembered steps, including the new ones.
        learned: The step up to which each series was learned from.
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
