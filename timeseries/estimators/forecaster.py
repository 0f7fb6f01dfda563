"""JumboForecaster: forecasting with the Jumbo encoder, as an sktime estimator."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from jumbo_backbone.device import pick_device

from ..data.covariates import Covariates
from ..data.frames import Instance, Rows, instances_of, merged, rows_of
from ..data.panel_timeline import timeline_for
from ..data.seasons import usual_periods
from ..data.windows import training_cuts
from ..fitting.blending import Blend, Trial, chosen_share, mean_of
from ..fitting.design import Design
from ..fitting.training import History
from ..weights import load_weigher
from .forecaster_answers import ForecasterAnswers
from .forecaster_learning import Lesson, Material, Pretrained, design_of
from .forecaster_saving import restore, state_of
from .memory import DOUBT, cuts_for_update, remembered
from .support import floors_of
from .tables import in_columns


class JumboForecaster(ForecasterAnswers):
    """Forecasts series with a small transformer whose Jumbo token, one wide token, sees the whole context.

    One pass forecasts all steps up to the horizon, and their quantiles (direct multi-step). The same network forecasts
    each variable of a multivariate series from its own past (channel independence, PatchTST, ICLR 2023), and one
    network learns a whole panel or hierarchy. The network is a linear map of the context (as NLinear, AAAI 2023) plus
    what a Jumbo encoder (ICLR 2026) adds to it.

    ``update`` takes in new rows. With ``update_params`` it also trains the networks further, whenever a quarter of the
    remembered steps is new. It trains on the older half of the new rows, and keeps the result only if the forecasts of
    the newer half improve. With fewer new rows, or without a gain, the networks stay as they are.

    Experts, which are classical forecasting methods, forecast beside the networks (``pretrained``). A model with a
    Jumbo token, pretrained on synthetic series, weighs the experts for each series. So the forecasts of short series
    are good, too. Held-out windows decide the weight of the networks in the forecast.

    Parameters
    ----------
    context_length : int, optional
        Steps of the series that the network reads. Default: 512, or as many as the series allow. Series that are too
        short get a shorter context, with a warning if ``context_length`` was given.
    horizon : int, optional
        Steps that the network forecasts in one pass. Default: the furthest step of the ``fh`` given to ``fit``, or 24.
    patch_length, patch_stride : int, optional
        Steps in a patch, and steps from the start of one patch to the start of the next. Default: a sixteenth of the
        context, at least 4 and at most 24 steps, without overlap.
    embed_dim, depth, num_heads, jumbo_multiplier : int
        Width of a patch token, number of blocks, number of attention heads, and number of slices of the Jumbo token.
    normalisation : {"standard", "last", "difference"}
        How each window is normalised before the network reads it; the forecast undoes it. "standard": by its mean and
        standard deviation. "last": by its last value and standard deviation. "difference": the network reads the
        differences from step to step.
    affine : bool
        Learn one scale and one shift, applied after normalising and undone in the forecast (RevIN, ICLR 2022).
    log : bool
        Forecast the logarithm of the values. All values have to be positive.
    loss : {"quantile", "mae", "huber", "mse"}
        Loss of the point forecast: "quantile" and "mae" give medians, "mse" gives means. With "quantile", the losses
        of all quantiles train the centre of the forecast; with the others they train only its spread.
    quantiles : tuple of float
        Probabilities of the quantiles that the network learns, 0.5 among them. Others are interpolated.
    past_covariates : list of str, "all" or None
        Columns of X that are not known ahead: the network reads them up to the present only. None: all columns of X
        are known ahead.
    keep_rate : float
        Fraction of the patch tokens that goes on after a quarter, a half and three quarters of the encoder's blocks:
        those that the Jumbo token attends to most. The others are fused into one (``jumbo_backbone.ComputeBudget``).
    elastic : bool or dict, optional
        Train one network for many compute budgets, so that ``set_budget`` can choose among them. True, or a dict of
        arguments of ``jumbo_backbone.ElasticBudgets``, such as ``dict(keep_rates=(0.5, 0.7), resolutions=(0.5,))``.
        Each step trains up to four budgets, so training takes up to four times as long.
    token_dropping : tuple of two floats, optional
        Fractions of the patch tokens dropped at random when training begins and when it ends, such as (0.9, 0.1).
    dropout, head_dropout, drop_path_rate : float
        Dropout rates in the encoder, before the head, and of whole residual branches.
    pretraining : {"forecast", "masked"}
        Task that ``pretrain`` trains on its panel. "forecast": to forecast, so that ``fit`` may get series that are
        too short to train on. "masked": the encoder alone reconstructs masked patches (PatchTST, section 3.2).
    pretrain_epochs : int, optional
        Epochs of ``pretrain``. Default: as ``max_epochs``.
    frozen_epochs : int
        First epochs of ``fit`` in which an encoder that was pretrained on masked patches stays as it is.
    max_epochs : int
        The most epochs of training. With validation, training ends earlier if the score does not improve for
        ``patience`` epochs. 0: no training; ``fit`` then only fits the linear map in closed form, or takes over the
        networks that were pretrained to forecast.
    learning_rate, weight_decay : float
        Learning rate and weight decay of AdamW.
    validation : float or int
        The end of every series that is held out of training to decide when training stops: a fraction (float) or a
        number of steps (int). With 0, or if every series is too short to hold out any, all epochs run.
    patience : int
        Epochs without improvement on the validation windows.
    n_members : int
        Number of networks of different seeds. Their forecasts are averaged, quantile by quantile. Beyond ``horizon``
        each network first reads its own forecasts (``roll_on``), then the average is taken.
    roll_on : bool
        Forecast beyond ``horizon`` by reading the forecast so far as context. False: steps beyond ``horizon`` raise an
        error.
    insample : bool
        Keep the whole series after fitting, so that ``predict`` can also forecast steps of the past, each from the
        steps before it.
    device : str
        "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", … The fitted estimator keeps its weights on the CPU.
    random_state : int, RandomState or None
        Seed of everything random in this estimator. Global generators are left as they are.
    verbose : int
        1 shows a progress bar. 0: a fit of over ten seconds logs how long it may take (logger "timeseries").
    callbacks : list of callable, optional
        Each is called after every epoch with an ``Epoch``; training ends if one returns True.
    freq : str, pd.DateOffset or int, optional
        Time from one step to the next: a frequency of pandas, such as "D", "BME" or
        ``pd.offsets.CustomBusinessDay(...)``; for an index of integers, their step. Default: the ``freq`` of the
        index, or else the frequency is inferred from the times. Missing rows are taken as NaN.
    encoder : dict, optional
        Further arguments of ``jumbo_backbone.JumboEncoder``, for ablations. They replace parameters of the same
        name: ``dict(jumbo_ffn="patch", jumbo_multiplier=17)`` gives a class token and 16 registers, of which the heads
        read the class token alone.
    pretrained : str, Path or None
        "synthetic": experts, which are classical forecasting methods, forecast too. A model with a Jumbo token,
        pretrained on synthetic series, weighs them for each series. The networks get weight in the forecast only
        where held-out windows gain by it. With ``max_epochs=0`` the experts alone forecast, without any training, and
        series may be of any length. A path, or a repository of the hub: weights that `jumbo pretrain-series forecast`
        wrote. None: no experts.
    support : {"auto", "real", "nonnegative"}
        Whether forecasts and quantiles may be negative: "real" allows it, "nonnegative" does not, "auto" allows it for
        a series that has held negative values.

    Attributes
    ----------
    networks_ : list of torch.nn.Module
        The networks, one of each member.
    design_ : Design
        What the networks read and return, such as context and horizon.
    history_ : list of History
        What each member's training recorded.
    pretrained_ : Pretrained
        After ``pretrain``: the networks that ``fit`` begins with. Design and horizon stay those of pretraining.
    weights_ : pd.DataFrame
        Weight of each expert, and of ``networks_``, in the forecast of each series.

    Raises
    ------
    ValueError, TypeError
        In the constructor, for parameters out of range; in ``fit``, for infinite values, values that are not positive
        with ``log``, times that occur twice or have no common frequency, X without any time of a series, and X with
        other columns; in ``pretrain``, for no epochs; in ``predict``, if X does not cover the steps asked for, and for
        steps beyond the horizon with ``roll_on=False``.

    Examples
    --------
    >>> from sktime.datasets import load_airline
    >>> from timeseries import JumboForecaster
    >>> forecaster = JumboForecaster(max_epochs=1, random_state=0)
    >>> forecaster.fit(load_airline(), fh=[1, 2, 3]).predict().shape
    (3,)
    """

    # ---- fitting

    def _fit(self, y, X, fh):
        self._learn(y, X, fh, "forecast", self.max_epochs)
        return self

    def _pretrain(self, y, X=None, fh=None):
        epochs = self.max_epochs if self.pretrain_epochs is None else self.pretrain_epochs
        if not epochs:
            raise ValueError(
                "pretrain learns nothing in max_epochs=0: give the epochs of pretraining, pretrain_epochs="
            )
        self._timeline = timeline_for(y, self.freq)
        self._learn(y, X, fh, self.pretraining, epochs)
        self.pretrained_ = Pretrained(self.design_, self.networks_, self._covariates.columns, self.pretraining)
        return self

    _pretrain_update = _pretrain

    def _learn(self, y: pd.DataFrame, X: pd.DataFrame | None, fh: Any, task: str, epochs: int) -> None:
        """Read the tables, train the networks for a task, and remember the ends of the series."""
        pick_device(self.device)  # checks it
        material = self._read(y, X)
        start = getattr(self, "pretrained_", None)
        self.design_ = self._design(material, fh, start)
        held_out = 0 if task == "masked" else self.validation
        cuts = training_cuts(material.lengths, self.design_.context, self.design_.horizon, held_out)
        lesson = Lesson(self, self.design_, material.panel(), *cuts)
        trials: list[Trial] = []
        if self._zero_shot(task, epochs, start):
            self.networks_ = lesson.untrained(start)
            self.history_: list[History] = []
        else:
            self.networks_, self.history_ = lesson.train(start, task, epochs, trials)
        self._blend = self._blend_of(lesson, trials, start)
        if not len(lesson.training) and self.pretrained is None and (start is None or not start.can_forecast):
            warnings.warn(
                f"the longest series has {material.lengths.max()} steps, too few to learn from: forecasts are means of "
                "the context. Give a longer series, pretrain on others, or use pretrained='synthetic'",
                UserWarning,
                stacklevel=4,
            )
        self._learned = material.ends
        self._remember(material.instances)

    def _zero_shot(self, task: str, epochs: int, start: Pretrained | None) -> bool:
        """Whether the experts alone forecast. They do not read covariates: with these, the closed form forecasts."""
        if self.pretrained is None or epochs or task != "forecast" or self._covariates.columns:
            return False
        return start is None or not start.can_forecast

    def _blend_of(self, lesson: Lesson, trials: list[Trial], start: Pretrained | None) -> Blend:
        """The blend that forecasts: the networks alone, or networks and experts with a weight each."""
        if self.pretrained is None:
            return Blend()
        # without held-out windows, only networks that were pretrained to forecast get weight
        trusted = start is not None and start.can_forecast
        share = np.full(self.design_.horizon, float(trusted))
        blend = Blend(load_weigher(self.pretrained), usual_periods(self._timeline), share)
        if not trials:
            return blend
        return chosen_share(blend, mean_of(trials), lesson.panel, self.design_.quantiles, pick_device(self.device))

    def _read(self, y: pd.DataFrame, X: pd.DataFrame | None) -> Material:
        """Keep the names in the tables, and make series of their rows."""
        self._covariates = Covariates.of(X, self.past_covariates)
        self._index_names, self._columns = list(y.index.names), y.columns
        return Material.of(instances_of(*self._rows(y, X, "fit")), y.shape[1])

    def _design(self, material: Material, fh: Any, start: Pretrained | None) -> Design:
        """The design of the pretrained networks, or a new one for these series."""
        targets = len(self._columns)
        if start is not None:
            start.check_same(self._covariates)
            return replace(start.design, targets=targets)  # the network reads each by itself
        last = max(i.end for i in material.instances) - 1
        furthest = None if fh is None else int(self._timeline.steps_ahead(fh, last).max())
        return design_of(self, int(material.lengths.max()), furthest, targets, self._covariates)

    def _update(self, y, X=None, update_params=True):
        """Take in the new rows; with ``update_params`` also train on them, once there are enough."""
        if y.shape[1] != self.design_.targets:
            raise ValueError(f"fitted on series of {self.design_.targets} columns, but update got {y.shape[1]}")
        instances = merged(self._tails, *self._rows(in_columns(y, list(self._columns)), X, "update"))
        if update_params and self.max_epochs:
            self._learn_more(Material.of(instances, self.design_.targets))
        self._remember(instances)
        return self

    def _learn_more(self, material: Material) -> None:
        """Train further once there are enough new rows, and keep the result if it gains."""
        cuts = cuts_for_update(material, self._learned, self.design_)
        if cuts is not None:
            lesson = Lesson(self, self.design_, material.panel(), *cuts)
            self.networks_ = lesson.go_on(self.networks_, DOUBT)
            self._learned = material.ends

    def _remember(self, instances: list[Instance]) -> None:
        self._tails = remembered(instances, self.design_, whole=self.insample)
        self._floors = floors_of(instances, self.design_.targets, self.support, getattr(self, "_floors", None))

    # ---- tables and units

    def _rows(self, y: pd.DataFrame, X: pd.DataFrame | None, doing: str) -> tuple[Rows, Rows | None]:
        """The rows of y, in the units that the networks forecast, and of X."""
        rows = self._in_units(rows_of(y, self._timeline, "y"))
        return rows, self._covariates.beside(rows, X, self._timeline, doing)

    def _in_units(self, rows: Rows) -> Rows:
        """The rows in the units that the networks forecast."""
        if not self.log:
            return rows
        smallest = np.nanmin(rows.values, initial=np.inf)
        if smallest <= 0:
            raise ValueError(
                f"log=True needs positive values, the smallest here is {smallest}: add a constant, or use log=False"
            )
        return rows._replace(values=np.log(rows.values))

    # ---- saving

    def _saved_state(self):
        return state_of(self)

    def _restore_state(self, state):
        restore(self, state)
