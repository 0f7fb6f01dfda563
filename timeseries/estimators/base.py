"""What both estimators share: parameters of the encoder and of training, their checks, and compute budgets."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from jumbo_backbone import ComputeBudget, JumboEncoder

from ..checks import check_choice, check_count, check_share
from ..fitting.budgets import Plan, series_budget, training_plan
from ..fitting.committee import SeriesClassifier
from ..fitting.notice import Notice
from ..fitting.training import Epoch, Schedule
from ..networks.network import ForecastNet
from .saving import SafeSaving

_ENCODER = tuple(inspect.signature(JumboEncoder).parameters)  # what ``encoder`` may hold


class JumboEstimator(SafeSaving):
    """The shared part of ``JumboForecaster`` and ``JumboClassifier``.

    A subclass has the parameters below, and after ``fit`` the members in ``networks_``, each with a ``SeriesEncoder``
    as its ``encoder``.
    """

    patch_length: int | None
    patch_stride: int | None
    embed_dim: int
    depth: int
    num_heads: int
    jumbo_multiplier: int
    encoder: dict[str, Any] | None
    normalisation: str
    keep_rate: float
    elastic: bool | dict[str, Any] | None
    token_dropping: tuple[float, float] | None
    dropout: float
    head_dropout: float
    drop_path_rate: float
    pretrain_epochs: int | None
    frozen_epochs: int
    max_epochs: int
    learning_rate: float
    weight_decay: float
    patience: int
    n_members: int
    device: str
    random_state: int | np.random.RandomState | None
    verbose: int
    callbacks: Sequence[Callable[[Epoch], Any]] | None
    networks_: list[ForecastNet] | list[SeriesClassifier]

    # ---- parameters

    def _check_shared(self, normalisations: tuple[str, ...]) -> None:
        """Raise ValueError or TypeError for a shared parameter that is out of range."""
        for name in ("patch_length", "patch_stride"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name), "steps")
        for name in ("embed_dim", "depth", "num_heads", "jumbo_multiplier", "n_members", "patience"):
            check_count(name, getattr(self, name))
        for name in ("max_epochs", "frozen_epochs"):
            check_count(name, getattr(self, name), least=0)
        check_choice("normalisation", self.normalisation, normalisations)
        ComputeBudget(self.keep_rate)  # checks it
        self._plan()  # checks the others
        for name in ("dropout", "head_dropout", "drop_path_rate"):
            check_share(name, getattr(self, name))
        self._check_encoder()

    def _check_encoder(self) -> None:
        if self.encoder is None:
            return
        if not isinstance(self.encoder, dict):
            raise TypeError(f"encoder {self.encoder!r}: give a dict of arguments, such as dict(jumbo_ffn='patch')")
        if unknown := [name for name in self.encoder if name not in _ENCODER]:
            raise ValueError(f"encoder has no argument {unknown[0]!r}: choose among {', '.join(_ENCODER)}")
        with torch.device("meta"), torch.random.fork_rng():  # checks the values, and allocates nothing
            JumboEncoder(**self._sizes())

    def _sizes(self) -> dict[str, Any]:
        """Arguments of ``JumboEncoder``; those in ``encoder`` override parameters of the same name."""
        sizes = dict(
            embed_dim=self.embed_dim,
            depth=self.depth,
            num_heads=self.num_heads,
            jumbo_multiplier=self.jumbo_multiplier,
            proj_drop_rate=self.dropout,
            drop_path_rate=self.drop_path_rate,
        )
        return sizes | (self.encoder or {})

    def _series_encoder(self, patch_length: int, patch_stride: int) -> dict[str, Any]:
        """Arguments of ``SeriesEncoder``, except the number of channels and the length."""
        return dict(
            patch_length=patch_length,
            patch_stride=patch_stride,
            normalisation=self.normalisation,
            keep_rate=self.keep_rate,
            **self._sizes(),
        )

    # ---- training

    def _plan(self) -> Plan:
        return training_plan(self.keep_rate, self.elastic, self.token_dropping)

    def _schedule(self, epochs: int, steps: int = 1, **changes: Any) -> Schedule:
        options = dict(
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            patience=self.patience,
            frozen_epochs=self.frozen_epochs,
        )
        return Schedule(epochs=epochs, steps=steps, **options | changes)

    def _reports(self, number: int, doing: str = "training") -> dict[str, Any]:
        """How the training of a member reports its progress: further arguments of ``train``."""
        title = doing if self.n_members == 1 else f"member {number + 1} of {self.n_members}"
        # one for all members; a progress bar says more
        first = number == 0 and not self.verbose
        notice = Notice(type(self).__name__, doing, self.n_members) if first else None
        return dict(verbose=self.verbose, callbacks=self.callbacks or (), title=title, notice=notice)

    # ---- compute budgets

    def set_budget(self, keep_rate=1.0, resolution=None):
        """Predict with more or less compute from now on, without fitting again.

        This works best after a fit with ``elastic``; without it, accuracy falls a little more. A budget reduces only
        the work of the encoder, not that of the convolutions and the linear parts. Saving keeps the budget; ``clone``
        and ``fit`` go back to the parameter ``keep_rate``.

        Args:
            keep_rate (float): As in the constructor.
            resolution (float or int, optional): The encoder reads the series resampled to this fraction of its steps
                (float), or to this many steps (int).

        Returns:
            Self: This estimator.

        Raises:
            ValueError, TypeError: For values out of range; and for a classifier fitted with a committee, whose
                thresholds hold only for the budgets at which they were calibrated.
            NotFittedError: Before ``fit``.
        """
        self.check_is_fitted()
        parts = self._parts()
        if any(getattr(part, "calibration_", None) is not None for part in parts):
            raise ValueError(
                "set_budget would change the scores for which the committee's thresholds were calibrated: fit with "
                "committee=None to set budgets by hand, or with the budgets as the committee"
            )
        budget = series_budget(keep_rate=keep_rate, resolution=resolution)
        for part in parts:
            for network in getattr(part, "networks_", ()):  # a classifier fitted on one class has none
                network.encoder.default_budget = budget
        return self

    def _parts(self) -> Sequence["JumboEstimator"]:
        """The estimators with networks: this one, or the classifier of each column of labels."""
        return [self]

    def _budget_as_json(self) -> dict[str, Any]:
        budget = self.networks_[0].encoder.default_budget
        return dict(keep_rate=budget.keep_rate, resolution=budget.resolution)
