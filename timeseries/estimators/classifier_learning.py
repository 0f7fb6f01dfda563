"""How a classifier learns: from which arrays, from what was pretrained, and how each member is trained."""

import math
from collections.abc import Hashable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import nn

from ..checks import check_finite
from ..data.panel_timeline import even_values
from ..data.windows import Batch, pad_together
from ..fitting.classification import BATCH, Fitted, fit_network, steps_of, stratified
from ..fitting.committee import KERNELS, stages_of
from ..fitting.pretraining import pretrain_encoder
from ..fitting.training import History, draw_seeds, seeded, shuffled
from ..networks.network import ClassifierNet
from ..networks.series_encoder import SeriesEncoder
from .classifier_parameters import ClassifierParameters

_FREE = ("keep_rate", "proj_drop_rate", "drop_path_rate")  # may change after pretraining


class Pretrained(NamedTuple):
    """What ``pretrain`` learned: units and length of its series, arguments of the encoders, these, and the names of
    the channels, if they have any."""

    location: np.ndarray
    scale: np.ndarray
    longest: int
    embedding: dict[str, Any]
    encoders: list[SeriesEncoder]
    channel_names: list[Hashable] | None = None

    def check_same(self, channels: int, embedding: dict[str, Any]) -> None:
        """Raise ValueError for series of other channels, or encoders of another size."""
        if channels != len(self.location):
            raise ValueError(
                f"pretrained on series of {len(self.location)} channels, now they have {channels}: give the same ones, "
                "or a new classifier"
            )
        names = dict.fromkeys((*self.embedding, *embedding))
        if changed := [k for k in names if self.embedding.get(k) != embedding.get(k) and k not in _FREE]:
            was, is_now = ({k: e.get(k) for k in changed} for e in (self.embedding, embedding))
            raise ValueError(f"pretrained with {was}, now there is {is_now}: pretrain a new classifier with these")

    def start(self, encoder: SeriesEncoder, number: int) -> list[nn.Parameter]:
        """Give the encoder of a member the weights that were pretrained, and return its parameters."""
        encoder.load_state_dict(self.encoders[number % len(self.encoders)].state_dict())
        return list(encoder.parameters())


def patches_of(longest: int, patch_length: int | None, patch_stride: int | None) -> tuple[int, int]:
    """Steps in a patch and from one to the next: those asked for, or about 32 patches that overlap by half."""
    P = min(patch_length or max(2, math.ceil(longest / 16)), longest)
    return P, min(patch_stride or max(1, P // 2), P)


class Members:
    """Builds and trains the members of a classifier on some series.

    Args:
        parameters: Of the classifier.
        embedding: Arguments of its ``SeriesEncoder``.
        start: What was pretrained, if anything was.
        data: Series (C, T_i) in units of the networks.
        device: Where to train.
    """

    def __init__(
        self,
        parameters: ClassifierParameters,
        embedding: dict[str, Any],
        start: Pretrained | None,
        data: list[torch.Tensor],
        device: torch.device,
    ) -> None:
        self.parameters, self.embedding, self.start = parameters, embedding, start
        self.data, self.device = data, device
        self.seeds = draw_seeds(parameters.random_state, parameters.n_members)

    def fitted(self, labels: torch.Tensor, class_weights: torch.Tensor) -> list[Fitted]:
        """Members that are fitted to labels (n,), with weights of the classes (K,) in the loss."""
        parameters, split = self.parameters, None
        if parameters.committee == "seeds":  # calibrated on series that no member has learned from
            split = stratified(labels, parameters.validation, torch.Generator().manual_seed(self.seeds[0]))
        return [self._fit(number, labels, class_weights, split) for number in range(parameters.n_members)]

    def _fit(self, number: int, labels: torch.Tensor, class_weights: torch.Tensor, split: Any) -> Fitted:
        parameters = self.parameters
        channels = len(self.data[0])

        def build() -> tuple[ClassifierNet, list[nn.Parameter]]:
            network = build_network(parameters, channels, len(class_weights), self.embedding)
            return network, [] if self.start is None else self.start.start(network.encoder, number)

        return fit_network(
            build,
            self.data,
            labels,
            class_weights,
            parameters._schedule(parameters.max_epochs),
            validation=parameters.validation,
            label_smoothing=parameters.label_smoothing,
            seed=self.seeds[number],
            device=self.device,
            plan=parameters._plan(),
            stages=stages_of(parameters.committee),
            split=split,
            **parameters._reports(number),
        )

    def pretrained(self) -> tuple[list[SeriesEncoder], list[History]]:
        """Encoders that are trained without labels to reconstruct masked patches, and how that went."""
        encoders, histories = [], []
        schedule = self.parameters._schedule(self.parameters.pretrain_epochs, steps_of(len(self.data)))
        for number, seed in enumerate(self.seeds):
            with seeded(seed):
                encoder = SeriesEncoder(len(self.data[0]), **self.embedding)
            if self.start is not None:
                self.start.start(encoder, number)
            reports = self.parameters._reports(number, "pretraining")
            history = pretrain_encoder(encoder, self._batches, schedule, seed=seed, device=self.device, **reports)
            encoders.append(encoder)
            histories.append(history)
        return encoders, histories

    def _batches(self, generator: torch.Generator, steps: int) -> Iterator[Batch]:
        for rows in shuffled(torch.arange(len(self.data)), BATCH)(generator, steps):
            yield pad_together([self.data[i] for i in rows.tolist()], self.device)


def build_network(
    parameters: ClassifierParameters, channels: int, classes: int, embedding: dict[str, Any]
) -> ClassifierNet:
    """A network that has learned nothing yet."""
    return ClassifierNet(
        channels,
        classes,
        num_kernels=parameters.num_kernels,
        kernels_first=KERNELS in stages_of(parameters.committee),
        head_drop_rate=parameters.head_dropout,
        **embedding,
    )


def class_weights(given: str | dict | None, classes: np.ndarray, labels: torch.Tensor) -> torch.Tensor:
    """Weights (K,) of the classes in the loss, by the parameter ``class_weight``.

    Raises:
        ValueError: If a class has none.
    """
    K = len(classes)
    if given is None:
        return torch.ones(K)
    if isinstance(given, str):  # "balanced"
        return len(labels) / (K * torch.bincount(labels, minlength=K)).float()
    if absent := [c for c in classes if c not in given]:
        raise ValueError(f"class_weight has no weight for {absent}: give one for each of {list(classes)}")
    return torch.tensor([float(given[c]) for c in classes])


def arrays_of(X: np.ndarray | pd.DataFrame) -> list[np.ndarray]:
    """Series (T, C) of sktime's "numpy3D" or "pd-multiindex" format, NaN where nothing was observed."""
    tables = X.astype(np.float64).transpose(0, 2, 1) if isinstance(X, np.ndarray) else even_values(X)
    for table in tables:
        check_finite(table)
    return list(tables)


def without_values(arrays: list[np.ndarray]) -> list[int]:
    """Numbers of the series in which nothing was observed."""
    return [n for n, array in enumerate(arrays) if np.isnan(array).all()]
