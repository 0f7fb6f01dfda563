"""Fitted estimators in one safetensors file: tensors, and beside them JSON in its header. No code runs on loading."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from pandas.tseries.frequencies import to_offset
from safetensors import safe_open
from safetensors.torch import save_file

from jumbo_backbone.files import replacing

from .timeline import CalendarTimeline, EvenTimeline, Timeline

SUFFIX = ".safetensors"
_LEFT_OUT = ("callbacks",)  # functions are code


class SafeSaving:
    """``save`` and ``load`` for an estimator that tells its state as tensors and JSON.

    Its class has ``_saved_state() -> (dict of tensors, JSON)`` and ``_restore_state(tensors, JSON)``.
    """

    def save(self, path=None, serialization_format="pickle"):
        """Save the fitted estimator.

        Parameters
        ----------
        path : str or Path, optional
            Ending in ".safetensors": one file of tensors and JSON, for ``load``; it runs no code when loaded. Callbacks
            are left out. Any other path, or none: as every sktime estimator, by pickle, for ``sktime.base.load``.
        serialization_format : str
            For pickled ones, "pickle" or "cloudpickle".

        Raises
        ------
        TypeError
            If a parameter is no number, text, list or dict, so that JSON cannot hold it.
        """
        if path is None or Path(path).suffix != SUFFIX:
            return super().save(path, serialization_format)
        self.check_is_fitted()
        tensors, state = self._saved_state()
        content = dict(type=type(self).__name__, params=self._json_params(), state=state)
        with replacing(path) as temporary:
            save_file(tensors, temporary, metadata={"jumbo": json.dumps(content, default=_plain)})
        return None

    @classmethod
    def load(cls, path):
        """Load what ``save`` wrote to a ".safetensors" file.

        Parameters
        ----------
        path : str or Path

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it holds no estimator of this class.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f"no saved estimator at {path}: give a file that save wrote")
        with safe_open(path, framework="pt") as file:
            content = json.loads((file.metadata() or {}).get("jumbo", "{}"))
            if content.get("type") != cls.__name__:
                raise ValueError(f"{path} holds {content.get('type', 'other tensors')}, not a {cls.__name__}")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
        estimator = cls(**_tuples(content["params"]))
        estimator._restore_state(tensors, content["state"])
        return estimator

    def _json_params(self) -> dict[str, Any]:
        params = {name: value for name, value in self.get_params(deep=False).items() if name not in _LEFT_OUT}
        for name, value in params.items():
            try:
                params[name] = json.loads(json.dumps(value, default=_plain))
            except TypeError as error:
                raise TypeError(
                    f"parameter {name}={value!r} cannot be written as JSON: save by pickle instead"
                ) from error
        return params


def offset_to_json(offset: pd.offsets.BaseOffset) -> str | dict[str, Any]:
    """A frequency of pandas: its name where that tells all of it.

    Raises:
        TypeError: If it is of a kind that has more to it than JSON holds.
    """
    try:
        if to_offset(offset.freqstr) == offset:
            return offset.freqstr
    except ValueError:
        pass
    if type(offset) not in (pd.DateOffset, pd.offsets.CustomBusinessDay):
        raise TypeError(f"the frequency {offset!r} cannot be written as JSON: save by pickle instead")
    told = {name: value for name, value in offset.kwds.items() if name not in ("calendar", "offset")}
    if "holidays" in told:
        told["holidays"] = [str(day) for day in told["holidays"]]
    return dict(kind=type(offset).__name__, n=offset.n, **told)


def offset_from_json(content: str | dict[str, Any]) -> pd.offsets.BaseOffset:
    """Undo ``offset_to_json``."""
    if isinstance(content, str):
        return to_offset(content)
    told = {name: value for name, value in content.items() if name != "kind"}
    return {"DateOffset": pd.DateOffset, "CustomBusinessDay": pd.offsets.CustomBusinessDay}[content["kind"]](**told)


def network_tensors(networks: list[torch.nn.Module]) -> dict[str, torch.Tensor]:
    """Weights of all members, by "member.name"."""
    return {f"{i}.{k}": t.contiguous() for i, n in enumerate(networks) for k, t in n.state_dict().items()}


def load_networks(networks: list[torch.nn.Module], tensors: dict[str, torch.Tensor]) -> None:
    """Put weights back, strictly."""
    for i, network in enumerate(networks):
        start = f"{i}."
        network.load_state_dict({k.removeprefix(start): t for k, t in tensors.items() if k.startswith(start)})
        network.eval()


def index_to_json(index: pd.Index) -> dict[str, Any]:
    """A time index of any kind that sktime allows."""
    if isinstance(index, pd.PeriodIndex):
        return dict(kind="period", freq=index.freqstr, values=index.asi8.tolist())
    if isinstance(index, pd.DatetimeIndex):
        zone = None if index.tz is None else str(index.tz)
        return dict(kind="datetime", freq=index.freqstr, unit=index.unit, zone=zone, values=index.asi8.tolist())
    if isinstance(index, pd.TimedeltaIndex):
        return dict(kind="timedelta", unit=index.unit, values=index.asi8.tolist())
    return dict(kind="number", dtype=str(index.dtype), values=index.tolist())


def timeline_to_json(timeline: Timeline) -> dict[str, Any]:
    """The times of all series."""
    return dict(
        like=index_to_json(timeline.like),
        offset=None if timeline.offset is None else offset_to_json(timeline.offset),
        origin=timeline.origin if isinstance(timeline, EvenTimeline) else timeline.origin.isoformat(),
        step=getattr(timeline, "step", None),
    )


def timeline_from_json(content: dict[str, Any]) -> Timeline:
    """Undo ``timeline_to_json``."""
    like = index_from_json(content["like"])
    offset = None if content["offset"] is None else offset_from_json(content["offset"])
    if content["step"] is None:
        return CalendarTimeline(like, offset, pd.Timestamp(content["origin"]).as_unit("us"))
    return EvenTimeline(like, offset, content["origin"], content["step"])


def index_from_json(content: dict[str, Any]) -> pd.Index:
    """Undo ``index_to_json``."""
    values = np.asarray(content["values"])
    if content["kind"] == "period":
        return pd.PeriodIndex.from_ordinals(values, freq=content["freq"])
    if content["kind"] == "datetime":
        index = pd.DatetimeIndex(values.astype(f"datetime64[{content['unit']}]"))
        index = index if content["zone"] is None else index.tz_localize("UTC").tz_convert(content["zone"])
        return pd.DatetimeIndex(index, freq=content["freq"])
    if content["kind"] == "timedelta":
        return pd.TimedeltaIndex(values.astype(f"timedelta64[{content['unit']}]"))
    return pd.Index(values, dtype=content["dtype"])


def _plain(value: Any) -> Any:
    if isinstance(value, (np.integer, np.floating, np.bool_)):
        return value.item()
    raise TypeError(f"{type(value).__name__} is nothing that JSON knows")


def _tuples(params: dict[str, Any]) -> dict[str, Any]:
    """JSON has no tuples; parameters that are sequences are tuples here."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in params.items()}
