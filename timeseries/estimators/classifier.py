"""JumboClassifier: classification of series with the Jumbo encoder, as an sktime estimator."""

import warnings

import numpy as np
import pandas as pd
import torch
from sktime.datatypes import convert_to

from jumbo_backbone import Cascade, ComputeBudget
from jumbo_backbone.device import pick_device

from ..data.windows import Batch, mean_and_spread
from ..fitting.classification import probabilities, routed
from ..fitting.committee import calibrated, cascade_of
from ..networks.network import ClassifierNet
from .classifier_learning import (
    Members,
    Pretrained,
    arrays_of,
    build_network,
    class_weights,
    patches_of,
    without_values,
)
from .classifier_parameters import ClassifierParameters
from .classifier_pictures import as_read, patch_spans
from .classifier_saving import restore, state_of
from .labelled import checked_panel, in_order, names_of
from .plotting import plot_attention, plot_kept


class JumboClassifier(ClassifierParameters):
    """Classifies series by a committee of two: a small transformer, by its Jumbo token (one wide token) and the mean of
    its patches, and a linear classifier of fixed convolutions (those of MiniRocket and Hydra).

    On few series the convolutions are hard to beat, and they are fitted in closed form in seconds. What the transformer
    adds is measured on held-out series, and it gets as large a share of the scores as helps there, often none
    (``networks_[0].share``). Either way ``predict_proba`` gives probabilities that are calibrated on series left out.
    Series may be multivariate, of unequal lengths, and have missing values (NaN).

    Parameters
    ----------
    patch_length, patch_stride : int, optional
        Steps in a patch, and from one to the next. Default: such that the longest series has about 32 patches, which
        overlap by half.
    embed_dim, depth, num_heads, jumbo_multiplier : int
        Width of a patch token, blocks, attention heads, and width of the Jumbo token in patch tokens.
    num_kernels : int
        About so many features of fixed convolutions that are classified in closed form beside the network (see
        ``ConvolutionFeatures``); 0 leaves the network to itself.
    normalisation : {"none", "standard", "last", "difference"}
        Of each series by itself, after all were brought to one scale by mean and deviation of the training set. With
        "none" level and size of a series can tell its class.
    keep_rate : float
        Share of the patches that go on after a quarter, a half and three quarters of the encoder's blocks: those that
        the Jumbo token attends to most. The others go on as one (see ``jumbo_backbone.ComputeBudget``). Below 1, the
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
        At most so many epochs. 0: no training. The convolutions, fitted in closed form, then classify alone, and the
        encoder stays as it began or was pretrained.
    learning_rate, weight_decay : float
        Of AdamW.
    validation : float
        Share of the training series, of each class alike, that at first is not trained on but tells when to stop and
        which share the transformer gets. 0 trains on all of them for all epochs, and both have the same share.
    patience : int
        Epochs without improvement on the validation series.
    n_members : int
        Networks of different seeds whose probabilities are averaged.
    committee : {"kernels", "budgets", "seeds"}, list of dict or None
        Compute little at first, and more only for the series whose answer is not yet sure enough (``predict_stage``
        tells which stage answered). ``fit`` calibrates how sure is enough on series not learned from: those of
        ``validation``, or, where the transformer has no share, all, each left out. "kernels": first the convolutions
        of MiniRocket alone, then everything. A list of budgets, each with arguments of
        ``jumbo_backbone.ComputeBudget``: first the transformer alone at each of them, then everything as without a
        committee; best with ``elastic``. "budgets": ``[dict(keep_rate=0.5, resolution=0.5)]``. "seeds": one of
        ``n_members`` networks after another, an answer being the mean of those asked. None: everything, always.
    committee_target : "last" or float
        Accuracy that a committee is to have on the series it is calibrated on: that of everything, or a number from
        0 to 1.
    device : str
        "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", … The fitted estimator keeps its weights on the CPU.
    random_state : int, RandomState or None
        Decides everything that is random here. Global generators are left as they are.
    verbose : int
        1 shows a progress bar. At 0 a fit of over ten seconds says first how long it may take (logger "timeseries").
    callbacks : list of callable, optional
        Each is called after every epoch with an ``Epoch``; training ends if one returns True.
    encoder : dict, optional
        Further arguments of ``jumbo_backbone.JumboEncoder``, for ablations. They come before parameters of the same
        name: ``dict(jumbo_ffn="patch", jumbo_multiplier=17)`` gives a class token and 16 registers, of which the head
        reads the class token alone.

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

    networks_: list[ClassifierNet]

    # ---- fitting

    def _fit(self, X, y):
        device = pick_device(self.device)
        arrays = self._arrays_to_learn_from(X)
        if unseen := without_values(arrays):
            raise ValueError(
                f"{len(unseen)} series have no observed value, the first is series {unseen[0]}, counted from 0: leave "
                "them out of fit"
            )
        self._measure(arrays)
        labels = torch.as_tensor(np.searchsorted(self.classes_, y))
        weights = class_weights(self.class_weight, self.classes_, labels)
        members = self._members(arrays, device).fitted(labels, weights)
        self.networks_, self.history_ = [m.network for m in members], [m.history for m in members]
        if self.committee is not None:
            example = Batch(torch.zeros(1, self.channels_, self.longest_), None)
            left_out = [m.unseen for m in members]
            self.calibration_ = calibrated(
                self.networks_, self.committee, left_out, labels, self.committee_target, example
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
        encoders, self.history_ = self._members(arrays, device).pretrained()
        self.pretrained_ = Pretrained(
            self.location_, self.scale_, self.longest_, self._embedding(), encoders, self.channel_names_
        )
        return self

    def _members(self, arrays: list[np.ndarray], device: torch.device) -> Members:
        start = getattr(self, "pretrained_", None)
        return Members(self, self._embedding(), start, self._tensors(arrays), device)

    def _measure(self, arrays: list[np.ndarray]) -> None:
        """Set units and patches, by the series to learn from, or as they were in pretraining."""
        start = getattr(self, "pretrained_", None)
        if start is None:
            self.location_, self.scale_ = mean_and_spread(np.concatenate(arrays))
            self.longest_ = max(len(a) for a in arrays)
        else:
            self.location_, self.scale_, self.longest_ = start.location, start.scale, start.longest
        self.channels_ = len(self.location_)
        self.patch_length_, self.patch_stride_ = patches_of(self.longest_, self.patch_length, self.patch_stride)
        if start is not None:
            start.check_same(arrays[0].shape[1], self._embedding())

    def _embedding(self) -> dict:
        """Arguments of ``SeriesEncoder``."""
        return dict(length=self.longest_) | self._series_encoder(self.patch_length_, self.patch_stride_)

    def _build(self) -> ClassifierNet:
        return build_network(self, self.channels_, len(self.classes_), self._embedding())

    def _parts(self) -> list["JumboClassifier"]:
        return self._outputs() or [self]

    # ---- arrays

    def _arrays_to_learn_from(self, X: np.ndarray | pd.DataFrame) -> list[np.ndarray]:
        """Series (T, C) of a panel, and the names of their channels, if they have any, or had in pretraining."""
        start = getattr(self, "pretrained_", None)
        known = None if start is None else start.channel_names
        self.channel_names_ = names_of(X) if known is None else known
        return arrays_of(in_order(X, known))

    def _arrays_as_fitted(self, X: np.ndarray | pd.DataFrame) -> list[np.ndarray]:
        """Series (T, C) of a panel, their channels in the order that was fitted."""
        arrays = arrays_of(in_order(X, self.channel_names_))
        if (channels := arrays[0].shape[1]) != self.channels_:
            raise ValueError(f"series of {channels} channels, fitted on series of {self.channels_}")
        if unseen := without_values(arrays):
            warnings.warn(
                f"{len(unseen)} series have no observed value, the first is series {unseen[0]}, counted from 0: their "
                "classes are guesses",
                UserWarning,
                stacklevel=4,
            )
        return arrays

    def _tensors(self, arrays: list[np.ndarray]) -> list[torch.Tensor]:
        """Float32 (C, T) each, in units of the training set."""
        return [torch.from_numpy(((a - self.location_) / self.scale_).T.astype(np.float32)) for a in arrays]

    # ---- predicting

    def _predict_proba(self, X: np.ndarray | pd.DataFrame) -> np.ndarray:
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
        X = self._checked_question(X)
        if self.committee is None or len(self.classes_) == 1:
            return np.zeros(len(arrays_of(X)), dtype=np.int64)
        self._check_has_network()
        return routed(self._cascade(), self._tensors(self._arrays_as_fitted(X)), pick_device(self.device))[1].numpy()

    def _cascade(self) -> Cascade:
        return self.calibration_.apply(cascade_of(self.networks_, self.committee))

    def _check_has_network(self) -> None:
        if parts := self._outputs():
            raise ValueError(f"fitted on {len(parts)} columns of labels: ask the classifier of one, in classifiers_")
        if not hasattr(self, "networks_"):
            raise ValueError(f"fitted on series of one class, {self.classes_[0]}: there is no network to ask")

    def plot_attention(self, series, block=-1, ax=None):
        """Draw one series and which of its patches the Jumbo token looked at.

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
        array, x = as_read(self, series)
        attention = torch.stack([n.encoder.attention(*x, block=block)[0] for n in self.networks_]).mean(dim=0).numpy()
        return plot_attention(array, patch_spans(self, len(array), len(attention)), attention, ax)

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
        array, x = as_read(self, series)
        budget, blocks = ComputeBudget(keep_rate), self.networks_[0].encoder.depth
        depths = torch.stack([n.encoder.patch_depths(*x, budget)[0] for n in self.networks_]).float().mean(dim=0)
        return plot_kept(array, patch_spans(self, len(array), len(depths)), (depths / blocks).numpy(), ax)

    # ---- saving

    def _saved_state(self):
        return state_of(self)

    def _restore_state(self, state):
        restore(self, state)
