"""How a classifier learns: its arrays, its pretrained encoders, and the training of each member."""

import math
from collections.abc import Hashable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from jumbo_backbone import ComputeBudget

from ..data.windows import Batch, pad_together
from ..fitting.classification import BATCH, Fitted, fit_network, steps_of, stratified
from ..fitting.closed_classification import fit_closed
from ..fitting.committee import KERNELS, stages_of
from ..fitting.pretraining import pretrain_encoder
from ..fitting.training import History, draw_seeds, seeded, shuffled
from ..networks.closed_net import ClosedNet
from ..networks.network import ClassifierNet
from ..networks.series_encoder import SeriesEncoder
from ..networks.series_reader import SeriesReader
from ..weights import load_reader
from .classifier_parameters import ClassifierParameters
from .pretrained_reader import channel_features

_FREE = ("keep_rate", "proj_drop_rate", "drop_path_rate")  # may change after pretraining


class Pretrained(NamedTuple):
    """What ``pretrain`` learned.

    Attributes:
        location, scale: Mean and spread of each channel, by which series are scaled (C,).
        longest: Steps of the longest series.
        embedding: Arguments of the encoders.
        encoders: The pretrained encoders.
        channel_names: Names of the channels; None if they have none.
    """

    location: np.ndarray
    scale: np.ndarray
    longest: int
    embedding: dict[str, Any]
    encoders: list[SeriesEncoder]
    channel_names: list[Hashable] | None = None

    def check_same(self, channels: int, embedding: dict[str, Any]) -> None:
        """Raise ValueError for another number of channels, or encoders of another size."""
        if channels != len(self.location):
            raise ValueError(
                f"pretrained on series of {len(self.location)} channels, now they have {channels}: give the same "
                "channels, or use a new classifier"
            )
        names = dict.fromkeys((*self.embedding, *embedding))
        if changed := [k for k in names if self.embedding.get(k) != embedding.get(k) and k not in _FREE]:
            was, is_now = ({k: e.get(k) for k in changed} for e in (self.embedding, embedding))
            raise ValueError(f"pretrained with {was}, now set to {is_now}: pretrain a new classifier with these values")

    def start(self, encoder: SeriesEncoder, number: int) -> list[nn.Parameter]:
        """Load the pretrained weights into the encoder of a member, and return its parameters."""
        encoder.load_state_dict(self.encoders[number % len(self.encoders)].state_dict())
        return list(encoder.parameters())


def patches_of(longest: int, patch_length: int | None, patch_stride: int | None) -> tuple[int, int]:
    """Length and stride of patches: those given, or such that the longest series has about 32, overlapping by half."""
    P = min(patch_length or max(2, math.ceil(longest / 16)), longest)
    return P, min(patch_stride or max(1, P // 2), P)


class Members:
    """Builds and trains the members of a classifier on some series.

    Args:
        parameters: The classifier, whose parameters are read.
        embedding: Arguments of its ``SeriesEncoder``.
        start: What ``pretrain`` learned, if it was called.
        data: Series (C, T_i), scaled.
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
        """The members, fitted to labels (n,) with these class weights (K,) in the loss."""
        parameters, split = self.parameters, None
        if parameters.pretrained is not None:
            return [self._fit_closed(number, labels, class_weights) for number in range(parameters.n_members)]
        if parameters.committee == "seeds":  # its calibration needs series that no member has learned from
            split = stratified(labels, parameters.validation, torch.Generator().manual_seed(self.seeds[0]))
        return [self._fit(number, labels, class_weights, split) for number in range(parameters.n_members)]

    def _fit_closed(self, number: int, labels: torch.Tensor, class_weights: torch.Tensor) -> Fitted:
        parameters, longest = self.parameters, max(series.shape[1] for series in self.data)
        reader = load_reader(parameters.pretrained)
        return fit_closed(
            lambda: build_closed(parameters, reader, len(self.data[0]), len(class_weights), longest),
            self.data,
            labels,
            class_weights,
            seed=self.seeds[number],
            device=self.device,
            stages=stages_of(parameters.committee),
        )

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
        """Encoders trained without labels to reconstruct masked patches, and the course of their training."""
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
    """An untrained network."""
    return ClassifierNet(
        channels,
        classes,
        num_kernels=parameters.num_kernels,
        kernels_first=KERNELS in stages_of(parameters.committee),
        head_drop_rate=parameters.head_dropout,
        **embedding,
    )


def build_closed(
    parameters: ClassifierParameters, reader: SeriesReader, channels: int, classes: int, longest: int
) -> ClosedNet:
    """A network with a copy of a pretrained reader, to be fitted in closed form."""
    encoder = channel_features(reader, channels, parameters.keep_rate)
    stages = stages_of(parameters.committee)
    budgets = [stage for stage in stages if isinstance(stage, ComputeBudget)]
    return ClosedNet(encoder, classes, longest, parameters.num_kernels, KERNELS in stages, budgets)


def class_weights(given: str | dict | None, classes: np.ndarray, labels: torch.Tensor) -> torch.Tensor:
    """Weights (K,) of the classes in the loss, from the parameter ``class_weight``.

    Raises:
        ValueError: If a class has no weight.
    """
    K = len(classes)
    if given is None:
        return torch.ones(K)
    if isinstance(given, str):  # "balanced"
        return len(labels) / (K * torch.bincount(labels, minlength=K)).float()
    if absent := [c for c in classes if c not in given]:
        raise ValueError(f"class_weight has no weight for {absent}: give one for each of {list(classes)}")
    return torch.tensor([float(given[c]) for c in classes])
