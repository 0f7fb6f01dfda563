"""How a forecaster learns: its series, the design of its networks, and the training of each member."""

import copy
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from jumbo_backbone.device import pick_device

from ..data.categories import Levels
from ..data.covariates import Covariates, Static, columns_of
from ..data.frames import Instance, known_span
from ..data.windows import Batch, Cuts, Panel
from ..fitting.blending import Trial
from ..fitting.design import Design, context_and_patch, default_horizon
from ..fitting.forecasting import Windows, fit_network
from ..fitting.predicting import try_out
from ..fitting.pretraining import pretrain_encoder
from ..fitting.training import History, draw_seeds
from ..networks.network import ForecastNet
from .forecaster_parameters import ForecasterParameters

_STEPS = (20, 200)  # least and most batches in an epoch
_COVARIATE_LAGS = 3  # steps before each step of the horizon whose covariates are read, too
_ROWS_A_COVARIATE = (
    40  # observations of the longest series for each covariate; with fewer the lags cannot be told apart
)
_GENTLE = 0.3  # factor on the learning rate, for a network that can forecast already


class Pretrained(NamedTuple):
    """What ``pretrain`` learned: the design, the networks, the columns of X, the task ("forecast" or "masked"), and how
    these columns are encoded (``levels`` and ``static`` of ``Covariates``)."""

    design: Design
    networks: list[ForecastNet]
    covariates: list[Hashable]
    task: str
    levels: list[Levels] | None = None
    static: list[Static] | None = None

    @property
    def can_forecast(self) -> bool:
        return self.task == "forecast"

    def covariates_of(self, X: pd.DataFrame | None, past: list[Hashable] | str | None) -> Covariates:
        """The covariates in a table for ``fit``: in the order and with the levels of pretraining.

        Raises:
            ValueError: If they differ from those of pretraining.
        """
        if set(columns_of(X)) != set(self.covariates):
            raise ValueError(
                f"pretrained with the columns {self.covariates} of X, now they are {columns_of(X)}: give the same "
                "columns"
            )
        covariates = Covariates.of(X, past, Covariates(self.covariates, [], self.levels, self.static))
        if list(self.design.covariates) != covariates.channels:
            raise ValueError("past_covariates differ from those of pretraining: give the same, or pretrain again")
        return covariates


class Material(NamedTuple):
    """Series to learn from.

    Attributes:
        instances: The series.
        spans: Of each series, the range from the first to the last step at which a target is observed.
    """

    instances: list[Instance]
    spans: list[slice]

    @classmethod
    def of(cls, instances: list[Instance], targets: int) -> "Material":
        return cls(instances, [known_span(i.values[:, :targets]) for i in instances])

    @property
    def lengths(self) -> np.ndarray:
        """Steps of each series (n,)."""
        return np.array([span.stop - span.start for span in self.spans])

    @property
    def ends(self) -> dict[Hashable | None, int]:
        """The step of the timeline after the last of each series."""
        return {i.key: i.start + span.stop for i, span in zip(self.instances, self.spans, strict=True)}

    def panel(self, design: Design) -> Panel:
        series = [i.values[span] for i, span in zip(self.instances, self.spans, strict=True)]
        return Panel(series, design.static_channels)


def design_of(
    parameters: ForecasterParameters, longest: int, furthest: int | None, targets: int, covariates: Covariates
) -> Design:
    """What networks with these parameters read and return.

    Args:
        parameters: The forecaster, whose parameters are read.
        longest: Steps of the longest series.
        furthest: The furthest step of the ``fh`` given to ``fit``, if any.
        targets: Number of columns that are forecast.
        covariates: Columns that are read along with each of them.
    """
    H = parameters.horizon
    if H is None:
        H = default_horizon(longest) if furthest is None else max(1, furthest)
    L, P = context_and_patch(longest, H, parameters.context_length, parameters.patch_length, stacklevel=6)
    network = parameters._series_encoder(P, min(parameters.patch_stride or P, P))
    network |= dict(affine=parameters.affine, head_drop_rate=parameters.head_dropout)
    channels = covariates.channels
    if channels and longest >= _ROWS_A_COVARIATE * len(channels):
        network["covariate_lags"] = min(_COVARIATE_LAGS, L)
    known, levels = tuple(channels), tuple(parameters.quantiles)
    return Design(L, H, targets, known, levels, parameters.loss, network, tuple(covariates.still))


@dataclass(frozen=True)
class Lesson:
    """Windows of some series, and the training of a forecaster's members on them.

    Attributes:
        parameters: The forecaster, whose parameters are read.
        design: What its networks read and return.
        panel: The series.
        training, validation: Cuts of the series between context and target. Without validation cuts, ``fit_network``
            validates on some of the training windows.
    """

    parameters: ForecasterParameters
    design: Design
    panel: Panel
    training: Cuts
    validation: Cuts | None

    def networks(self, start: Pretrained | None) -> Iterator[tuple[int, int, ForecastNet]]:
        """Number, seed and network of each member, before ``fit`` trains it: a new or a copied pretrained network."""
        for number, seed in enumerate(draw_seeds(self.parameters.random_state, self.parameters.n_members)):
            if start is not None:
                yield number, seed, copy.deepcopy(start.networks[number % len(start.networks)])
                continue
            with torch.random.fork_rng():
                torch.manual_seed(seed)
                network = self.design.build()
            yield number, seed, network

    def untrained(self, start: Pretrained | None) -> list[ForecastNet]:
        """The members without any training here."""
        return [network.eval() for _, _, network in self.networks(start)]

    def train(
        self, start: Pretrained | None, task: str, epochs: int, trials: list[Trial]
    ) -> tuple[list[ForecastNet], list[History]]:
        """The members, trained on the task "forecast" or "masked", and the course of training.

        Without training windows they stay as they were. The forecasts of each member for held-out windows are appended
        to ``trials``.
        """
        networks, histories = [], []

        def witness(network: ForecastNet, windows: Windows) -> None:
            trials.append(try_out(network, windows))

        for number, seed, network in self.networks(start):
            if len(self.training) and task == "masked":
                histories.append(self.reconstruct(network, number, seed, epochs))
            elif len(self.training):
                histories.append(self.begin(network, number, seed, epochs, start, witness=witness))
            networks.append(network.eval())
        return networks, histories

    def begin(
        self, network: ForecastNet, number: int, seed: int, epochs: int, start: Pretrained | None, **more: Any
    ) -> History:
        """Train a new or a pretrained member to forecast."""
        fresh = start is None or not start.can_forecast
        frozen = list(network.encoder.parameters()) if start is not None and fresh else ()
        return self.forecast(network, number, seed, epochs, fresh=fresh, frozen=frozen, **more)

    def go_on(self, networks: list[ForecastNet], doubt: float) -> list[ForecastNet]:
        """Copies of the members, trained further; each keeps the result if it gains over ``doubt`` standard errors."""
        further = copy.deepcopy(networks)
        seeds = draw_seeds(self.parameters.random_state, self.parameters.n_members)
        for number, (seed, network) in enumerate(zip(seeds, further, strict=True)):
            self.forecast(network, number, seed, self.parameters.max_epochs, fresh=False, doubt=doubt)
            network.eval()
        return further

    def forecast(
        self, network: ForecastNet, number: int, seed: int, epochs: int, *, fresh: bool, doubt: float = 1.0, **more: Any
    ) -> History:
        """Train a network to forecast: from the start if ``fresh``, else at a lower learning rate."""
        rate = (1 if fresh else _GENTLE) * self.parameters.learning_rate
        return fit_network(
            network,
            self.design,
            self.panel,
            self.training,
            self.validation,
            seed=seed,
            device=pick_device(self.parameters.device),
            steps=_STEPS,
            schedule=self.parameters._schedule(epochs, learning_rate=rate, doubt=doubt),
            plan=self.parameters._plan(),
            fresh=fresh,
            **more,
            **self.parameters._reports(number),
        )

    def reconstruct(self, network: ForecastNet, number: int, seed: int, epochs: int) -> History:
        """Train only the encoder, to reconstruct masked patches of the contexts."""
        device = pick_device(self.parameters.device)
        windows = Windows(self.panel, self.design, self.training, device)

        def contexts(generator: torch.Generator, steps: int) -> Iterator[Batch]:
            for context, _ in windows.draw(generator, steps):
                yield Batch(context.values, network.hide_future(*context))

        schedule = self.parameters._schedule(epochs, windows.steps(*_STEPS))
        reports = self.parameters._reports(number)
        return pretrain_encoder(network.encoder, contexts, schedule, seed=seed, device=device, **reports)
