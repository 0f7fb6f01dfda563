"""Metrics of a validation or a test: means, values for each class, and JSON."""

import json
import math
from collections.abc import Iterable
from typing import Any

import mmseg.evaluation
import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS


@METRICS.register_module(force=True)
class IoUMetric(mmseg.evaluation.IoUMetric):
    """mmsegmentation's ``IoUMetric``, replaced in configs by this class, which also keeps the values of each class.

    Attributes:
        of_classes: After an evaluation, by the names of mmsegmentation's table ("IoU", "Acc", …), each class's value in
            percent; nan for a class that occurs neither in the labels nor in the predictions.
    """

    of_classes: dict[str, dict[str, float]] = {}

    def compute_metrics(self, results: list) -> dict[str, float]:
        self.of_classes = {}
        if results and not self.format_only:
            areas = (sum(area) for area in zip(*results, strict=True))
            found = self.total_area_to_metrics(*areas, self.metrics, self.nan_to_num, self.beta)
            names = self.dataset_meta["classes"]
            self.of_classes = {
                what: dict(zip(names, np.round(values * 100, 2).tolist(), strict=True))
                for what, values in found.items()
                if np.ndim(values)
            }
        return super().compute_metrics(results)


def of_classes(metrics: Iterable[BaseMetric]) -> dict[str, dict[str, float]]:
    """The values of each class from the last evaluation of an evaluator's metrics."""
    return {what: values for metric in metrics for what, values in getattr(metric, "of_classes", {}).items()}


def to_json(content: Any) -> bytes:
    """Metrics as JSON, which has no nan and no infinity: both become null."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {str(name): plain(v) for name, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(v) for v in value]
        if isinstance(value, (np.generic, np.ndarray, torch.Tensor)):
            return plain(value.tolist())
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return json.dumps(plain(content), indent=1, allow_nan=False, default=str).encode()
