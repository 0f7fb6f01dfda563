"""The table of `jumbo benchmark-series`, and its summary over all sets."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from jumbo_backbone.benchmarking.report import aligned

from ..evaluation import PanelScores

OURS = "JumboForecaster"


def with_ranks(scores: Mapping[str, PanelScores]) -> list[dict[str, Any]]:
    """A record for each method on one set: its scores, and its rank by MASE, averaged over the series with a MASE (None
    if there is only one method)."""
    errors = pd.DataFrame({method: found.table["MASE"] for method, found in scores.items()}).dropna()
    ranks = errors.rank(axis=1).mean()
    ranked = len(scores) > 1 and not errors.empty
    return [
        {"method": method, **found.summary(), "rank": float(ranks[method]) if ranked else None}
        for method, found in scores.items()
    ]


def overall(records: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Of each method over all sets: the geometric mean of MASE over that of the seasonal naive forecast, the mean rank
    and the sum of seconds. None where a set has no figure."""
    told = {}
    for method in dict.fromkeys(record["method"] for record in records):
        mine = [record for record in records if record["method"] == method]
        ratios = [_ratio(record) for record in mine]
        ranks = [record["rank"] for record in mine]
        told[method] = {
            "relative_mase": None if None in ratios else float(np.exp(np.mean(np.log(np.array(ratios, dtype=float))))),
            "rank": None if None in ranks else float(np.mean(ranks)),
            "seconds": sum(record["fit_seconds"] + record["predict_seconds"] for record in mine),
        }
    return told


def _ratio(record: Mapping[str, Any]) -> float | None:
    return record["mase"] / record["naive_mase"] if record["mase"] and record["naive_mase"] else None


def table(records: Sequence[Mapping[str, Any]], told: Mapping[str, Mapping[str, float | None]]) -> str:
    """Records as text, one block for each set, and one for all."""
    heading = ["", "MASE", "/ naive", "rank", "sMAPE", "WQL", "MSIS", "in 80 %", "in 95 %", "seconds", "failed"]
    rows = []
    for r in records:
        figures = [(r["mase"], 3), (_ratio(r), 3), (r["rank"], 2), (r["smape"], 2), (r["wql"], 4), (r["msis"], 2)]
        figures += [(r["coverage_80"], 3), (r["coverage_95"], 3), (r["fit_seconds"] + r["predict_seconds"], 1)]
        rows.append([f"  {r['method']}", *(_told(*figure) for figure in figures), str(r.get("failed", "-"))])
    for method, all_sets in told.items():
        figures = [(all_sets["relative_mase"], 3), (all_sets["rank"], 2)]
        row = [f"  {method}", "-", *(_told(*figure) for figure in figures), *["-"] * 5]
        rows.append([*row, _told(all_sets["seconds"], 1), "-"])
    head, *body = aligned([heading, *rows])
    lines, last = [head], None
    for record, line in zip(records, body, strict=False):
        if record["set"] != last:
            last = record["set"]
            lines.append(_set_in_words(record))
        lines.append(line)
    return "\n".join([*lines, "all sets: geometric mean of MASE over naive", *body[len(records) :]])


def _set_in_words(record: Mapping[str, Any]) -> str:
    words = f"{record['set']}, {record['series']} series"
    if record["no_scale"]:
        words += f", {record['no_scale']} of them left out of MASE and MSIS: their seasonal naive error is 0 or unknown"
    return words + f"; {record['too_short']} more are too short" * bool(record["too_short"])


def _told(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
