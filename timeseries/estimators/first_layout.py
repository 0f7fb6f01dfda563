"""Files of layout 1, which could hold names of few types only, translated into the present layout."""

from typing import Any

import numpy as np
import pandas as pd
from sktime.datatypes import mtype_to_scitype

from ..data.frames import instances_of, rows_of, table_of
from ..data.panel_timeline import timeline_for


def from_first_layout(content: dict[str, Any], arrays: dict[str, np.ndarray]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters of an estimator, and the state for its ``_restore_state``.

    Args:
        content: JSON from the file's header.
        arrays: The file's arrays, by name.
    """
    # JSON has no tuples: parameters that are lists here were tuples
    params = {name: tuple(v) if isinstance(v, list) else v for name, v in content["params"].items()}
    state = content["state"]
    networks = [_under(f"{n}.", arrays) for n in range(state["members"])]
    told = _forecaster(state, arrays) if "keys" in state else _classifier(state, arrays)
    return params, told | dict(networks=networks, budget=state["budget"], pretrained=None)


def _forecaster(state: dict[str, Any], arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    columns, mtype = [_label(c) for c in state["columns"]], state["mtype"]
    name = columns[0] if isinstance(columns[0], str) else None
    design = {k: tuple(v) if k in ("quantiles", "covariates") else v for k, v in state["design"].items()}
    fh, names = state["fh"], [_label(n) for n in state["index_names"]]
    covariates, known_ahead = state["covariates"]
    keys, indices = [_label(k) for k in state["keys"]], [_index(i) for i in state["indices"]]
    tails = [arrays[f"tail.{n}"] for n in range(len(keys))]
    tables = [
        table_of([k], [i], v[None], names, range(v.shape[1])) for k, i, v in zip(keys, indices, tails, strict=True)
    ]
    table = pd.concat(tables)
    timeline = timeline_for(table, state["freq"])
    rows = rows_of(table, timeline, "the file")
    instances = instances_of(rows)  # with NaN at the steps that this layout left out
    return dict(
        design=design,
        keys=[i.key for i in instances],
        starts=np.array([i.start for i in instances]),
        lengths=np.array([len(i.values) for i in instances]),
        values=np.concatenate([i.values for i in instances]),
        learned=[i.end for i in instances],
        timeline=timeline.parts(),
        index_names=names,
        # for arrays, sktime's inner methods see the columns "var_0", "var_1", …, and its results number them
        columns=pd.Index([f"var_{n}" for n in range(len(columns))] if mtype == "numpy3D" else columns),
        covariates=([_label(n) for n in covariates], known_ahead),
        cutoff=_index(state["cutoff"]),
        fh=None if fh is None else dict(values=pd.Index(fh), is_relative=True, freq=None),
        y_metadata=dict(mtype=mtype, scitype=mtype_to_scitype(mtype), feature_names=columns, n_features=len(columns)),
        y_store=dict(name=name) if mtype == "pd.Series" else {},
    )


def _classifier(state: dict[str, Any], arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    return dict(
        location=arrays["location"],
        scale=arrays["scale"],
        longest=state["longest"],
        patch=tuple(state["patch"]),
        channel_names=None,
        classes=np.array(state["classes"], dtype=state["classes_dtype"]),
        calibration=state["calibration"],
        y_metadata=dict(is_univariate=True, mtype="numpy1D"),
        y_store={},
        y_inner_mtype="numpy1D",
        outputs=None,
    )


def _under(start: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}


def _label(label: Any) -> Any:
    return tuple(map(_label, label)) if isinstance(label, list) else label


def _index(content: dict[str, Any]) -> pd.Index:
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
