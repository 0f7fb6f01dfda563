"""A fitted forecaster as values to save, and back."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..data.covariates import Covariates
from ..data.frames import Instance
from ..data.timeline import timeline_from
from ..fitting.blending import Blend
from ..fitting.design import Design
from ..weights import content_of, weigher_from
from .forecaster_learning import Pretrained
from .saving import weights_of, with_weights

if TYPE_CHECKING:
    from .forecaster import JumboForecaster


def state_of(forecaster: "JumboForecaster") -> dict[str, Any]:
    """The forecaster's state, for ``restore``."""
    tails = list(forecaster._tails.values())
    start = getattr(forecaster, "pretrained_", None)
    return dict(
        design=asdict(forecaster.design_),
        networks=weights_of(forecaster.networks_),
        budget=forecaster._budget_as_json(),
        blend=_blend_as_values(forecaster._blend),
        floors=[forecaster._floors[i.key] for i in tails],
        pretrained=None
        if start is None
        else start._asdict() | dict(design=asdict(start.design), networks=weights_of(start.networks)),
        keys=[i.key for i in tails],
        starts=np.array([i.start for i in tails]),
        lengths=np.array([len(i.values) for i in tails]),
        values=np.concatenate([i.values for i in tails]),
        learned=[forecaster._learned.get(i.key) for i in tails],
        timeline=forecaster._timeline.parts(),
        index_names=forecaster._index_names,
        columns=forecaster._columns,
        covariates=tuple(forecaster._covariates),
        **forecaster._sktime_state(),
    )


def restore(forecaster: "JumboForecaster", state: dict[str, Any]) -> None:
    """Give a new forecaster the fitted state that ``state_of`` returned."""
    forecaster.design_, forecaster.history_ = Design(**state["design"]), []
    forecaster.networks_ = [with_weights(forecaster.design_.build, weights) for weights in state["networks"]]
    forecaster._blend = _blend_from(state.get("blend"))
    if (start := state["pretrained"]) is not None:
        design = Design(**start["design"])
        networks = [with_weights(design.build, weights) for weights in start["networks"]]
        forecaster.pretrained_ = Pretrained(
            design, networks, start["covariates"], start["task"], start.get("levels"), start.get("static")
        )
    forecaster._covariates, forecaster._index_names = Covariates(*state["covariates"]), state["index_names"]
    forecaster._timeline = timeline_from(state["timeline"])
    keys, starts = state["keys"], state["starts"].tolist()
    values = np.split(state["values"], np.cumsum(state["lengths"])[:-1])
    forecaster._tails = {k: Instance(k, start, v) for k, start, v in zip(keys, starts, values, strict=True)}
    nowhere = np.full(forecaster.design_.targets, -np.inf)  # for files without floors, of earlier versions
    forecaster._floors = dict(zip(keys, state.get("floors", [nowhere] * len(keys)), strict=True))
    forecaster._learned = {k: end for k, end in zip(keys, state["learned"], strict=True) if end is not None}
    forecaster._columns = state["columns"]
    forecaster._restore_sktime_state(state, pretrained=start is not None)
    forecaster.set_budget(**state["budget"])


def _blend_as_values(blend: Blend) -> dict[str, Any] | None:
    if blend.weigher is None:
        return None
    about, tensors = content_of(blend.weigher)
    weights = {name: t.numpy() for name, t in tensors.items()}
    return dict(share=blend.share, periods=blend.periods, about=about, weights=weights)


def _blend_from(values: dict[str, Any] | None) -> Blend:
    if values is None:  # no experts, or a file of an earlier version, which had none
        return Blend()
    weights = {name: torch.from_numpy(np.array(w)) for name, w in values["weights"].items()}
    weigher = weigher_from(values["about"], weights, "the file")
    return Blend(weigher, values["periods"] and tuple(values["periods"]), values["share"])
