"""JumboClassifier: classification of series with the Jumbo encoder, as an sktime estimator."""

import copy
import math
import warnings
from collections.abc import Hashable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from skbase.base._clone_plugins import _CloneSkbase
from sktime.classification.base import BaseClassifier
from sktime.datatypes import VectorizedDF, convert_to
from torch import nn

from jumbo_backbone import Calibration, Cascade, ComputeBudget

from ..checks import check_choice, check_count, check_finite, check_share
from ..data.frames import even_values
from ..data.windows import Batch, mean_and_spread, pad_together
from ..fitting.budgets import BudgetAtHand, training_plan
from ..fitting.classification import BATCH, fit_network, probabilities, routed, steps_of, stratified
from ..fitting.committee import KERNELS, calibrated, cascade_of, check_committee, stages_of
from ..fitting.pretraining import pretrain_encoder
from ..fitting.training import Schedule, draw_seeds, pick_device, seeded, shuffled
from ..networks.network import ClassifierNet, SeriesEncoder
from ..networks.patching import NORMALISATIONS
from .labelled import checked_labels, checked_panel, in_order, names_of
from .plotting import plot_attention, plot_kept
from .saving import SafeSaving, plain_metadata, weights_of, with_weights

_FREE = ("keep_rate", "proj_drop_rate", "drop_path_rate")  # may change after pretraining


class Pretrained(NamedTuple):
    """What ``pretrain`` learned: units and length of its series, arguments of the encoders, these, and the names of
    the channels, if they have any."""

    location: np.ndarray
    scale: np.ndarray
    longest: int
    embedding: dict
    encoders: list[SeriesEncoder]
    channel_names: list[Hashable] | None = None


class _PretrainedCloner(_CloneSkbase):
    """A clone keeps what pretraining learned, as that of a pretrained sktime forecaster does."""

    def _check(self, obj):
        return isinstance(obj, JumboClassifier) and hasattr(obj, "pretrained_")

    def _clone(self, obj):
        clone = super()._clone(obj)
        clone.pretrained_ = copy.deepcopy(obj.pretrained_)
        return clone


class JumboClassifier(BudgetAtHand, SafeSaving, BaseClassifier):
    """Classifies series by a committee of two: a small transformer, by its one wide token and the mean of its patches,
    and a linear classifier of fixed convolutions (those of MiniRocket and Hydra).

    On few series the convolutions are hard to beat, and are fitted in closed form in seconds; what the transformer adds
    is measured on series held out, and it has as large a share of the scores as serves there, often none
    (``networks_[0].share``). Either way ``predict_proba`` gives probabilities that are calibrated on series left out.
    Series may be multivariate, of unequal lengths, and have missing values (NaN).

    Parameters
    ----------
    patch_length, patch_stride : int, optional
        Steps in a patch, and from one to the next. Default: such that the longest series has about 32 patches, which
        overlap by half.
    embed_dim, depth, num_heads, jumbo_multiplier : int
        Width of a patch token, blocks, attention heads, and width of the wide token in patch tokens.
    num_kernels : int
        About so many features of fixed convolutions that are classified in closed form beside the network (see
        ``ConvolutionFeatures``); 0 leaves the network to itself.
    normalisation : {"none", "standard", "last", "difference"}
        Of each series by itself, after all were brought to one scale by mean and deviation of the training set. With
        "none" level and size of a series can tell its class.
    keep_rate : float
        Share of the patches that go on after a quarter, a half and three quarters of the encoder's blocks, those that
        the wide token attends to most; the others go on as one (see ``jumbo_backbone.ComputeBudget``). Below 1, the
        probabilities of series of unequal lengths depend a little on which are classified together.
    elastic : bool or dict, optional
        Train one network for many compute budgets, for ``set_budget`` to choose from: up to four of them in each step,
        so that it takes up to four times as long (True, or arguments of ``jumbo_backbone.ElasticBudgets``, such as
        ``dict(keep_rates=(0.5, 0.7), resolutions=(0.5,))``).
    token_dropping : tuple of two floats, optional
        Shares of the patches that are dropped at random when training begins and when it ends, such as (0.9, 0.1).
    dropout, head_dropout, drop_path_rate : float
        In the encoder, before the head, and of whole residual branches.
    label_smoothing : float
        Share of the target that is spread over all classes.
    class_weight : "balanced", dict or None
        Weight of each class in the loss: inversely to its frequency, as given by label, or none.
    pretrain_epochs : int
        Epochs of ``pretrain``.
    frozen_epochs : int
        First epochs of ``fit`` that leave a pretrained encoder as it is.
    max_epochs : int
        At most so many epochs.
    learning_rate, weight_decay : float
        Of AdamW.
    validation : float
        Share of the training series, of each class alike, that at first is not trained on but tells when to stop and
        which share the transformer should have. 0 trains on all of them for all epochs, and both have the same share.
    patience : int
        Epochs without improvement on the validation series.
    n_members : int
        Networks of different seeds whose probabilities are averaged.
    committee : {"kernels", "budgets", "seeds"}, list of dict or None
        Ask for little at first, and for more only about the series of which the answer is not sure enough
        (``predict_stage`` tells which). How sure is enough is calibrated in ``fit``, on series not learned from: those
        of ``validation``, or where the transformer has no say all, each left out. "kernels": first the convolutions of
        MiniRocket alone, then everything. A list of budgets, each with arguments of ``jumbo_backbone.ComputeBudget``:
        first the transformer alone at each of them, then everything as without a committee; best with ``elastic``.
        "budgets": ``[dict(keep_rate=0.5, resolution=0.5)]``. "seeds": one of ``n_members`` networks after another, an
        answer being the mean of those asked. None: everything, always.
    committee_target : "last" or float
        Accuracy that a committee is to have on the series it is calibrated on: that of everything, or a number from
        0 to 1.
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
    history_ : list of History
        Of each member's training.
    calibration_ : jumbo_backbone.Calibration
        Of a committee: its thresholds, what each member costs (FLOPs of one series, beyond what those before it have
        computed), and how many series leave with each.
    pretrained_ : Pretrained
        After ``pretrain``: the encoders, and the units in which they read.

    Raises
    ------
    ValueError, TypeError
        In the constructor, for parameters out of range; in ``fit`` and ``predict``, for infinite values; in
        ``predict``, and in ``fit`` after ``pretrain``, for another number of channels; in ``fit``, if there are too few
        series to calibrate a committee on, or it does not reach its target.

    Examples
    --------
    >>> from sktime.datasets import load_unit_test
    >>> from timeseries import JumboClassifier
    >>> X, y = load_unit_test(split="train", return_X_y=True)
    >>> JumboClassifier(max_epochs=1, random_state=0).fit(X, y).predict(X[:3]).shape
    (3,)
    """

    _tags = {
        "authors": "Jumbo developers",
        "maintainers": "Jumbo developers",
        "python_dependencies": "torch",
        "X_inner_mtype": ["pd-multiindex", "numpy3D"],
        "capability:multivariate": True,
        "capability:unequal_length": True,
        "capability:missing_values": True,
        "capability:predict_proba": True,
        "capability:class_weight": True,
        "capability:random_state": True,
        "property:randomness": "derandomized",
    }

    def __init__(
        self,
        patch_length=None,
        patch_stride=None,
        embed_dim=64,
        depth=3,
        num_heads=4,
        jumbo_multiplier=4,
        num_kernels=10_000,
        normalisation="none",
        keep_rate=1.0,
        elastic=None,
        token_dropping=None,
        dropout=0.1,
        head_dropout=0.2,
        drop_path_rate=0.1,
        label_smoothing=0.1,
        class_weight=None,
        pretrain_epochs=30,
        frozen_epochs=5,
        max_epochs=20,
        learning_rate=1e-3,
        weight_decay=5e-2,
        validation=0.25,
        patience=10,
        n_members=1,
        committee=None,
        committee_target="last",
        device="auto",
        random_state=None,
        verbose=0,
        callbacks=None,
    ):
        self.patch_length = patch_length
        self.patch_stride = patch_stride
        self.embed_dim = embed_dim
        self.depth = depth
        self.num_heads = num_heads
        self.jumbo_multiplier = jumbo_multiplier
        self.num_kernels = num_kernels
        self.normalisation = normalisation
        self.keep_rate = keep_rate
        self.elastic = elastic
        self.token_dropping = token_dropping
        self.dropout = dropout
        self.head_dropout = head_dropout
        self.drop_path_rate = drop_path_rate
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
        self.pretrain_epochs = pretrain_epochs
        self.frozen_epochs = frozen_epochs
        self.max_epochs = max_epochs
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.validation = validation
        self.patience = patience
        self.n_members = n_members
        self.committee = committee
        self.committee_target = committee_target
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks
        super().__init__()

    def __post_init__(self):
        for name in ("patch_length", "patch_stride"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name), "steps")
        for name in ("embed_dim", "depth", "num_heads", "jumbo_multiplier", "max_epochs", "n_members", "patience"):
            check_count(name, getattr(self, name))
        check_count("pretrain_epochs", self.pretrain_epochs)
        for name in ("frozen_epochs", "num_kernels"):
            check_count(name, getattr(self, name), least=0)
        check_choice("normalisation", self.normalisation, NORMALISATIONS)
        ComputeBudget(self.keep_rate)  # checks it
        training_plan(self.keep_rate, self.elastic, self.token_dropping)  # checks them
        for name in ("dropout", "head_dropout", "drop_path_rate", "label_smoothing", "validation"):
            check_share(name, getattr(self, name))
        if not (self.class_weight in (None, "balanced") or isinstance(self.class_weight, dict)):
            raise ValueError(
                f"class_weight {self.class_weight!r}: give 'balanced', a dict of weights by label, or None"
            )
        check_committee(
            self.committee,
            self.committee_target,
            num_kernels=self.num_kernels,
            n_members=self.n_members,
            validation=self.validation,
        )

    # ---- what is given

    def fit(self, X, y):
        """Fit to labelled series.

        Parameters
        ----------
        X : in any format of sktime's panels
            The series (n of them).
        y : np.ndarray, pd.Series or pd.DataFrame
            Their labels (n,), which have an order: of numbers, texts, times, … Those with the names of the series for
            index are put in their order. Of a table, each column is a classification of its own.

        Returns
        -------
        self

        Raises
        ------
        TypeError
            If X is a single series or holds what are no numbers; if y is no array or table, or of labels of several
            kinds.
        ValueError
            If X is empty, holds a series without any observed value, infinite values, two rows of one time, or series
            of other channels than the first; if labels are missing.
        """
        X = checked_panel(X)
        return super().fit(X, checked_labels(y, X))

    def _check_convert_X_for_predict(self, X):
        return super()._check_convert_X_for_predict(checked_panel(X))

    def _arrays_as_fitted(self, X: np.ndarray | pd.DataFrame) -> list[np.ndarray]:
        """Series (T, C) of a panel, their channels in the order that was fitted."""
        arrays = _arrays(in_order(X, self.channel_names_))
        self._check_channels(arrays[0])
        if unseen := _without_values(arrays):
            warnings.warn(
                f"{len(unseen)} series have no observed value, the first is series {unseen[0]}, counted from 0: their "
                "classes are guesses",
                UserWarning,
                stacklevel=4,
            )
        return arrays

    # ---- fitting

    def _fit(self, X, y):
        device = pick_device(self.device)
        arrays = self._arrays_to_learn_from(X)
        if unseen := _without_values(arrays):
            raise ValueError(
                f"{len(unseen)} series have no observed value, the first is series {unseen[0]}, counted from 0: leave "
                "them out of fit"
            )
        self._measure(arrays)
        data = self._tensors(arrays)
        labels = torch.as_tensor(np.searchsorted(self.classes_, y))
        weights = self._class_weights(labels)
        self.networks_, self.history_, unseen = [], [], []
        seeds = draw_seeds(self.random_state, self.n_members)
        split = None
        if self.committee == "seeds":  # what no member has learned from is there to calibrate on
            split = stratified(labels, self.validation, torch.Generator().manual_seed(seeds[0]))
        for number, seed in enumerate(seeds):
            title = "training" if self.n_members == 1 else f"member {number + 1} of {self.n_members}"
            fitted = self._train(data, labels, weights, seed, device, title, split)
            self.networks_.append(fitted.network)
            self.history_.append(fitted.history)
            unseen.append(fitted.unseen)
        if self.committee is not None:
            example = Batch(torch.zeros(1, self.channels_, self.longest_), None)
            self.calibration_ = calibrated(
                self.networks_, self.committee, unseen, labels, self.committee_target, example
            )
        return self

    def pretrain(self, X):
        """Learn from series without labels: the encoder reconstructs masked patches (PatchTST, section 3.2).

        ``fit`` then starts from this encoder. What was learned survives ``fit``, ``reset``, ``set_params`` and
        ``clone``; a second call goes on from the first.

        Parameters
        ----------
        X : in any format of sktime's panels
            They need not be those of ``fit``, but have as many channels.

        Returns
        -------
        self : not fitted.

        Raises
        ------
        ValueError
            For infinite values, and after a first call, for another number of channels or another size of the network.
        """
        self.reset()
        device = pick_device(self.device)
        X = convert_to(checked_panel(X), self.get_tag("X_inner_mtype"), as_scitype="Panel")
        arrays = self._arrays_to_learn_from(X)
        self._measure(arrays)
        data = self._tensors(arrays)

        def batches(generator: torch.Generator, steps: int) -> Iterator[Batch]:
            for rows in shuffled(torch.arange(len(data)), BATCH)(generator, steps):
                yield pad_together([data[i] for i in rows.tolist()], device)

        schedule = self._schedule(self.pretrain_epochs, steps_of(len(data)))
        encoders, self.history_ = [], []
        for number, seed in enumerate(draw_seeds(self.random_state, self.n_members)):
            with seeded(seed):
                encoder = SeriesEncoder(self.channels_, **self._embedding())
            self._start_pretrained(encoder, number)
            title = "pretraining" if self.n_members == 1 else f"member {number + 1} of {self.n_members}"
            options = dict(verbose=self.verbose, callbacks=self.callbacks or (), title=title)
            self.history_.append(pretrain_encoder(encoder, batches, schedule, seed=seed, device=device, **options))
            encoders.append(encoder)
        self.pretrained_ = Pretrained(
            self.location_, self.scale_, self.longest_, self._embedding(), encoders, self.channel_names_
        )
        return self

    def reset(self):
        """As for every sktime estimator, but what pretraining learned stays: ``fit`` resets, too."""
        pretrained = getattr(self, "pretrained_", None)
        super().reset()
        if pretrained is not None:
            self.pretrained_ = pretrained
        return self

    @classmethod
    def _get_clone_plugins(cls):
        return [_PretrainedCloner]

    def _arrays_to_learn_from(self, X: np.ndarray | pd.DataFrame) -> list[np.ndarray]:
        """Series (T, C) of a panel, whose channels are to be known by name."""
        start = getattr(self, "pretrained_", None)
        known = None if start is None else start.channel_names
        self.channel_names_ = names_of(X) if known is None else known
        return _arrays(in_order(X, known))

    def _measure(self, arrays: list[np.ndarray]) -> None:
        """Units and patches, by the series to learn from, or as they were when pretraining."""
        start = getattr(self, "pretrained_", None)
        if start is None:
            self.location_, self.scale_ = mean_and_spread(np.concatenate(arrays))
            self.longest_ = max(len(a) for a in arrays)
        else:
            self.location_, self.scale_, self.longest_ = start.location, start.scale, start.longest
        self.channels_ = len(self.location_)
        self.patch_length_, self.patch_stride_ = self._patches(self.longest_)
        if start is not None:
            self._check_pretrained(start, arrays[0].shape[1])

    def _check_pretrained(self, start: Pretrained, channels: int) -> None:
        if channels != self.channels_:
            raise ValueError(
                f"pretrained on series of {self.channels_} channels, now they have {channels}: give the same ones, or "
                "a new classifier"
            )
        now = self._embedding()
        if changed := [k for k, v in start.embedding.items() if now[k] != v and k not in _FREE]:
            was, is_now = ({k: e[k] for k in changed} for e in (start.embedding, now))
            raise ValueError(f"pretrained with {was}, now there is {is_now}: pretrain a new classifier with these")

    def _start_pretrained(self, encoder: SeriesEncoder, number: int) -> list[nn.Parameter]:
        """Give a member's encoder the weights that were pretrained, if any were: its parameters, else none."""
        start = getattr(self, "pretrained_", None)
        if start is None:
            return []
        encoder.load_state_dict(start.encoders[number % len(start.encoders)].state_dict())
        return list(encoder.parameters())

    def _patches(self, longest: int) -> tuple[int, int]:
        P = min(self.patch_length or max(2, math.ceil(longest / 16)), longest)
        return P, min(self.patch_stride or max(1, P // 2), P)

    def _build(self) -> ClassifierNet:
        return ClassifierNet(
            self.channels_,
            len(self.classes_),
            num_kernels=self.num_kernels,
            kernels_first=KERNELS in stages_of(self.committee),
            head_drop_rate=self.head_dropout,
            **self._embedding(),
        )

    def _embedding(self) -> dict:
        """Arguments of ``SeriesEncoder``."""
        return dict(
            length=self.longest_,
            patch_length=self.patch_length_,
            patch_stride=self.patch_stride_,
            normalisation=self.normalisation,
            embed_dim=self.embed_dim,
            depth=self.depth,
            num_heads=self.num_heads,
            jumbo_multiplier=self.jumbo_multiplier,
            keep_rate=self.keep_rate,
            proj_drop_rate=self.dropout,
            drop_path_rate=self.drop_path_rate,
        )

    def _train(self, data, labels, weights, seed, device, title, split):
        def build() -> tuple[ClassifierNet, list[nn.Parameter]]:
            network = self._build()
            return network, self._start_pretrained(network.encoder, len(self.networks_))

        return fit_network(
            build,
            data,
            labels,
            weights,
            self._schedule(self.max_epochs),
            validation=self.validation,
            label_smoothing=self.label_smoothing,
            seed=seed,
            device=device,
            plan=training_plan(self.keep_rate, self.elastic, self.token_dropping),
            stages=stages_of(self.committee),
            split=split,
            verbose=self.verbose,
            callbacks=self.callbacks or (),
            title=title,
        )

    def _schedule(self, epochs: int, steps: int = 1) -> Schedule:
        return Schedule(
            epochs=epochs,
            steps=steps,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            patience=self.patience,
            frozen_epochs=self.frozen_epochs,
        )

    def _class_weights(self, labels: torch.Tensor) -> torch.Tensor:
        K = len(self.classes_)
        if self.class_weight is None:
            return torch.ones(K)
        if self.class_weight == "balanced":
            return len(labels) / (K * torch.bincount(labels, minlength=K)).float()
        if absent := [c for c in self.classes_ if c not in self.class_weight]:
            raise ValueError(f"class_weight has no weight for {absent}: give one for each of {list(self.classes_)}")
        return torch.tensor([float(self.class_weight[c]) for c in self.classes_])

    def _outputs(self) -> list["JumboClassifier"] | None:
        """Of a table of labels, the classifier of each column; None of one column."""
        return list(self.classifiers_.iloc[0]) if self._is_vectorized else None

    # ---- predicting

    def _predict_proba(self, X) -> np.ndarray:
        device = pick_device(self.device)
        arrays = self._arrays_as_fitted(X)
        data = self._tensors(arrays)
        if self.committee is None:
            return probabilities(self.networks_, data, device).numpy()
        return routed(self._cascade(), data, device)[0].numpy()

    def predict_stage(self, X):
        """Which stage of the committee answers each series.

        Parameters
        ----------
        X : in any format of sktime's panels

        Returns
        -------
        np.ndarray of int (n,)
            From 0, the first that is asked; all 0 without a committee.

        Raises
        ------
        ValueError
            For another number of channels than that fitted, and for infinite values.
        """
        self.check_is_fitted()
        X = self._check_convert_X_for_predict(X)
        if self.committee is None or len(self.classes_) == 1:
            return np.zeros(len(_arrays(X)), dtype=np.int64)
        self._check_has_network()
        return routed(self._cascade(), self._tensors(self._arrays_as_fitted(X)), pick_device(self.device))[1].numpy()

    def _cascade(self) -> Cascade:
        return self.calibration_.apply(cascade_of(self.networks_, self.committee))

    def plot_attention(self, series, block=-1, ax=None):
        """Draw one series and which of its patches the wide token looked at.

        Parameters
        ----------
        series : in any format of sktime's panels, or np.ndarray (C, T) or (T,)
            Of a panel, the first series is drawn.
        block : int
            Block of the encoder, negative from the end. Of several members, the mean of theirs is drawn.
        ax : matplotlib axes, optional
            New ones if None.

        Returns
        -------
        The axes.

        Raises
        ------
        ValueError
            If the series has other channels than those fitted, or there is no such block.
        """
        array, x = self._one(series)
        attention = torch.stack([n.encoder.attention(*x, block=block)[0] for n in self.networks_]).mean(dim=0).numpy()
        return plot_attention(array, self._spans(len(array), len(attention)), attention, ax)

    def plot_kept(self, series, keep_rate, ax=None):
        """Draw one series and which of its patches are kept at a keep rate.

        Parameters
        ----------
        series : in any format of sktime's panels, or np.ndarray (C, T) or (T,)
            Of a panel, the first series is drawn.
        keep_rate : float
            As in the constructor. Of several members, the mean of theirs is drawn.
        ax : matplotlib axes, optional
            New ones if None.

        Returns
        -------
        The axes.

        Raises
        ------
        ValueError
            If the series has other channels than those fitted, or the rate is out of range.
        """
        array, x = self._one(series)
        budget = ComputeBudget(keep_rate)
        depths = torch.stack([n.encoder.patch_depths(*x, budget)[0] for n in self.networks_]).float().mean(dim=0)
        return plot_kept(array, self._spans(len(array), len(depths)), (depths / self.depth).numpy(), ax)

    def _one(self, series) -> tuple[np.ndarray, Batch]:
        """The first series of what was given (T, C), and as the networks read it."""
        self.check_is_fitted()
        self._check_has_network()
        if isinstance(series, np.ndarray) and series.ndim < 3:
            series = series.reshape(1, -1, series.shape[-1])
        panel = convert_to(checked_panel(series), self.get_tag("X_inner_mtype"), as_scitype="Panel")
        array = self._arrays_as_fitted(panel)[0]
        return array, pad_together(self._tensors([array]), torch.device("cpu"))

    def _spans(self, length: int, patches: int) -> list[tuple[int, int]]:
        """First step of each patch and the one after its last."""
        starts = np.arange(patches) * self.patch_stride_
        return [(s, min(s + self.patch_length_, length)) for s in starts.tolist()]

    def _check_has_network(self) -> None:
        if self._is_vectorized:
            raise ValueError(
                f"fitted on {len(self._outputs())} columns of labels: ask the classifier of one, in classifiers_"
            )
        if not hasattr(self, "networks_"):
            raise ValueError(f"fitted on series of one class, {self.classes_[0]}: there is no network to ask")

    def _check_channels(self, array: np.ndarray) -> None:
        if array.shape[1] != self.channels_:
            raise ValueError(f"series of {array.shape[1]} channels, fitted on series of {self.channels_}")

    def _tensors(self, arrays: list[np.ndarray]) -> list[torch.Tensor]:
        """Float32 (C, T) each, in units of the training set."""
        return [torch.from_numpy(((a - self.location_) / self.scale_).T.astype(np.float32)) for a in arrays]

    # ---- saving

    def _saved_state(self):
        start = getattr(self, "pretrained_", None)
        state = dict(
            outputs=None if (parts := self._outputs()) is None else [part._saved_state() for part in parts],
            classes=self.classes_,
            y_metadata=plain_metadata(self._y_metadata),
            y_store=self._converter_store_y,
            y_inner_mtype=self._y_inner_mtype,
            pretrained=None if start is None else start._asdict() | dict(encoders=weights_of(start.encoders)),
            networks=None,
        )
        if not hasattr(self, "networks_"):
            return state
        return state | dict(
            networks=weights_of(self.networks_),
            budget=self._budget_as_json(),
            calibration=None if self.committee is None else self.calibration_.to_json(),
            location=self.location_,
            scale=self.scale_,
            longest=self.longest_,
            patch=(self.patch_length_, self.patch_stride_),
            channel_names=self.channel_names_,
        )

    def _restore_state(self, state):
        self.classes_ = state["classes"]
        self.n_classes_ = len(self.classes_)
        self._class_dictionary = {c: i for i, c in enumerate(self.classes_)}
        # what sktime looks at to predict
        self._y_metadata, self._converter_store_y = state["y_metadata"], state["y_store"]
        self._y_inner_mtype = state["y_inner_mtype"]
        self._is_fitted = True
        if (start := state["pretrained"]) is not None:
            channels = len(start["location"])
            encoders = [with_weights(SeriesEncoder, w, channels, **start["embedding"]) for w in start["encoders"]]
            self.pretrained_ = Pretrained(**start | dict(encoders=encoders))
        if state["outputs"] is not None:
            self._restore_outputs(state["outputs"])
        if state["networks"] is None:
            return
        self.location_, self.scale_ = state["location"], state["scale"]
        self.channels_, self.channel_names_ = len(self.location_), state["channel_names"]
        self.longest_, (self.patch_length_, self.patch_stride_) = state["longest"], state["patch"]
        self.networks_, self.history_ = [with_weights(self._build, w) for w in state["networks"]], []
        self.set_budget(**state["budget"])
        if self.committee is not None:
            self.calibration_ = Calibration.from_json(state["calibration"])

    def _restore_outputs(self, states: list[dict]) -> None:
        """A classifier of each column of labels, where sktime keeps them."""
        parts = [self.clone() for _ in states]
        for part, state in zip(parts, states, strict=True):
            part._restore_state(state)
        names = self._y_metadata["feature_names"]
        self._is_vectorized = True
        self._yvec = VectorizedDF([pd.DataFrame([range(len(names))], columns=names)], iterate_cols=True)
        self.classifiers_ = pd.DataFrame([parts], columns=self._yvec.get_iter_indices()[1])

    @classmethod
    def get_test_params(cls, parameter_set="default"):
        """Small settings for sktime's tests."""
        small = dict(
            embed_dim=4, num_heads=2, depth=1, jumbo_multiplier=2, max_epochs=1, num_kernels=84, random_state=0
        )
        return [
            small,
            dict(small, patch_length=4, patch_stride=2, normalisation="standard", n_members=2, num_kernels=0),
            dict(small, class_weight="balanced", label_smoothing=0.0, validation=0.0),
            dict(small, committee="kernels"),
        ]


def _without_values(arrays: list[np.ndarray]) -> list[int]:
    """Numbers of the series of which nothing was observed."""
    return [n for n, array in enumerate(arrays) if np.isnan(array).all()]


def _arrays(X: np.ndarray | pd.DataFrame) -> list[np.ndarray]:
    """Series (T, C) of sktime's "numpy3D" or "pd-multiindex" format, NaN where nothing was observed."""
    tables = X.astype(np.float64).transpose(0, 2, 1) if isinstance(X, np.ndarray) else even_values(X)
    for table in tables:
        check_finite(table)
    return list(tables)
