"""JumboForecaster: forecasting with the Jumbo encoder, as an sktime estimator."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from jumbo_backbone.device import pick_device

from ..data.covariates import Covariates
from ..data.frames import instances_of, merged
from ..data.panel_timeline import timeline_for
from ..data.seasons import usual_periods
from ..data.windows import training_cuts
from ..fitting.blending import Blend, Trial, chosen_share, mean_of
from ..fitting.design import Design
from ..fitting.training import History
from ..weights import load_weigher
from .forecaster_learning import Lesson, Material, Pretrained, design_of
from .forecaster_saving import restore, state_of
from .forecaster_series import ForecasterSeries
from .memory import DOUBT, cuts_for_update


class JumboForecaster(ForecasterSeries):
    """Forecasts series with a small transformer whose Jumbo token, one wide token, sees the whole context.

    One pass forecasts all steps up to the horizon, and their quantiles (direct multi-step). The same network forecasts
    each variable of a multivariate series from its own past (channel independence, PatchTST, ICLR 2023), and one
    network learns a whole panel or hierarchy. The forecast is a linear map of the context (as in NLinear, AAAI 2023)
    plus a correction by a Jumbo encoder (ICLR 2026).

    ``update`` adds new rows to the series. With ``update_params`` it also trains the networks further, once a quarter
    of the remembered rows are new. It trains on the older half of the new rows, and keeps the result only if forecasts
    of the newer half improve. With fewer new rows, or without a gain, the networks stay as they are.

    Besides the networks, classical methods ("experts") forecast as well. A Jumbo encoder that was pretrained on
    synthetic series sets the weight of each expert (see ``pretrained``), so short series are forecast well, too. The
    weight of the networks is chosen on held-out windows.

    Args:
        context_length (int, optional): Steps of the past that the network reads. Default: 512, or fewer if the series
            are short. If the series are too short for the value given, the context is shortened, with a warning.
        horizon (int, optional): Steps forecast in one pass. Default: the furthest step of the ``fh`` given to ``fit``,
            or 24.
        patch_length, patch_stride (int, optional): Length of a patch, and distance from the start of one patch to the
            next, in steps. Default: a sixteenth of the context, at least 4 and at most 24 steps, without overlap.
        embed_dim, depth, num_heads, jumbo_multiplier (int): Width of a patch token; number of blocks; number of
            attention heads; slices in the Jumbo token, which is ``jumbo_multiplier * embed_dim`` wide.
        normalisation ({"standard", "last", "difference"}): How each window is normalised before the network reads it;
            the forecast undoes this. "standard" subtracts the mean and divides by the standard deviation. "last"
            subtracts the last value and divides by the standard deviation. "difference" takes the differences from step
            to step, divided by their standard deviation.
        affine (bool): Learn one scale and one shift, applied after normalising and undone in the forecast (RevIN, ICLR
            2022).
        log (bool): Forecast the logarithm of the values, which have to be positive.
        loss ({"quantile", "mae", "huber", "mse"}): The loss of the point forecast. "quantile" and "mae" give medians,
            "mse" gives means. Under "quantile", the losses of all quantiles also train the point forecast; otherwise
            they train only the spread around it.
        quantiles (tuple of float): Probabilities of the quantiles that are learned; 0.5 must be among them. Other
            quantiles are interpolated.
        past_covariates (list of str, "all" or None): Columns of X that are not known ahead: they are read up to the
            present only. None: all are known ahead. (A column of texts or categories is read as 0 or 1 for each of the
            at most 64 levels that ``fit`` has seen; a missing value, or another level, is 0 for all.)
        keep_rate (float): Fraction of the patch tokens that is kept after a quarter, a half and three quarters of the
            encoder's blocks: those that the Jumbo token attends to most. The others are fused into one token (see
            ``jumbo_backbone.ComputeBudget``).
        elastic (bool or dict, optional): Train one network for many compute budgets; choose one later with
            ``set_budget``. Each training step computes up to four budgets, so training takes up to four times as long.
            True, or arguments of ``jumbo_backbone.ElasticBudgets``, such as ``dict(keep_rates=(0.5, 0.7),
            resolutions=(0.5,))``.
        token_dropping (tuple of two floats, optional): Fraction of the patch tokens dropped at random at the beginning
            and at the end of training, such as (0.9, 0.1).
        dropout, head_dropout, drop_path_rate (float): Dropout rate in the encoder and before the head, and the rate at
            which whole residual branches are dropped.
        pretraining ({"forecast", "masked"}): What ``pretrain`` learns from its panel. "forecast": to forecast it;
            ``fit`` then also takes series that are too short to learn from. "masked": to reconstruct masked patches
            (PatchTST, section 3.2); this trains the encoder only.
        pretrain_epochs (int, optional): Epochs of ``pretrain``. Default: as ``max_epochs``.
        frozen_epochs (int): The encoder stays fixed for this many first epochs of ``fit``, if it was pretrained on
            masked patches.
        max_epochs (int): Most epochs. With validation, training ends earlier if the score has not improved for
            ``patience`` epochs. 0: no training. ``fit`` then fits only the linear map, in closed form, or keeps the
            networks that ``pretrain`` trained to forecast.
        learning_rate, weight_decay (float): Of the optimiser, AdamW.
        validation (float or int): Length of the end of every series that is held out of training and decides when to
            stop: a fraction (float) or a number of steps (int). With 0, or if the series are too short to hold anything
            out, the later quarter of the training windows decides, and training is then repeated on all windows.
        patience (int): Training stops after this many epochs without improvement on the validation windows.
        n_members (int): Number of networks, trained from different seeds. Their forecasts are averaged, and so is each
            of their quantiles. Beyond ``horizon``, each network extends its own forecast before the mean is taken.
        roll_on (bool): Whether to forecast beyond ``horizon``, by reading the forecast as if it had been observed. If
            False, steps beyond the horizon are an error.
        insample (bool): Keep the whole series after fitting, so that past steps can be forecast too, each from the
            steps before it.
        device (str): "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", … The fitted estimator keeps its weights
            on the CPU.
        random_state (int, RandomState or None): Seed of all random numbers used here. The state of global random
            generators does not change.
        verbose (int): 1 shows a progress bar. At 0 a fit of over ten seconds says first how long it may take (logger
            "timeseries").
        callbacks (list of callable, optional): Each is called after every epoch with an ``Epoch``; training ends if one
            returns True.
        freq (str, pd.DateOffset or int, optional): Time from one step to the next: a frequency of pandas, such as "D",
            "BME" or ``pd.offsets.CustomBusinessDay(...)``, or the step of an index of integers. Default: the ``freq``
            of the index, or else the frequency found in the times. Missing rows count as NaN.
        encoder (dict, optional): Further arguments of ``jumbo_backbone.JumboEncoder``, for ablations. They override
            parameters of the same name: ``dict(jumbo_ffn="patch", jumbo_multiplier=17)`` gives a class token and 16
            registers, and the heads read only the class token.
        pretrained (str, Path or None): "synthetic": classical forecasting methods ("experts") forecast as well, and a
            Jumbo encoder that was pretrained on synthetic series sets their weights for each series. The networks
            trained here enter the forecast only where this improves forecasts of held-out windows. With
            ``max_epochs=0`` the experts forecast alone, without any training, and series of any length are taken. A
            path, or the name of a repository on the Hugging Face hub: weights made by `jumbo pretrain-series forecast`.
            None: no experts.
        support ({"auto", "real", "nonnegative"}): Whether forecasts and quantiles may be negative: yes ("real"), no
            ("nonnegative"), or only if the series has had negative values ("auto").

    Attributes:
        networks_ (list of torch.nn.Module): The members.
        design_ (Design): What the members read and return, such as the context and the horizon.
        history_ (list of History): The course of each member's training.
        pretrained_ (Pretrained): After ``pretrain``: the networks from which ``fit`` starts. Their design, horizon
            included, does not change.
        weights_ (pd.DataFrame): Weight of each expert, and of ``networks_``, in the forecast of each series.

    Raises:
        ValueError, TypeError: In the constructor: for parameters out of range. In ``fit``: for infinite values; for
            values that are not positive, with ``log``; for times that occur twice or have no common frequency; for X
            that shares no time with a series, has other columns, or a column with too many levels. In ``pretrain``: for
            0 epochs. In ``predict``: for X that does not cover the requested steps; for steps beyond the horizon, with
            ``roll_on=False``.

    Examples:
        >>> from sktime.datasets import load_airline
        >>> from timeseries import JumboForecaster
        >>> forecaster = JumboForecaster(max_epochs=1, random_state=0)
        >>> forecaster.fit(load_airline(), fh=[1, 2, 3]).predict().shape
        (3,)
    """

    # ---- fitting

    def _fit(self, y, X, fh):
        lesson, trials = self._learn(y, X, fh, "forecast", self.max_epochs)
        self._blend = self._blend_of(lesson, trials)
        return self

    def _pretrain(self, y, X=None, fh=None):
        epochs = self.max_epochs if self.pretrain_epochs is None else self.pretrain_epochs
        if not epochs:
            raise ValueError(
                "pretrain learns nothing in max_epochs=0: give pretrain_epochs, the number of epochs of pretraining"
            )
        self._timeline = timeline_for(y, self.freq)
        self._learn(y, X, fh, self.pretraining, epochs)
        covariates = self._covariates
        encoding = (covariates.levels, covariates.static)
        self.pretrained_ = Pretrained(self.design_, self.networks_, covariates.columns, self.pretraining, *encoding)
        return self

    _pretrain_update = _pretrain

    def _learn(
        self, y: pd.DataFrame, X: pd.DataFrame | None, fh: Any, task: str, epochs: int
    ) -> tuple[Lesson, list[Trial]]:
        """Read the tables, train the networks for a task, and remember the ends of the series. Returns the lesson, and
        what the networks forecast for windows that were held out from them."""
        pick_device(self.device)  # checks it
        start = getattr(self, "pretrained_", None)
        material = self._read(y, X, start)
        self.design_ = self._design(material, fh, start)
        held_out = 0 if task == "masked" else self.validation
        cuts = training_cuts(material.lengths, self.design_.context, self.design_.horizon, held_out)
        lesson = Lesson(self, self.design_, material.panel(self.design_), *cuts)
        trials: list[Trial] = []
        if self._zero_shot(task, epochs, start):
            self.networks_ = lesson.untrained(start)
            self.history_: list[History] = []
        else:
            self.networks_, self.history_ = lesson.train(start, task, epochs, trials)
        if not len(lesson.training) and self.pretrained is None and (start is None or not start.can_forecast):
            warnings.warn(
                f"the longest series has {material.lengths.max()} steps, too few to learn from: forecasts are means of "
                "the context. Give a longer series, pretrain on other series, or use pretrained='synthetic'",
                UserWarning,
                stacklevel=4,
            )
        self._learned = material.ends
        self._remember(material.instances)
        return lesson, trials

    def _zero_shot(self, task: str, epochs: int, start: Pretrained | None) -> bool:
        """Whether only the experts forecast. They cannot read covariates: the closed form forecasts then."""
        if self.pretrained is None or epochs or task != "forecast" or self._covariates.columns:
            return False
        return start is None or not start.can_forecast

    def _blend_of(self, lesson: Lesson, trials: list[Trial]) -> Blend:
        """What makes the forecast: the networks alone, or the experts too, and then with which weights."""
        if self.pretrained is None:
            return Blend()
        start = getattr(self, "pretrained_", None)
        # without held-out windows, networks that were pretrained to forecast get the whole weight, others none
        trusted = start is not None and start.can_forecast
        share = np.full(self.design_.horizon, float(trusted))
        blend = Blend(load_weigher(self.pretrained), usual_periods(self._timeline), share)
        if not trials:
            return blend
        return chosen_share(blend, mean_of(trials), lesson.panel, self.design_.quantiles, pick_device(self.device))

    def _read(self, y: pd.DataFrame, X: pd.DataFrame | None, start: Pretrained | None) -> Material:
        """Store the names in the tables, and turn their rows into series."""
        self._covariates = (Covariates.of if start is None else start.covariates_of)(X, self.past_covariates)
        self._index_names, self._columns = list(y.index.names), y.columns
        return Material.of(instances_of(*self._rows(y, X, "fit")), y.shape[1])

    def _design(self, material: Material, fh: Any, start: Pretrained | None) -> Design:
        """The design of the pretrained networks, if there are any, else a design for these series."""
        targets = len(self._columns)
        if start is not None:
            return replace(start.design, targets=targets)  # each is read by itself
        last = max(i.end for i in material.instances) - 1
        furthest = None if fh is None else int(self._timeline.steps_ahead(fh, last).max())
        return design_of(self, int(material.lengths.max()), furthest, targets, self._covariates)

    def _update(self, y, X=None, update_params=True):
        """Add new rows; with ``update_params`` also learn from them, once there are enough."""
        instances = merged(self._tails, *self._rows(self._in_columns(y, "update"), X, "update"))
        if update_params and self.max_epochs:
            self._learn_more(Material.of(instances, self.design_.targets))
        self._remember(instances)
        return self

    def _learn_more(self, material: Material) -> None:
        """Train further if enough is new, and keep the result where it improves held-out forecasts."""
        cuts = cuts_for_update(material, self._learned, self.design_)
        if cuts is not None:
            lesson = Lesson(self, self.design_, material.panel(self.design_), *cuts)
            self.networks_ = lesson.go_on(self.networks_, DOUBT)
            self._learned = material.ends

    # ---- saving

    def _saved_state(self):
        return state_of(self)

    def _restore_state(self, state):
        restore(self, state)
