"""JumboForecaster: forecasting with the Jumbo encoder, as an sktime estimator."""

import copy
import warnings
from collections.abc import Hashable, Iterator
from dataclasses import asdict, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from sktime.forecasting.base import BaseForecaster, ForecastingHorizon
from sktime.utils.validation.forecasting import check_fh

from jumbo_backbone import ComputeBudget

from ..checks import check_choice, check_count, check_share
from ..data.covariates import Covariates, columns_of
from ..data.frames import (
    Instance,
    Rows,
    ends_of,
    instances_of,
    known_span,
    last_step,
    merged,
    rows_of,
    table_of,
    timeline_for,
)
from ..data.timeline import check_freq, timeline_from
from ..data.windows import Batch, Panel, training_cuts
from ..fitting.budgets import BudgetAtHand, training_plan
from ..fitting.design import Design, context_and_patch, default_horizon
from ..fitting.forecasting import LOSSES, Windows, fit_network, forecast_from, quantile_at
from ..fitting.pretraining import pretrain_encoder
from ..fitting.training import History, Schedule, draw_seeds, pick_device
from ..networks.network import ForecastNet
from ..networks.patching import NORMALISATIONS
from .plotting import plot_forecast
from .saving import SafeSaving, plain_metadata, weights_of, with_weights
from .tables import in_order

_STEPS = (20, 200)  # batches in an epoch, at least and at most
_GENTLE = 0.3  # share of the learning rate, for a network that knows how to forecast
_REMEMBERED = 512  # steps of a series at least, if it has them
_NEW_SHARE = 0.25  # of what is remembered, before an update learns from it
_JUDGES = 3  # horizons held out to judge what an update learned: windows that overlap say much the same
_DOUBT = 2.0  # standard errors by which an update has to gain: what it changes is known to serve
_PRETRAININGS = ("forecast", "masked")


class Pretrained(NamedTuple):
    """What ``pretrain`` learned: its design, the networks, the columns of X, and what they were trained for."""

    design: Design
    networks: list[ForecastNet]
    covariates: list[Hashable]
    task: str


class JumboForecaster(BudgetAtHand, SafeSaving, BaseForecaster):
    """Forecasts series with a small transformer whose one wide token sees the whole context.

    Direct multi-step: one pass forecasts all steps up to the horizon, and their quantiles. Each variable of a
    multivariate series is forecast from its own past (channel independence, PatchTST, ICLR 2023) by the same network;
    a panel or hierarchy is learned by one network too. The network is a linear map of the context (as NLinear, AAAI
    2023) plus what a Jumbo encoder (ICLR 2026) adds to it.

    ``update`` takes in what is new. With ``update_params`` it also learns, whenever a quarter of what is remembered is
    new: from the older half of that, and it keeps what it learned only where the newer half gains by it. Fewer rows, or
    no gain, leave the networks as they are.

    On a single short series (fewer than a hundred or so observations) exponential smoothing or ARIMA forecast as well
    or better and take a second; use those. Here there is nothing to gain but intervals and exogenous variables.

    Parameters
    ----------
    context_length : int, optional
        Steps read. Default: 512, or what the series allow. If the series are shorter than what is asked for, a shorter
        context is read, with a warning.
    horizon : int, optional
        Steps forecast in one pass. Default: the furthest step of the ``fh`` given to ``fit``, or 24.
    patch_length, patch_stride : int, optional
        Steps in a patch, and from one to the next. Default: a sixteenth of the context, at least 4 and at most 24
        steps, without overlap.
    embed_dim, depth, num_heads, jumbo_multiplier : int
        Width of a patch token, blocks, attention heads, and width of the wide token in patch tokens.
    normalisation : {"standard", "last", "difference"}
        What is taken from each window before the network reads it, and given back after: mean and deviation; the last
        value and the deviation; or it reads the differences from step to step.
    affine : bool
        Learn a scale and a shift after normalising.
    log : bool
        Forecast the logarithm of values, which have to be positive.
    loss : {"quantile", "mae", "huber", "mse"}
        What the point forecast minimises: "quantile" and "mae" give medians, "mse" means. "quantile" lets all quantiles
        shape the network's centre, the others only its spread.
    quantiles : tuple of float
        Probabilities that are learned, 0.5 among them; others are interpolated.
    past_covariates : list of str, "all" or None
        Columns of X that are not known ahead: they are read up to the present only. None: all are known ahead.
    keep_rate : float
        Share of the patches that go on after a quarter, a half and three quarters of the encoder's blocks, those that
        the wide token attends to most; the others go on as one (see ``jumbo_backbone.ComputeBudget``).
    elastic : bool or dict, optional
        Train one network for many compute budgets, for ``set_budget`` to choose from: up to four of them in each step,
        so that it takes up to four times as long (True, or arguments of ``jumbo_backbone.ElasticBudgets``, such as
        ``dict(keep_rates=(0.5, 0.7), resolutions=(0.5,))``).
    token_dropping : tuple of two floats, optional
        Shares of the patches that are dropped at random when training begins and when it ends, such as (0.9, 0.1).
    dropout, head_dropout, drop_path_rate : float
        In the encoder, before the head, and of whole residual branches.
    pretraining : {"forecast", "masked"}
        What ``pretrain`` learns from its panel: to forecast, so that ``fit`` may meet series too short to learn from;
        or, by its encoder alone, to reconstruct masked patches (PatchTST, section 3.2).
    pretrain_epochs : int, optional
        Epochs of ``pretrain``. Default: as ``max_epochs``.
    frozen_epochs : int
        First epochs of ``fit`` that leave an encoder as it was pretrained on masked patches.
    max_epochs : int
        At most so many epochs; with validation fewer, if the score does not improve for ``patience`` epochs.
    learning_rate, weight_decay : float
        Of AdamW.
    validation : float or int
        End of every series, a share or in steps, that is not trained on but tells when to stop. 0, or a series too
        short to spare it: all epochs are run.
    patience : int
        Epochs without improvement on the validation windows.
    n_members : int
        Networks of different seeds whose forecasts are averaged, quantile by quantile; beyond ``horizon`` each first
        rolls on by itself.
    roll_on : bool
        Beyond ``horizon``, read one's own forecast and go on. If not, asking for more is an error.
    insample : bool
        Keep the whole series after fitting, so that steps of the past can be forecast too, each from what came before.
    device : str
        "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", … The fitted estimator keeps its weights on the CPU.
    random_state : int, RandomState or None
        Decides everything that is random here. Global generators are left as they are.
    verbose : int
        1 shows a progress bar.
    callbacks : list of callable, optional
        Each is called after every epoch with an ``Epoch``; training ends if one returns True.
    freq : str, pd.DateOffset or int, optional
        Time from one step to the next: what pandas takes as one, such as "D", "BME" or
        ``pd.offsets.CustomBusinessDay(...)``; the step of an index of integers. Default: the ``freq`` of the index, or
        it is found in the times. Rows that are missing are NaN.

    Attributes
    ----------
    networks_ : list of torch.nn.Module
        The members.
    design_ : Design
        What they read and return, among it context and horizon.
    history_ : list of History
        Of each member's training.
    pretrained_ : Pretrained
        After ``pretrain``: what ``fit`` begins with. Design and horizon stay those of pretraining.

    Raises
    ------
    ValueError, TypeError
        In the constructor, for parameters out of range; in ``fit``, for infinite values, values that are not positive
        with ``log``, times that occur twice or have no common frequency, X that shares no time with a series, and X
        whose columns differ; in ``predict``, for X that does not cover the steps asked for, and for steps beyond the
        horizon with ``roll_on=False``.

    Examples
    --------
    >>> from sktime.datasets import load_airline
    >>> from timeseries import JumboForecaster
    >>> forecaster = JumboForecaster(max_epochs=1, random_state=0)
    >>> forecaster.fit(load_airline(), fh=[1, 2, 3]).predict().shape
    (3,)
    """

    _tags = {
        "authors": "Jumbo developers",
        "maintainers": "Jumbo developers",
        "python_dependencies": "torch",
        "y_inner_mtype": ["pd.DataFrame", "pd-multiindex", "pd_multiindex_hier"],
        "X_inner_mtype": ["pd.DataFrame", "pd-multiindex", "pd_multiindex_hier"],
        "requires-fh-in-fit": False,
        "X-y-must-have-same-index": False,
        "capability:multivariate": True,
        "capability:exogenous": True,
        "capability:categorical_in_X": False,
        "capability:missing_values": True,
        "capability:pred_int": True,
        "capability:insample": False,
        "capability:pred_int:insample": False,
        "capability:update": True,
        "capability:unequal_length": True,
        "capability:pretrain": True,
        "pretrain:fitted_params": ["pretrained_"],
        "capability:random_state": True,
        "property:randomness": "derandomized",
    }

    def __init__(
        self,
        context_length=None,
        horizon=None,
        patch_length=None,
        patch_stride=None,
        embed_dim=16,
        depth=2,
        num_heads=4,
        jumbo_multiplier=4,
        normalisation="standard",
        affine=False,
        log=False,
        loss="quantile",
        quantiles=(0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975),
        past_covariates=None,
        keep_rate=1.0,
        elastic=None,
        token_dropping=None,
        dropout=0.2,
        head_dropout=0.0,
        drop_path_rate=0.0,
        pretraining="forecast",
        pretrain_epochs=None,
        frozen_epochs=2,
        max_epochs=8,
        learning_rate=1e-3,
        weight_decay=1e-2,
        validation=0.1,
        patience=3,
        n_members=1,
        roll_on=True,
        insample=False,
        device="auto",
        random_state=None,
        verbose=0,
        callbacks=None,
        freq=None,
    ):
        self.context_length = context_length
        self.horizon = horizon
        self.patch_length = patch_length
        self.patch_stride = patch_stride
        self.embed_dim = embed_dim
        self.depth = depth
        self.num_heads = num_heads
        self.jumbo_multiplier = jumbo_multiplier
        self.normalisation = normalisation
        self.affine = affine
        self.log = log
        self.loss = loss
        self.quantiles = quantiles
        self.past_covariates = past_covariates
        self.keep_rate = keep_rate
        self.elastic = elastic
        self.token_dropping = token_dropping
        self.dropout = dropout
        self.head_dropout = head_dropout
        self.drop_path_rate = drop_path_rate
        self.pretraining = pretraining
        self.pretrain_epochs = pretrain_epochs
        self.frozen_epochs = frozen_epochs
        self.max_epochs = max_epochs
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.validation = validation
        self.patience = patience
        self.n_members = n_members
        self.roll_on = roll_on
        self.insample = insample
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks
        self.freq = freq
        with warnings.catch_warnings():  # of a default that this estimator does not depend on
            warnings.filterwarnings("ignore", message=".*remember_data.*", category=FutureWarning)
            super().__init__()
        self.set_config(remember_data=False)

    def __post_init__(self):
        for name in ("context_length", "horizon", "patch_length", "patch_stride"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name), "steps")
        for name in ("embed_dim", "depth", "num_heads", "jumbo_multiplier", "max_epochs", "n_members", "patience"):
            check_count(name, getattr(self, name))
        if self.pretrain_epochs is not None:
            check_count("pretrain_epochs", self.pretrain_epochs)
        check_count("frozen_epochs", self.frozen_epochs, least=0)
        check_choice("pretraining", self.pretraining, _PRETRAININGS)
        check_choice("loss", self.loss, LOSSES)
        check_choice("normalisation", self.normalisation, NORMALISATIONS[1:])
        levels = list(self.quantiles)
        if levels != sorted(set(levels)) or 0.5 not in levels or not 0 < levels[0] <= levels[-1] < 1:
            raise ValueError(f"quantiles {self.quantiles!r}: give rising numbers between 0 and 1, 0.5 among them")
        check_freq(self.freq)
        ComputeBudget(self.keep_rate)  # checks it
        training_plan(self.keep_rate, self.elastic, self.token_dropping)  # checks them
        for name in ("dropout", "head_dropout", "drop_path_rate"):
            check_share(name, getattr(self, name))
        if self.validation < 0 or (isinstance(self.validation, float) and self.validation >= 1):
            raise ValueError(f"validation {self.validation!r}: give a share from 0 to below 1, or a number of steps")

    def __dynamic_tags__(self):
        insample = bool(self.insample)
        self.set_tags(**{"capability:insample": insample, "capability:pred_int:insample": insample})

    # ---- fitting

    def _fit(self, y, X, fh):
        self._learn(y, X, fh, "forecast", self.max_epochs)
        return self

    def _pretrain(self, y, X=None, fh=None):
        self._timeline = timeline_for(y, self.freq)
        self._learn(y, X, fh, self.pretraining, self.pretrain_epochs or self.max_epochs)
        self.pretrained_ = Pretrained(self.design_, self.networks_, self._covariates.columns, self.pretraining)
        return self

    _pretrain_update = _pretrain

    def _learn(self, y, X, fh, task: str, epochs: int) -> None:
        """From tables to networks trained for a task, and remembered contexts."""
        device = pick_device(self.device)
        self._covariates = Covariates.of(X, self.past_covariates)
        self._index_names, self._columns = list(y.index.names), y.columns
        rows, beside = self._rows(y, X, "fit")
        instances = instances_of(rows, beside)
        spans = [known_span(i.values[:, : y.shape[1]]) for i in instances]  # where there is something to learn
        panel = Panel([i.values[span] for i, span in zip(instances, spans, strict=True)])
        lengths = np.array([span.stop - span.start for span in spans])
        furthest = None if fh is None else int(self._timeline.steps_ahead(fh, int(rows.steps.max())).max())
        start = getattr(self, "pretrained_", None)
        if start is None:
            self.design_ = self._design(lengths, furthest, y.shape[1])
        else:
            self._check_pretrained(start, X)
            self.design_ = replace(start.design, targets=y.shape[1])  # each is read by itself
        held_out = 0 if task == "masked" else self.validation
        training, validation = training_cuts(lengths, self.design_.context, self.design_.horizon, held_out)
        fresh = start is None or start.task == "masked"  # of forecasting, it knows nothing
        self.networks_, self.history_ = [], []
        for number, seed in enumerate(draw_seeds(self.random_state, self.n_members)):
            if start is None:
                with torch.random.fork_rng():
                    torch.manual_seed(seed)
                    network = self.design_.build()
            else:
                network = copy.deepcopy(start.networks[number % len(start.networks)])
            where = dict(seed=seed, device=device, epochs=epochs, number=number)
            if len(training) and task == "masked":
                self.history_.append(self._reconstruct(network, panel, training, **where))
            elif len(training):
                options = dict(rate=(1 if fresh else _GENTLE) * self.learning_rate, fresh=fresh)
                if start is not None and fresh:
                    options["frozen"] = list(network.encoder.parameters())
                self.history_.append(self._train(network, panel, training, validation, **where, **options))
            self.networks_.append(network.eval())
        if not len(training) and fresh:
            warnings.warn(
                f"the longest series has {lengths.max()} steps, too few to learn from: forecasts are means of the "
                "context. Give a longer series, or pretrain on others",
                UserWarning,
                stacklevel=4,
            )
        self._learned = {i.key: i.start + span.stop for i, span in zip(instances, spans, strict=True)}
        self._remember(instances)

    def _train(
        self, network, panel, training, validation, *, seed, device, epochs, number, rate, doubt=1.0, **options
    ) -> History:
        """Train a network to forecast (see ``fit_network`` for the options)."""
        return fit_network(
            network,
            self.design_,
            panel,
            training,
            validation,
            seed=seed,
            device=device,
            steps=_STEPS,
            schedule=self._schedule(epochs, rate) | dict(frozen_epochs=self.frozen_epochs, doubt=doubt),
            plan=training_plan(self.keep_rate, self.elastic, self.token_dropping),
            **options,
            **self._reports(number),
        )

    def _reconstruct(self, network, panel, training, *, seed, device, epochs, number) -> History:
        """Train the encoder alone, without targets."""
        windows = Windows(panel, self.design_, training, device)

        def contexts(generator: torch.Generator, steps: int) -> Iterator[Batch]:
            for context, _ in windows.draw(generator, steps):
                yield Batch(context.values, network.hide_future(*context))

        schedule = Schedule(**self._schedule(epochs, self.learning_rate), steps=windows.steps(*_STEPS))
        return pretrain_encoder(network.encoder, contexts, schedule, seed=seed, device=device, **self._reports(number))

    def _schedule(self, epochs: int, rate: float) -> dict:
        return dict(epochs=epochs, learning_rate=rate, weight_decay=self.weight_decay, patience=self.patience)

    def _reports(self, number: int) -> dict:
        """How a member's training tells what it does."""
        title = "training" if self.n_members == 1 else f"member {number + 1} of {self.n_members}"
        return dict(verbose=self.verbose, callbacks=self.callbacks or (), title=title)

    def _rows(self, y: pd.DataFrame, X: pd.DataFrame | None, doing: str) -> tuple[Rows, Rows | None]:
        """The rows of y, in the units that the network forecasts, and of X."""
        rows = self._logarithm(rows_of(y, self._timeline, "y"))
        return rows, self._covariates.beside(rows, X, self._timeline, doing)

    def _logarithm(self, rows: Rows) -> Rows:
        if self.log:
            smallest = np.nanmin(rows.values, initial=np.inf)
            if smallest <= 0:
                raise ValueError(
                    f"log=True needs positive values, the smallest here is {smallest}: add a constant, or use log=False"
                )
            rows = rows._replace(values=np.log(rows.values))
        return rows

    def _check_pretrained(self, start: Pretrained, X: pd.DataFrame | None) -> None:
        if set(columns_of(X)) != set(start.covariates):
            raise ValueError(
                f"pretrained with the columns {start.covariates} of X, now they are {columns_of(X)}: give the same ones"
            )
        if list(start.design.covariates) != self._covariates.known_ahead:
            raise ValueError("past_covariates are others than in pretraining: give the same ones, or pretrain anew")

    def _design(self, lengths: np.ndarray, furthest: int | None, targets: int) -> Design:
        longest = int(lengths.max())
        H = self.horizon
        if H is None:
            H = default_horizon(longest) if furthest is None else max(1, furthest)
        L, P = context_and_patch(longest, H, self.context_length, self.patch_length, stacklevel=5)
        network = dict(
            patch_length=P,
            patch_stride=min(self.patch_stride or P, P),
            normalisation=self.normalisation,
            affine=self.affine,
            head_drop_rate=self.head_dropout,
            embed_dim=self.embed_dim,
            depth=self.depth,
            num_heads=self.num_heads,
            jumbo_multiplier=self.jumbo_multiplier,
            keep_rate=self.keep_rate,
            proj_drop_rate=self.dropout,
            drop_path_rate=self.drop_path_rate,
        )
        return Design(L, H, targets, tuple(self._covariates.known_ahead), tuple(self.quantiles), self.loss, network)

    # ---- what is remembered

    def _check_X_y(self, X=None, y=None, **options):
        """As sktime's, of series in the order of time; arrays, which have no times, go on where the series end."""
        ahead = self.is_fitted
        X_inner, y_inner = super()._check_X_y(
            X=None if X is None else in_order(X, "X"), y=None if y is None else in_order(y, "y"), **options
        )
        if ahead:
            given = ((X, X_inner), (y, y_inner))
            X_inner, y_inner = (self._going_on(t) if isinstance(raw, np.ndarray) else t for raw, t in given)
        return X_inner, y_inner

    def _going_on(self, table: pd.DataFrame) -> pd.DataFrame:
        """A table of numbered steps at the times that follow what was seen."""
        panel = isinstance(table.index, pd.MultiIndex)
        numbers = table.index.get_level_values(-1).to_numpy(dtype=np.int64)
        times = self._timeline.times(numbers + self._end + 1)
        names = [table.index.get_level_values(n) for n in range(table.index.nlevels - 1)]
        return table.set_axis(pd.MultiIndex.from_arrays([*names, times], names=table.index.names) if panel else times)

    def _set_cutoff_from_y(self, y):
        """The latest time of all series that were seen."""
        if not self.is_fitted:
            self._timeline = timeline_for(y, self.freq)
        end = last_step(y, self._timeline)
        if self.is_fitted:
            end = max(end, self._end)
        self._set_cutoff(self._timeline.times(np.array([end])))

    @property
    def _end(self) -> int:
        """The last step of all series, after which "ahead" begins."""
        return int(self._timeline.steps(self.cutoff, "the cutoff")[0])

    def _check_fh(self, fh, pred_int=False):
        """As sktime's, which counts in periods, that not every frequency has."""
        if fh is None and self._fh is None:
            return super()._check_fh(fh, pred_int)
        fh = check_fh(self._fh if fh is None else fh)
        steps = self._timeline.steps_ahead(fh, self._end)
        if not self.insample and steps.min() < 1:
            raise NotImplementedError(
                f"{type(self).__name__} can not perform in-sample prediction of {fh}: use insample=True"
            )
        self._fh = fh
        return fh

    def _remember(self, instances: list[Instance]) -> None:
        """Keep of each series what forecasts and updates need: its end, or all of it."""
        L, H = self.design_.context, self.design_.horizon
        keep = max(_REMEMBERED, 2 * L + 2 * (_JUDGES + 1) * H)
        self._tails = {
            i.key: i for i in (instances if self.insample else ends_of(instances, keep, self.design_.targets))
        }

    def _update(self, y, X=None, update_params=True):
        """Put in what is new; with ``update_params`` also learn from it, once there is enough (``_learn_more``)."""
        if y.shape[1] != self.design_.targets:
            raise ValueError(f"fitted on series of {self.design_.targets} columns, to update there are {y.shape[1]}")
        instances = merged(self._tails, *self._rows(self._in_columns(y), X, "update"))
        if update_params:
            self._learn_more(instances)
        self._remember(instances)
        return self

    def _in_columns(self, y: pd.DataFrame) -> pd.DataFrame:
        """With its columns in the order fitted; the name of a single one does not matter."""
        columns = list(self._columns)
        if len(columns) == 1 or list(y.columns) == columns:
            return y
        if set(y.columns) != set(columns):
            raise ValueError(f"fitted on series of the columns {columns}, there are {list(y.columns)}: give the same")
        return y[columns]

    def _learn_more(self, instances: list[Instance]) -> None:
        """Go on training, once a quarter of what is remembered is new since the last time.

        Learned from is the older half of what is new, with all that is remembered from before; the newer half is held
        out, and where it shows no gain the network stays as it was.
        """
        spans = [known_span(i.values[:, : self.design_.targets]) for i in instances]
        lengths = np.array([span.stop - span.start for span in spans])
        ends = np.array([i.start + span.stop for i, span in zip(instances, spans, strict=True)])
        new = np.clip(ends - [self._learned.get(i.key, i.start) for i in instances], 0, lengths)
        if new.sum() < _NEW_SHARE * lengths.sum():
            return
        L, H = self.design_.context, self.design_.horizon
        held_out = np.where(new // 2 >= _JUDGES * H, new // 2, 0)
        training, validation = training_cuts(lengths, L, H, held_out)
        if validation is None:
            return
        panel = Panel([i.values[span] for i, span in zip(instances, spans, strict=True)])
        device = pick_device(self.device)
        for number, seed in enumerate(draw_seeds(self.random_state, self.n_members)):
            network = copy.deepcopy(self.networks_[number])
            options = dict(
                seed=seed, device=device, epochs=self.max_epochs, number=number, rate=_GENTLE * self.learning_rate
            )
            self._train(network, panel, training, validation, fresh=False, doubt=_DOUBT, **options)
            self.networks_[number] = network.eval()
        self._learned = {i.key: int(end) for i, end in zip(instances, ends, strict=True)}

    # ---- forecasting

    def _predict(self, fh, X):
        center, _ = self._at(fh, X)
        return self._table(fh, self._back(center), self._columns)

    def _predict_quantiles(self, fh, X, alpha):
        _, quantiles = self._at(fh, X)
        levels = np.array(self.design_.quantiles)
        if len(levels) < 3:
            raise ValueError(f"quantiles {self.quantiles!r} have none beside the median: learn some below and above it")
        values = np.stack([quantile_at(quantiles, levels, a) for a in alpha], axis=-1)  # (n, steps, M, alphas)
        columns = self._get_columns(method="predict_quantiles", alpha=alpha)
        return self._table(fh, self._back(values.reshape(*values.shape[:2], -1)), columns)

    def forecast_at(self, y, cuts, alpha=(0.1, 0.9), steps=None):
        """Forecast from many places of a series at once, without fitting again: for backtests.

        Parameters
        ----------
        y : pd.DataFrame or pd.Series
            One series with the columns that were fitted, X having been none.
        cuts : array of int
            Rows of y before which to stand (B,): the forecast from cut k reads rows before k and begins with row k.
        alpha : sequence of float
            Probabilities of the quantiles wanted (A,).
        steps : int, optional
            How many to forecast. Default: the horizon that was trained.

        Returns
        -------
        center : np.ndarray of float64 (B, steps, columns)
        quantiles : np.ndarray of float64 (B, steps, columns, A)

        Raises
        ------
        ValueError
            If the columns differ from those fitted, a cut lies outside the series, or X was fitted; and for rows as in
            ``fit``.
        """
        self.check_is_fitted()
        M, cuts, table = self.design_.targets, np.asarray(cuts), pd.DataFrame(y)
        panel = isinstance(table.index, pd.MultiIndex)
        if self._covariates.columns or panel or table.shape[1] != M:
            raise ValueError(
                f"forecast_at takes one series of the {M} columns fitted, without X; got "
                f"{'a panel' if panel else 'one'} of {table.shape[1]} columns, fitted with the columns "
                f"{self._covariates.columns} of X"
            )
        if cuts.min() < 1 or cuts.max() > len(y):
            raise ValueError(f"cuts from {cuts.min()} to {cuts.max()} leave the series: give 1 to {len(y)}")
        table = in_order(self._in_columns(table), "y")
        timeline = timeline_for(table, self.freq if isinstance(table.index, pd.DatetimeIndex) else None)
        rows = self._logarithm(rows_of(table, timeline, "y"))
        (instance,) = instances_of(rows)
        stands = np.append(rows.steps, rows.steps[-1] + 1)[cuts] - instance.start
        wanted = stands[:, None] + np.arange(steps or self.design_.horizon)
        center, quantiles = self._from([instance.values], np.zeros_like(cuts), stands, wanted, roll_on=True)
        levels = np.array(self.design_.quantiles)
        return self._back(center), self._back(np.stack([quantile_at(quantiles, levels, a) for a in alpha], axis=-1))

    def _table(self, fh, values: np.ndarray, columns) -> pd.DataFrame:
        return table_of(list(self._tails), [self._times(fh)] * len(values), values, self._index_names, columns)

    def _times(self, fh) -> pd.Index:
        """Of a horizon, on the index of the series."""
        return self._timeline.times(self._end + self._timeline.steps_ahead(fh, self._end))

    def _at(self, fh, X) -> tuple[np.ndarray, np.ndarray]:
        """Centres (n, S, M) and quantiles (n, S, M, Q) of all series at the steps asked for."""
        steps = self._end + self._timeline.steps_ahead(fh, self._end)  # (S,)
        tails = list(self._tails.values())
        series = self._covariates.with_future(tails, steps, X, self._timeline)
        starts = np.array([i.start for i in tails])
        wanted = steps - starts[:, None]  # (n, S), from their first step
        if wanted.min() < 0:
            row, column = np.argwhere(wanted < 0)[0]
            raise ValueError(
                f"step {steps[column] - self._end} lies before the first observation"
                + (f" of {tails[row].key}" if tails[row].key is not None else "")
                + ": there is nothing there"
            )
        n, M = len(tails), self.design_.targets
        center = np.empty((*wanted.shape, M))
        quantiles = np.empty((*wanted.shape, M, len(self.design_.quantiles)))
        future = steps > self._end
        if future.any():
            ends = np.minimum([i.end for i in tails], self._end + 1) - starts
            center[:, future], quantiles[:, future] = self._from(series, np.arange(n), ends, wanted[:, future])
        if not future.all():  # steps of the past, each forecast from what came before it
            past = np.flatnonzero(~future)
            row = np.repeat(np.arange(n), len(past))
            stands = wanted[:, past].reshape(-1)
            c, q = self._from(series, row, stands, stands[:, None])
            center[:, past], quantiles[:, past] = c.reshape(n, -1, M), q.reshape(n, len(past), M, -1)
        return center, quantiles

    def _from(self, values, series, stands, wanted, roll_on=None) -> tuple[np.ndarray, np.ndarray]:
        """See ``forecast_from``."""
        roll_on = self.roll_on if roll_on is None else roll_on
        device = pick_device(self.device)
        return forecast_from(self.networks_, self.design_, Panel(values), series, stands, wanted, device, roll_on)

    def _back(self, values: np.ndarray) -> np.ndarray:
        """From the units that the network forecasts to those of the data."""
        return np.exp(values) if self.log else values

    def plot(self, fh=None, X=None, coverage=(0.8, 0.95), history=None, instance=None, column=None, ax=None):
        """Draw the end of a series, its forecast, and intervals.

        Parameters
        ----------
        fh, X
            As in ``predict``.
        coverage : sequence of float
            Of the intervals.
        history : int, optional
            Steps of the past to draw, of those that were kept. Default: three times as many as are forecast.
        instance : hashable, optional
            Name of the series in a panel, a tuple in a hierarchy. Default: the first.
        column : hashable, optional
            Variable. Default: the first.
        ax : matplotlib axes, optional
            New ones if None.

        Returns
        -------
        The axes.

        Raises
        ------
        ValueError
            If there is no such series or variable.
        """
        self.check_is_fitted()
        fh, columns, keys = self._check_fh(fh), list(self._get_columns(method="predict")), list(self._tails)
        instance, column = _choice("instance", instance, keys), _choice("column", column, columns)
        center, quantiles = self._at(fh, self._check_X(X=X))
        n, m = keys.index(instance), columns.index(column)
        times = self._times(fh)
        tail = self._tails[instance]
        shown = history or max(3 * len(times), 2)
        past = pd.Series(tail.values[-shown:, m], self._timeline.times(np.arange(tail.start, tail.end)[-shown:]))
        levels = np.array(self.design_.quantiles)
        bounds = [
            (c, *(self._back(quantile_at(quantiles[n, :, m], levels, 0.5 + side * c / 2)) for side in (-1, 1)))
            for c in sorted(coverage, reverse=True)
        ]
        name = " ".join(str(part) for part in (instance, column) if part is not None and not isinstance(part, int))
        ahead = pd.Series(self._back(center[n, :, m]), index=times, name=name or None)
        return plot_forecast(self._back(past), ahead, bounds, ax)

    # ---- saving

    def _saved_state(self):
        tails = list(self._tails.values())
        start = getattr(self, "pretrained_", None)
        return dict(
            design=asdict(self.design_),
            networks=weights_of(self.networks_),
            budget=self._budget_as_json(),
            pretrained=None if start is None else _told(start),
            keys=[i.key for i in tails],
            starts=np.array([i.start for i in tails]),
            lengths=np.array([len(i.values) for i in tails]),
            values=np.concatenate([i.values for i in tails]),
            learned=[self._learned.get(i.key) for i in tails],
            timeline=self._timeline.parts(),
            index_names=self._index_names,
            columns=self._columns,
            covariates=tuple(self._covariates),
            cutoff=self.cutoff,
            fh=None
            if self._fh is None
            else dict(values=self._fh.to_pandas(), is_relative=self._fh.is_relative, freq=self._fh.freq),
            y_metadata=plain_metadata(self._y_metadata),
            y_store=self._converter_store_y,
        )

    def _restore_state(self, state):
        self.design_, self.history_ = Design(**state["design"]), []
        self.networks_ = [with_weights(self.design_.build, weights) for weights in state["networks"]]
        if state["pretrained"] is not None:
            start = state["pretrained"]
            design = Design(**start["design"])
            networks = [with_weights(design.build, weights) for weights in start["networks"]]
            self.pretrained_ = Pretrained(design, networks, start["covariates"], start["task"])
            self._pretrained_attrs = list(self.get_tag("pretrain:fitted_params"))  # which sktime keeps in fit and clone
        self._covariates, self._index_names = Covariates(*state["covariates"]), state["index_names"]
        self._timeline = timeline_from(state["timeline"])
        keys, starts = state["keys"], state["starts"].tolist()
        values = np.split(state["values"], np.cumsum(state["lengths"])[:-1])
        self._tails = {k: Instance(k, start, v) for k, start, v in zip(keys, starts, values, strict=True)}
        self._learned = dict(zip(keys, state["learned"], strict=True))
        self._columns = state["columns"]
        # what sktime keeps of its own to predict and update
        self._y_metadata, self._converter_store_y = state["y_metadata"], state["y_store"]
        self._y_mtype_last_seen = self._y_metadata["mtype"]
        self._is_vectorized = False
        self._set_cutoff(state["cutoff"])
        self._fh = None if state["fh"] is None else ForecastingHorizon(**state["fh"])
        self._state = "fitted"
        self.set_budget(**state["budget"])

    @classmethod
    def get_test_params(cls, parameter_set="default"):
        """Small settings for sktime's tests."""
        small = dict(embed_dim=4, num_heads=2, depth=1, jumbo_multiplier=2, max_epochs=1, random_state=0)
        other = dict(
            context_length=6, patch_length=3, patch_stride=2, normalisation="difference", affine=True, loss="mse"
        )
        return [small, dict(small, **other, insample=True, validation=0, past_covariates="all", keep_rate=0.5)]


def _told(start: Pretrained) -> dict[str, Any]:
    """What was pretrained, as values to save."""
    return start._asdict() | dict(design=asdict(start.design), networks=weights_of(start.networks))


def _choice(what: str, wanted, there: list):
    """One of those there are, the first if none is wanted."""
    if wanted is None:
        return there[0]
    if wanted not in there:
        raise ValueError(
            f"no {what} {wanted!r}: there are {', '.join(map(repr, there[:10]))}{', …' * (len(there) > 10)}"
        )
    return wanted
