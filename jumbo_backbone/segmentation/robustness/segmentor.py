"""A segmentor on corrupted images, as it was trained and adapting."""

import copy
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmseg.registry import DATASETS, MODELS

from ..configs.evaluators import evaluators_of
from ..contents import of_dataset, of_values, of_weights
from ..data.consistency import require_as_trained
from ..data.image_input import ImageReader
from ..data.loaders import datasets_of
from ..data.transforms import kind_of
from ..models.adapting import adapting, told_of
from ..pictures.hook import picture_of
from ..training.loading import load_strictly
from .adapters import NONE, methods_of


class SegmentorTest:
    """mIoU of a segmentor on its test images, by corruption and severity; images are corrupted as they are loaded.

    Args:
        cfg: A config with a test data loader.
        checkpoint: A trained one of it.
        adapt: "tent", "sar" or both, beside the unadapted model.
        options: Of these methods; also ``episodic``.
        seed: Of the corruptions.
        most: The first so many images alone; None for all.
        device: Where to compute.

    Raises:
        FileNotFoundError, ValueError: If the checkpoint is not there or does not fit, or the images are not colours.
    """

    metric = "mIoU"

    def __init__(
        self,
        cfg: Config,
        checkpoint: str,
        *,
        adapt: Sequence[str] = (),
        options: Mapping[str, Any] | None = None,
        seed: int = 0,
        most: int | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        init_default_scope(cfg.get("default_scope", "mmseg"))
        self.cfg, self.options, self.seed = cfg, dict(options or {}), seed
        (self.dataset,) = datasets_of(Config(dict(test_dataloader=cfg.test_dataloader)))[:1]
        if most is not None:
            self.dataset["indices"] = most
        self.pipeline = list(self.dataset["pipeline"])
        reader = ImageReader.of(cfg)
        loads = [kind_of(getattr(kind_of(step), "from_file", step)) for step in self.pipeline]
        self.after, self.order = loads.index(type(reader.loads)) + 1, reader.facts.order
        if reader.facts.dtype != "uint8" or self.order is None:
            raise ValueError(
                f"corruptions are of colour images of 8 bits, but {reader.loader} gives {reader.facts.dtype}: corrupt "
                "the files yourself"
            )
        model = MODELS.build(cfg.model).eval()
        require_as_trained(cfg, load_strictly(model, checkpoint))
        model.to(device)
        self.models = {method: copy.deepcopy(model) for method in methods_of(adapt)}

    def settings(self) -> dict[str, Any]:
        """What the figures depend on, beside corruption and severity."""
        return dict(
            weights=of_weights(self.models[NONE]),
            pictures=of_values(of_dataset(self.dataset), self.pipeline, self.cfg.model.get("test_cfg")),
            seed=self.seed,
        )

    def measure(self, corruptions: Sequence[str], severity: int) -> dict[str, dict[str, float]]:
        """Figures by the method, "none" first: those of the config's evaluator, and what the adapter counted. All
        methods begin with the trained weights, and see the same images, in the order of the data set."""
        self._corrupt(corruptions, severity)
        loader = Runner.build_dataloader(self.cfg.test_dataloader, seed=0)
        with _without_tables():
            evaluators = {method: Evaluator(evaluators_of(copy.deepcopy(self.cfg), "test")) for method in self.models}
        for evaluator in evaluators.values():
            evaluator.dataset_meta = loader.dataset.metainfo
        with ExitStack() as stack:
            adapters = {
                method: stack.enter_context(adapting(model, method, **self.options))
                for method, model in self.models.items()
                if method != NONE
            }
            for data in loader:
                for method, model in self.models.items():
                    with torch.no_grad():
                        samples = model.test_step(copy.deepcopy(data))
                    evaluators[method].process(data_samples=samples, data_batch=data)
            told = {method: told_of(adapter) for method, adapter in adapters.items()}
        found = {}
        for method, evaluator in evaluators.items():
            with _without_tables():
                metrics = evaluator.evaluate(len(loader.dataset))
            found[method] = {name: float(value) for name, value in metrics.items()} | told.get(method, {})
        return found

    def example(self, corruption: str | None, severity: int) -> np.ndarray:
        """An image of the test as a picture, uint8 (H, W, 3)."""
        self._corrupt([corruption] if corruption else [], severity)
        inputs = DATASETS.build(self.cfg.test_dataloader.dataset)[0]["inputs"]
        return picture_of(inputs, self.order, None)

    def _corrupt(self, corruptions: Sequence[str], severity: int) -> None:
        steps = [
            dict(type="CorruptImage", name=name, severity=severity, seed=self.seed, order=self.order)
            for name in corruptions
        ]
        self.dataset["pipeline"] = [*self.pipeline[: self.after], *steps, *self.pipeline[self.after :]]


@contextmanager
def _without_tables() -> Iterator[None]:
    """mmsegmentation's metrics print a table of the classes each time."""
    logger = MMLogger.get_current_instance()
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
