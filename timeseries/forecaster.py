"""JumboForecaster: forecasting with the Jumbo encoder, as an sktime estimator."""

import copy
import warnings
from dataclasses import asdict

import numpy as np
import pandas as pd
import torch
from scipy.stats import norm
from sktime.datatypes import convert_to
from sktime.forecasting.base import BaseForecaster, ForecastingHorizon

from .checks import check_choice, check_count, check_share
from .forecasting import LOSSES, Design, fit_network, forecast
from .frames import Instance, distinct_indices, ends_of, instances_of, table_of
from .patching import NORMALISATIONS
from .plotting import plot_forecast
from .saving import SafeSaving, index_from_json, index_to_json, load_networks, network_tensors
from .training import draw_seeds, pick_device
from .windows import Cuts, Panel

_LONGEST = 512  # context by default, in steps
_HORIZON = 24  # by default, in steps
_STEPS = (20, 200)  # batches in an epoch, at least and at most


class JumboForecaster(SafeSaving, BaseForecaster):
    """Forecasts series with a small transformer whose one wide token sees the whole context.

    Direct multi-step: one pass forecasts all steps up to the horizon, and their quantiles. Each variable of a
    multivariate series is forecast from its own past (channel independence, PatchTST, ICLR 2023) by the same network;
    a panel or hierarchy is learned by one network too. The network is a linear map of the context (as NLinear, AAAI
    2023) plus what a Jumbo encoder (ICLR 2026) adds to it.

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
    dropout, head_dropout, drop_path_rate : float
        In the encoder, before the head, and of whole residual branches.
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
        Networks of different seeds whose forecasts are averaged.
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

    Attributes
    ----------
    networks_ : list of torch.nn.Module
        The members.
    design_ : Design
        What they read and return, among it context and horizon.
    history_ : list of History
        Of each member's training.

    Raises
    ------
    ValueError, TypeError
        In the constructor, for parameters out of range; in ``fit``, for infinite values, values that are not positive
        with ``log``, and X whose columns differ; in ``predict``, for X that does not cover the steps asked for, and for
        steps beyond the horizon with ``roll_on=False``.

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
        dropout=0.2,
        head_dropout=0.0,
        drop_path_rate=0.0,
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
        self.dropout = dropout
        self.head_dropout = head_dropout
        self.drop_path_rate = drop_path_rate
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
        check_choice("loss", self.loss, LOSSES)
        check_choice("normalisation", self.normalisation, NORMALISATIONS[1:])
        levels = list(self.quantiles)
        if levels != sorted(set(levels)) or 0.5 not in levels or not 0 < levels[0] <= levels[-1] < 1:
            raise ValueError(f"quantiles {self.quantiles!r}: give rising numbers between 0 and 1, 0.5 among them")
        for name in ("dropout", "head_dropout", "drop_path_rate"):
            check_share(name, getattr(self, name))
        if self.validation < 0 or (isinstance(self.validation, float) and self.validation >= 1):
            raise ValueError(f"validation {self.validation!r}: give a share from 0 to below 1, or a number of steps")

    def __dynamic_tags__(self):
        insample = bool(self.insample)
        self.set_tags(**{"capability:insample": insample, "capability:pred_int:insample": insample})

    # ---- fitting

    def _fit(self, y, X, fh):
        self._learn(y, X, fh)
        return self

    def _pretrain(self, y, X=None, fh=None):
        self._learn(y, X, fh)
        self.pretrained_ = (self.design_, self.networks_, self._covariate_columns)
        return self

    _pretrain_update = _pretrain

    def _learn(self, y, X, fh) -> None:
        """From tables to trained networks and remembered contexts."""
        device = pick_device(self.device)
        self._check_covariates(X)
        self._index_names = list(y.index.names)
        instances = self._instances(y, X)
        self._freq = _frequency(instances)
        lengths = np.array([len(i.index) for i in instances])
        start = getattr(self, "pretrained_", None)
        if start is None:
            self.design_ = self._design(lengths, fh, y.shape[1])
        else:
            self._check_pretrained(start, X)
            self.design_ = start[0]
        panel = Panel([i.values for i in instances])
        training, validation = self._cuts(lengths)
        self.networks_, self.history_ = [], []
        for number, seed in enumerate(draw_seeds(self.random_state, self.n_members)):
            if start is None:
                with torch.random.fork_rng():
                    torch.manual_seed(seed)
                    network = self.design_.build()
            else:
                network = copy.deepcopy(start[1][number % len(start[1])])
            if len(training):
                rate = self.learning_rate if start is None else 0.3 * self.learning_rate
                self.history_.append(
                    self._train(
                        network, panel, training, validation, seed, device, rate, self.max_epochs, number, start is None
                    )
                )
            self.networks_.append(network.eval())
        if not len(training) and start is None:
            warnings.warn(
                f"the longest series has {lengths.max()} steps, too few to learn from: forecasts are means of the "
                "context. Give a longer series, or pretrain on others",
                UserWarning,
                stacklevel=4,
            )
        self._remember(instances)

    def _train(
        self, network, panel, training, validation, seed, device, rate, epochs, number, fresh=False, hold_out=True
    ):
        schedule = dict(epochs=epochs, patience=self.patience)
        schedule |= dict(learning_rate=rate, weight_decay=self.weight_decay)
        title = "training" if self.n_members == 1 else f"member {number + 1} of {self.n_members}"
        return fit_network(
            network,
            self.design_,
            panel,
            training,
            validation,
            seed=seed,
            device=device,
            steps=_STEPS,
            schedule=schedule,
            fresh=fresh,
            hold_out=hold_out,
            verbose=self.verbose,
            callbacks=self.callbacks or (),
            title=title,
        )

    def _instances(self, y: pd.DataFrame, X: pd.DataFrame | None) -> list[Instance]:
        """The series of y with their covariates beside them, in the units that the network forecasts."""
        instances = sorted(instances_of(y), key=lambda i: (i.key is not None, i.key))
        if self.log:
            for i in instances:
                if np.nanmin(i.values, initial=np.inf) <= 0:
                    raise ValueError(
                        f"log=True needs positive values, the smallest here is {np.nanmin(i.values)}: add a constant, "
                        "or use log=False"
                    )
            instances = [i._replace(values=np.log(i.values)) for i in instances]
        if X is None:
            return instances
        others = {i.key: i for i in instances_of(X)}
        return [i._replace(values=np.hstack([i.values, _rows(others.get(i.key), i.index, X)])) for i in instances]

    def _check_covariates(self, X: pd.DataFrame | None) -> None:
        columns = [] if X is None else list(X.columns)
        past = [] if self.past_covariates in (None, "all") else self.past_covariates
        if unknown := [c for c in past if c not in columns]:
            raise ValueError(f"past_covariates {unknown} are not among the columns of X, {columns}")
        self._covariate_columns = columns

    def _check_pretrained(self, start: tuple, X: pd.DataFrame | None) -> None:
        columns = [] if X is None else list(X.columns)
        if columns != start[2]:
            raise ValueError(f"pretrained with the columns {start[2]} of X, now they are {columns}: give the same ones")

    def _design(self, lengths: np.ndarray, fh: ForecastingHorizon | None, targets: int) -> Design:
        longest = int(lengths.max())
        H = self.horizon
        if H is None and fh is not None:
            H = max(1, int(self._steps(fh).max()))
        elif H is None:
            H = max(1, min(_HORIZON, longest // 4))
        allowed = max(1, longest - H, longest // 2) if longest < 4 * H else max(1, (longest - H) // 2)
        wanted = self.context_length or min(_LONGEST, max(1, (longest - H) // 2))
        L = min(wanted, allowed)
        if self.context_length is not None and L < wanted:
            warnings.warn(
                f"context_length {wanted} is more than series of at most {longest} steps and a horizon of {H} allow: "
                f"reading {L} steps",
                UserWarning,
                stacklevel=5,
            )
        P = self.patch_length or int(np.clip(round(L / 16), 4, 24))
        if P > L:
            if self.patch_length is not None:
                warnings.warn(
                    f"patch_length {P} is more than the context of {L} steps: using {L}", UserWarning, stacklevel=5
                )
            P = L
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
            proj_drop_rate=self.dropout,
            drop_path_rate=self.drop_path_rate,
        )
        return Design(L, H, targets, len(self._covariate_columns), tuple(self.quantiles), self.loss, network)

    def _cuts(self, lengths: np.ndarray) -> tuple[Cuts, Cuts | None]:
        """Where to cut for training, and for validation: there all targets lie in the held-out end of a series."""
        L, H = self.design_.context, self.design_.horizon
        T = torch.as_tensor(lengths)
        held_out = (
            torch.full_like(T, self.validation)
            if not isinstance(self.validation, float)
            else (T * self.validation).long()
        )
        # of a series that is short beside context and horizon, all is needed to learn from
        held_out = torch.where((held_out >= H) & (T - held_out >= L + H), held_out, 0)
        usable = T - held_out
        first = torch.minimum(torch.full_like(T, L), ((usable - H) // 2).clamp(min=1))
        last = torch.where(usable - H >= first, usable - H, usable - 1)
        training = Cuts(first, last)
        if not held_out.any():
            return training, None
        nowhere = T  # no cut is left at the end of a series
        return training, Cuts(torch.where(held_out > 0, T - held_out, nowhere), torch.where(held_out > 0, T - H, T - 1))

    # ---- what is remembered

    def _remember(self, instances: list[Instance]) -> None:
        """Keep of each series what forecasts and updates need: its end, or all of it."""
        keep = self.design_.context + self.design_.horizon
        self._tails = {i.key: i for i in (instances if self.insample else ends_of(instances, keep))}

    def _update(self, y, X=None, update_params=True):
        """Append what is new; with ``update_params`` also go on training, on windows that end in what is new."""
        if y.shape[1] != self.design_.targets:
            raise ValueError(f"fitted on series of {self.design_.targets} columns, to update there are {y.shape[1]}")
        if (X is None) != (not self._covariate_columns) or (
            X is not None and list(X.columns) != self._covariate_columns
        ):
            raise ValueError(f"fitted with the columns {self._covariate_columns} of X: give the same ones to update")
        merged, fresh = [], []
        new = {i.key: i for i in self._instances(y, X)}
        for key in {**self._tails, **new}:
            old, added = self._tails.get(key), new.get(key)
            if old is None or added is None:
                merged.append(added if old is None else old)
            else:
                kept = ~old.index.isin(added.index)
                index = old.index[kept].append(added.index)
                merged.append(Instance(key, index, np.concatenate([old.values[kept], added.values])))
            fresh.append(0 if added is None else len(added.index))
        if update_params:
            self._go_on_training(merged, torch.tensor(fresh))
        self._remember(merged)
        return self

    def _go_on_training(self, instances: list[Instance], fresh: torch.Tensor) -> None:
        H = self.design_.horizon
        T = torch.tensor([len(i.index) for i in instances])
        first = (T - fresh - H + 1).clamp(min=1)
        last = torch.where(fresh > 0, torch.where(T - H >= first, T - H, T - 1), first - 1)
        cuts = Cuts(first, last)
        if not len(cuts):
            return
        panel, device = Panel([i.values for i in instances]), pick_device(self.device)
        for number, seed in enumerate(draw_seeds(self.random_state, self.n_members)):
            network = copy.deepcopy(self.networks_[number])
            self._train(network, panel, cuts, None, seed, device, 0.1 * self.learning_rate, 1, number, hold_out=False)
            self.networks_[number] = network.eval()

    # ---- forecasting

    def _predict(self, fh, X):
        center, _ = self._at(fh, X)
        return self._table(fh, self._back(center), self._get_columns(method="predict"))

    def _predict_quantiles(self, fh, X, alpha):
        _, quantiles = self._at(fh, X)
        levels = np.array(self.design_.quantiles)
        if len(levels) < 3:
            raise ValueError(f"quantiles {self.quantiles!r} have none beside the median: learn some below and above it")
        values = np.stack([_quantile(quantiles, levels, a) for a in alpha], axis=-1)  # (n, steps, M, alphas)
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
            If the columns differ from those fitted, a cut lies outside the series, or X was fitted.
        """
        self.check_is_fitted()
        instances = self._instances(pd.DataFrame(y), None)
        M, cuts = self.design_.targets, np.asarray(cuts)
        if self._covariate_columns or len(instances) > 1 or instances[0].values.shape[1] != M:
            raise ValueError(
                f"forecast_at takes one series of the {M} columns fitted, without X; got {len(instances)} series of "
                f"{instances[0].values.shape[1]} columns, fitted with the columns {self._covariate_columns} of X"
            )
        if cuts.min() < 1 or cuts.max() > len(y):
            raise ValueError(f"cuts from {cuts.min()} to {cuts.max()} leave the series: give 1 to {len(y)}")
        panel = Panel([instances[0].values])
        center, quantiles = self._from(panel, np.zeros_like(cuts), cuts, steps or self.design_.horizon)
        levels = np.array(self.design_.quantiles)
        return self._back(center), self._back(np.stack([_quantile(quantiles, levels, a) for a in alpha], axis=-1))

    def _table(self, fh, values: np.ndarray, columns) -> pd.DataFrame:
        index = self._horizon(fh).to_absolute_index(self._end)
        return table_of(list(self._tails), [index] * len(values), values, self._index_names, columns)

    def _at(self, fh, X) -> tuple[np.ndarray, np.ndarray]:
        """Centres (n, steps, M) and quantiles (n, steps, M, Q) of all series at the steps asked for."""
        steps = self._steps(fh)
        behind = {id(index): self._behind(index) for index in distinct_indices(self._tails.values())}
        ahead = np.array([steps + behind[id(i.index)] for i in self._tails.values()])  # (n, steps), of their own end
        furthest = max(int(ahead.max()), 0)
        if furthest > self.design_.horizon and not self.roll_on:
            raise ValueError(
                f"step {furthest} is beyond the horizon of {self.design_.horizon} steps trained: fit with that "
                "fh, or use roll_on=True"
            )
        series = [self._with_future(i, ahead[n], X) for n, i in enumerate(self._tails.values())]
        panel = Panel(series)
        ends = np.array([len(i.index) for i in self._tails.values()])
        n, M = len(ends), self.design_.targets
        center = np.empty((*ahead.shape, M))
        quantiles = np.empty((*ahead.shape, M, len(self.design_.quantiles)))
        if furthest:
            c, q = self._from(panel, np.arange(n), ends, furthest)
            row, column = np.nonzero(ahead > 0)
            center[row, column], quantiles[row, column] = (r[row, ahead[row, column] - 1] for r in (c, q))
        row, column = np.nonzero(ahead <= 0)
        if len(row):  # steps of the past, each forecast from what came before it
            cuts = ends[row] - 1 + ahead[row, column]
            if cuts.min() < 0:
                raise ValueError(f"step {int(steps.min())} lies before the first observation: there is nothing there")
            c, q = self._from(panel, row, cuts, 1)
            center[row, column], quantiles[row, column] = c[:, 0], q[:, 0]
        return center, quantiles

    def _from(self, panel: Panel, series: np.ndarray, cuts: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
        return forecast(
            self.networks_,
            self.design_,
            panel,
            torch.as_tensor(series),
            torch.as_tensor(cuts),
            steps,
            pick_device(self.device),
        )

    def _back(self, values: np.ndarray) -> np.ndarray:
        """From the units that the network forecasts to those of the data."""
        return np.exp(values) if self.log else values

    def _horizon(self, fh: ForecastingHorizon) -> ForecastingHorizon:
        """With the frequency of the series, which the index of a panel does not carry."""
        if fh.freq is not None or self._freq is None:
            return fh
        return ForecastingHorizon(fh.to_pandas(), is_relative=fh.is_relative, freq=self._freq)

    @property
    def _end(self) -> pd.Index:
        """The last time of all, with its frequency."""
        cutoff = self.cutoff  # None while pretraining: sktime sets it in fit
        return cutoff if self._freq is None or cutoff is None else pd.DatetimeIndex(cutoff, freq=self._freq)

    def _steps(self, fh: ForecastingHorizon) -> np.ndarray:
        return self._horizon(fh).to_relative(self._end).to_numpy().astype(np.int64)

    def _behind(self, index: pd.Index) -> int:
        """Steps from the last one of a series to the last one of all."""
        if index[-1] == self.cutoff[0]:
            return 0
        own_end = ForecastingHorizon(index[-1:], is_relative=False, freq=self._freq)
        return -int(own_end.to_relative(self._end).to_numpy()[0])

    @property
    def _known_ahead(self) -> np.ndarray:
        """Which covariates are (K,)."""
        past = self._covariate_columns if self.past_covariates == "all" else self.past_covariates or []
        return np.array([c not in past for c in self._covariate_columns], dtype=bool)

    def _with_future(self, instance: Instance, ahead: np.ndarray, X: pd.DataFrame | None) -> np.ndarray:
        """Values (T + steps, M + K) of a series: those remembered, and the covariates of the steps to come."""
        K, M = len(self._covariate_columns), self.design_.targets
        steps = int(ahead.max())
        if not K or steps < 1:
            return instance.values
        future = np.full((steps, M + K), np.nan)
        if self._known_ahead.any():
            if X is None or list(X.columns) != self._covariate_columns:
                given = None if X is None else list(X.columns)
                raise ValueError(
                    f"fitted with the columns {self._covariate_columns} of X, to predict there are {given}: give the "
                    "same ones for the steps to come, or name those that are not known ahead in past_covariates"
                )
            behind = self._behind(instance.index)
            coming = self._horizon(ForecastingHorizon(np.arange(1 - behind, steps + 1 - behind)))
            times = coming.to_absolute_index(self._end)
            rows = {i.key: i for i in instances_of(X)}.get(instance.key)
            found = np.full(steps, -1) if rows is None else rows.index.get_indexer(times)
            wanted = ahead[ahead > 0]
            if (absent := wanted[found[wanted - 1] < 0]).size:
                raise ValueError(
                    f"X does not cover the horizon: there is no row at {times[absent[0] - 1]}"
                    + (f" of {instance.key}" if instance.key is not None else "")
                )
            known = M + np.flatnonzero(self._known_ahead)
            future[np.ix_(found >= 0, known)] = rows.values[np.ix_(found[found >= 0], known - M)]
        return np.concatenate([instance.values, future])

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
        times = self._horizon(fh).to_absolute_index(self._end)
        tail = self._tails[instance]
        shown = history or max(3 * len(times), 2)
        past = pd.Series(tail.values[-shown:, m], index=tail.index[-shown:])
        levels = np.array(self.design_.quantiles)
        bounds = [
            (c, *(self._back(_quantile(quantiles[n, :, m], levels, 0.5 + side * c / 2)) for side in (-1, 1)))
            for c in sorted(coverage, reverse=True)
        ]
        name = " ".join(str(part) for part in (instance, column) if part is not None and not isinstance(part, int))
        ahead = pd.Series(self._back(center[n, :, m]), index=times, name=name or None)
        return plot_forecast(self._back(past), ahead, bounds, ax)

    # ---- saving

    def _saved_state(self):
        tails = list(self._tails.values())
        tensors = network_tensors(self.networks_)
        tensors |= {f"tail.{n}": torch.from_numpy(np.ascontiguousarray(i.values)) for n, i in enumerate(tails)}
        names = self._get_varnames()
        return tensors, dict(
            design=asdict(self.design_),
            members=len(self.networks_),
            keys=[i.key for i in tails],
            indices=[index_to_json(i.index) for i in tails],
            index_names=self._index_names,
            columns=[name.item() if isinstance(name, np.generic) else name for name in names],
            covariates=self._covariate_columns,
            mtype=self._y_metadata["mtype"],
            cutoff=index_to_json(self.cutoff),
            freq=self._freq,
            fh=None if self._fh is None else self._steps(self._fh).tolist(),
        )

    def _restore_state(self, tensors, state):
        design = {k: tuple(v) if k == "quantiles" else v for k, v in state["design"].items()}
        self.design_, self.history_ = Design(**design), []
        self.networks_ = [self.design_.build() for _ in range(state["members"])]
        load_networks(self.networks_, tensors)
        self._covariate_columns, self._index_names = state["covariates"], state["index_names"]
        keys = [tuple(k) if isinstance(k, list) else k for k in state["keys"]]
        indices = [index_from_json(i) for i in state["indices"]]
        self._tails = {
            k: Instance(k, i, tensors[f"tail.{n}"].numpy()) for n, (k, i) in enumerate(zip(keys, indices, strict=True))
        }
        # sktime's own view of the data, from the ends that were kept
        M = self.design_.targets
        tables = [
            table_of([k], [t.index], t.values[None, :, :M], self._index_names, state["columns"])
            for k, t in self._tails.items()
        ]
        y = convert_to(pd.concat(tables), state["mtype"])
        if isinstance(y, pd.Series):
            y = y.rename(state["columns"][0] if isinstance(state["columns"][0], str) else None)
        _, y = self._check_X_y(y=y)
        self._set_cutoff(index_from_json(state["cutoff"]))
        self._freq = state["freq"]
        self._is_vectorized = False
        if state["fh"] is not None:
            self._check_fh(state["fh"])
        self._state = "fitted"

    @classmethod
    def get_test_params(cls, parameter_set="default"):
        """Small settings for sktime's tests."""
        small = dict(embed_dim=4, num_heads=2, depth=1, jumbo_multiplier=2, max_epochs=1, random_state=0)
        return [
            small,
            dict(
                small, context_length=6, patch_length=3, patch_stride=2, loss="mse", normalisation="last", n_members=2
            ),
            dict(small, insample=True, normalisation="difference", validation=0, affine=True, past_covariates="all"),
        ]


def _frequency(instances: list[Instance]) -> str | None:
    """Of the dates in a panel; None if they are no dates, or say it themselves.

    Raises:
        ValueError: If it cannot be told.
    """
    index = max((i.index for i in instances), key=len)
    if not isinstance(index, pd.DatetimeIndex) or len(index) < 3:
        return None
    freq = index.freqstr or pd.infer_freq(index)
    if freq is None:
        raise ValueError(
            f"the dates from {index[0]} to {index[-1]} are not evenly spaced, so steps ahead have no date: reindex "
            "with y.asfreq(...), which puts NaN where nothing was observed, or use a PeriodIndex"
        )
    return freq


def _rows(found: Instance | None, index: pd.Index, X: pd.DataFrame) -> np.ndarray:
    """Covariates at some times, NaN where there are none."""
    values = np.full((len(index), X.shape[1]), np.nan)
    if found is not None:
        at = found.index.get_indexer(index)
        values[at >= 0] = found.values[at[at >= 0]]
    return values


def _choice(what: str, wanted, there: list):
    """One of those there are, the first if none is wanted."""
    if wanted is None:
        return there[0]
    if wanted not in there:
        raise ValueError(
            f"no {what} {wanted!r}: there are {', '.join(map(repr, there[:10]))}{', …' * (len(there) > 10)}"
        )
    return wanted


def _quantile(values: np.ndarray, levels: np.ndarray, alpha: float) -> np.ndarray:
    """A quantile (…) between or beyond those known (…, Q): linear in the scores of a normal distribution."""
    scores, score = norm.ppf(levels), norm.ppf(alpha)
    right = int(np.clip(np.searchsorted(scores, score), 1, len(scores) - 1))
    share = (score - scores[right - 1]) / (scores[right] - scores[right - 1])
    return values[..., right - 1] + share * (values[..., right] - values[..., right - 1])
