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

    ``update`` takes in new rows. With ``update_params`` it also learns, whenever a quarter of what is remembered is
    new: from the older half of the new rows, and it keeps what it learned only where the newer half gains by it. Fewer
    rows, or no gain, leave the networks as they are.

    Beside the networks classical methods forecast, experts, which a Jumbo token weighs that was pretrained on synthetic
    series (``pretrained``). So short series are forecast well, too. Held-out windows decide how much the networks
    count.

    Parameters
    ----------
    context_length : int, optional
        Steps read. Default: 512, or what the series allow. Shorter series get a shorter context, with a warning if one
        was given.
    horizon : int, optional
        Steps forecast in one pass. Default: the furthest step of the ``fh`` given to ``fit``, or 24.
    patch_length, patch_stride : int, optional
        Steps in a patch, and from one to the next. Default: a sixteenth of the context, at least 4 and at most 24
        steps, without overlap.
    embed_dim, depth, num_heads, jumbo_multiplier : int
        Width of a patch token, blocks, attention heads, and width of the Jumbo token in patch tokens.
    normalisation : {"standard", "last", "difference"}
        What is taken from each window before the network reads it, and given back after: mean and deviation; the last
        value and the deviation; or it reads the differences from step to step.
    affine : bool
        Learn one scale and one shift, applied after normalising and undone in the forecast (RevIN, ICLR 2022).
    log : bool
        Forecast the logarithm of values, which have to be positive.
    loss : {"quantile", "mae", "huber", "mse"}
        What the point forecast minimises: "quantile" and "mae" give medians, "mse" means. "quantile" lets all quantiles
        shape the centre of the forecast, the others only its spread.
    quantiles : tuple of float
        Probabilities that are learned, 0.5 among them; others are interpolated.
    past_covariates : list of str, "all" or None
        Columns of X that are not known ahead: they are read up to the present only. None: all are known ahead.
    keep_rate : float
        Share of the patches that go on after a quarter, a half and three quarters of the encoder's blocks: those that
        the Jumbo token attends to most. The others go on as one (see ``jumbo_backbone.ComputeBudget``).
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
        At most so many epochs; with validation fewer, if the score does not improve for ``patience`` epochs. 0: no
        training. ``fit`` then only fits the linear map in closed form, or takes what was pretrained to forecast.
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
        1 shows a progress bar. At 0 a fit of over ten seconds says first how long it may take (logger "timeseries").
    callbacks : list of callable, optional
        Each is called after every epoch with an ``Epoch``; training ends if one returns True.
    freq : str, pd.DateOffset or int, optional
        Time from one step to the next: what pandas takes as one, such as "D", "BME" or
        ``pd.offsets.CustomBusinessDay(...)``; the step of an index of integers. Default: the ``freq`` of the index, or
        it is found in the times. Rows that are missing are NaN.
    encoder : dict, optional
        Further arguments of ``jumbo_backbone.JumboEncoder``, for ablations. They come before parameters of the same
        name: ``dict(jumbo_ffn="patch", jumbo_multiplier=17)`` gives a class token and 16 registers, of which the heads
        read the class token alone.
    pretrained : str, Path or None
        "synthetic": experts, classical methods of forecasting, speak too, weighed for each series by a Jumbo token that
        was pretrained on synthetic series; what is learned here gets a share in the forecast only where held-out
        windows gain by it. With ``max_epochs=0`` the experts alone forecast, without any training: series may be as
        short as they like. A path, or a repository of the hub: weights that `jumbo pretrain-series forecast` made.
        None: no experts.
    support : {"auto", "real", "nonnegative"}
        Whether forecasts and quantiles may be negative. "auto": where a series has been.

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
    weights_ : pd.DataFrame
        Weight of each expert, and of ``networks_``, in the forecast of each series.

    Raises
    ------
    ValueError, TypeError
        In the constructor, for parameters out of range; in ``fit``, for infinite values, values that are not positive
        with ``log``, times that occur twice or have no common frequency, X that shares no time with a series, and X
        whose columns differ; in ``pretrain``, for no epochs; in ``predict``, for X that does not cover the steps asked
        for, and for steps beyond the horizon with ``roll_on=False``.

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
        """Whether experts alone forecast. They know nothing of covariates, for which there is the closed form."""
        if self.pretrained is None or epochs or task != "forecast" or self._covariates.columns:
            return False
        return start is None or not start.can_forecast

    def _blend_of(self, lesson: Lesson, trials: list[Trial], start: Pretrained | None) -> Blend:
        """The networks alone, or experts beside them and the share that each has."""
        if self.pretrained is None:
            return Blend()
        # without windows to judge by, networks that were pretrained on such series are trusted, others are not
        trusted = start is not None and start.can_forecast
        share = np.full(self.design_.horizon, float(trusted))
        blend = Blend(load_weigher(self.pretrained), usual_periods(self._timeline), share)
        if not trials:
            return blend
        return chosen_share(blend, mean_of(trials), lesson.panel, self.design_.quantiles, pick_device(self.device))

    def _read(self, y: pd.DataFrame, X: pd.DataFrame | None) -> Material:
        """Note the names in the tables, and make series of their rows."""
        self._covariates = Covariates.of(X, self.past_covariates)
        self._index_names, self._columns = list(y.index.names), y.columns
        return Material.of(instances_of(*self._rows(y, X, "fit")), y.shape[1])

    def _design(self, material: Material, fh: Any, start: Pretrained | None) -> Design:
        """The design of what was pretrained, or one for these series."""
        targets = len(self._columns)
        if start is not None:
            start.check_same(self._covariates)
            return replace(start.design, targets=targets)  # each is read by itself
        last = max(i.end for i in material.instances) - 1
        furthest = None if fh is None else int(self._timeline.steps_ahead(fh, last).max())
        return design_of(self, int(material.lengths.max()), furthest, targets, self._covariates)

    def _update(self, y, X=None, update_params=True):
        """Take in what is new; with ``update_params`` also learn from it, once there is enough."""
        if y.shape[1] != self.design_.targets:
            raise ValueError(f"fitted on series of {self.design_.targets} columns, to update there are {y.shape[1]}")
        instances = merged(self._tails, *self._rows(in_columns(y, list(self._columns)), X, "update"))
        if update_params and self.max_epochs:
            self._learn_more(Material.of(instances, self.design_.targets))
        self._remember(instances)
        return self

    def _learn_more(self, material: Material) -> None:
        """Train further once there is enough to learn from, and keep what gains."""
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
        """In the units that the networks forecast."""
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
