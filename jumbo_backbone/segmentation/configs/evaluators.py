"""The metrics of a config, which may name one metric, several, or an evaluator."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from mmengine.config import Config
from mmengine.registry import METRICS as ENGINE_METRICS
from mmseg.registry import METRICS


def evaluators_of(cfg: Config, split: str) -> list[dict]:
    """The configs of the metrics of a split ("val" or "test"), in their order."""
    found: Any = cfg.get(f"{split}_evaluator") or []
    if isinstance(found, Mapping) and "metrics" in found:
        found = found["metrics"]
    return [cast(dict, found)] if isinstance(found, Mapping) else list(found)


def keep_predictions(cfg: Config, folder: Path) -> None:
    """Make the first of the test's metrics that can write predicted label maps write them to a folder.

    Raises:
        ValueError: If none can.
    """
    evaluators = evaluators_of(cfg, "test")
    for evaluator in evaluators:
        kind = evaluator["type"]
        kind = kind if isinstance(kind, type) else METRICS.get(kind) or ENGINE_METRICS.get(kind)
        takes = inspect.signature(kind).parameters if kind else {}
        if "output_dir" in takes:
            evaluator["output_dir"] = str(folder)
            if "keep_results" in takes:
                evaluator["keep_results"] = True
            return
    named = ", ".join(str(evaluator["type"]) for evaluator in evaluators) or "none"
    raise ValueError(f"--out: no metric of test_evaluator writes label maps ({named}): add dict(type='IoUMetric')")
