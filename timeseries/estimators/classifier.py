"""JumboClassifier: classification of series with the Jumbo encoder, as an sktime estimator."""

import numpy as np
import pandas as pd
import torch
from sktime.datatypes import convert_to

from jumbo_backbone import Cascade
from jumbo_backbone.device import pick_device

from ..data.windows import Batch, mean_and_spread
from ..fitting.classification import probabilities, routed
from ..fitting.committee import SeriesClassifier, calibrated, cascade_of
from ..networks.series_reader import SeriesReader
from ..weights import load_reader
from .classifier_learning import (
    Members,
    Pretrained,
    build_closed,
    build_network,
    class_weights,
    patches_of,
)
from .classifier_parameters import ClassifierParameters
from .classifier_pictures import Pictures
from .classifier_saving import restore, state_of
from .labelled import checked_panel
from .panel_arrays import PanelArrays, arrays_of, check_values


class JumboClassifier(ClassifierParameters, PanelArrays, Pictures):
    """Classifies series by a linear classifier of three sets of features: those of a pretrained transformer with a
    Jumbo token (one wide token), and of fixed convolutions of two kinds (those of MiniRocket and Hydra).

    The transformer has learned to read synthetic series, and stays as it is. Everything else is fitted in closed form
    within seconds; how much each set counts is found by the scores of each training series when it is left out
    (``networks_[0].shares``). ``predict_proba`` gives probabilities that are calibrated on left-out series. Series may
    be multivariate, of unequal lengths, and have missing values (NaN).

    With ``pretrained=None`` it is an ensemble of two: a small transformer that is trained on the series, and a linear
    classifier of the convolutions. The transformer's share, its weight in the scores, is chosen on held-out series; on
    small problems it is often 0 (``networks_[0].share``). Parameters of the transformer's sizes and of its training are
    for this case alone; with pretrained weights they are refused.

    Args:
        patch_length, patch_stride (int, optional): Length of a patch, and distance from the start of one patch to the
            next, in steps. Default: the longest series has about 32 patches, which overlap by half.
        embed_dim, depth, num_heads, jumbo_multiplier (int): Width of a patch token; number of blocks; number of
            attention heads; slices in the Jumbo token, which is ``jumbo_multiplier * embed_dim`` wide.
        num_kernels (int): Approximate number of MiniRocket features (see ``ConvolutionFeatures``). 0: no convolutions,
            the transformer classifies alone.
        pretrained ("synthetic", str, Path or None): Weights of the transformer: those in the package ("synthetic"); a
            file that ``jumbo pretrain-series classify`` made; or a repository of the Hugging Face hub that holds such a
            classify.safetensors, as "user/name". None: the transformer is trained on the series, from random weights.
        normalisation ({"none", "standard", "last", "difference"}): How each series is normalised by its own values (see
            ``InstanceNorm``), after all were scaled by the mean and the deviation of the training set. With "none", the
            level and the size of a series can tell its class.
        keep_rate (float): Fraction of the patch tokens that is kept after a quarter, a half and three quarters of the
            encoder's blocks: those that the Jumbo token attends to most. The others are fused into one token (see
            ``jumbo_backbone.ComputeBudget``). Below 1, the probabilities of series of unequal lengths depend a little
            on which series are classified together.
        elastic (bool or dict, optional): Train one network for many compute budgets; choose one later with
            ``set_budget``. Each training step computes up to four budgets, so training takes up to four times as long.
            True, or arguments of ``jumbo_backbone.ElasticBudgets``, such as ``dict(keep_rates=(0.5, 0.7),
            resolutions=(0.5,))``.
        token_dropping (tuple of two floats, optional): Fraction of the patch tokens dropped at random at the beginning
            and at the end of training, such as (0.9, 0.1).
        dropout, head_dropout, drop_path_rate (float): Dropout rate in the encoder and before the head, and the rate at
            which whole residual branches are dropped.
        label_smoothing (float): Fraction of the target that is spread evenly over all classes.
        class_weight ("balanced", dict or None): Weight of each class in the loss: inverse to its frequency
            ("balanced"), by label (a dict), or 1 (None).
        pretrain_epochs (int): Epochs of ``pretrain``.
        frozen_epochs (int): A pretrained encoder stays fixed for this many first epochs of ``fit``.
        max_epochs (int): Most epochs. 0: no training; the convolutions classify alone, and the encoder keeps the
            weights it begins with.
        learning_rate, weight_decay (float): Of the optimiser, AdamW.
        validation (float): Fraction of the training series of each class that is held out at first. These decide when
            to stop training and set the transformer's share. With 0, all series are trained on for all epochs, and the
            share is 0.5.
        patience (int): Training stops after this many epochs without improvement on the validation series.
        n_members (int): Number of networks, trained from different seeds; their probabilities are averaged.
        committee ({"kernels", "budgets", "seeds"}, list of dict or None): A cascade: compute little at first, and more
            only for series whose answer is not sure enough yet. ``predict_stage`` tells which stage answered. ``fit``
            calibrates the thresholds on series that were not learned from: those of ``validation``, or, if the
            transformer's share is 0, all series, each scored as if it had been left out. "kernels": first MiniRocket's
            convolutions alone, then the whole classifier. A list of budgets, each a dict of arguments of
            ``jumbo_backbone.ComputeBudget``: first the transformer alone at each budget, then the whole classifier;
            best with ``elastic``. "budgets": the same as ``[dict(keep_rate=0.5, resolution=0.5)]``. "seeds": the
            ``n_members`` networks one after another, averaging those asked so far. None: compute everything.
        committee_target ("last" or float): Accuracy that the cascade has to reach on the series that it is calibrated
            on: that of the last stage ("last"), or a number from 0 to 1.
        device (str): "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", … The fitted estimator keeps its weights
            on the CPU.
        random_state (int, RandomState or None): Seed of all random numbers used here. The state of global random
            generators does not change.
        verbose (int): 1 shows a progress bar. At 0 a fit of over ten seconds says first how long it may take (logger
            "timeseries").
        callbacks (list of callable, optional): Each is called after every epoch with an ``Epoch``; training ends if one
            returns True.
        encoder (dict, optional): Further arguments of ``jumbo_backbone.JumboEncoder``, for ablations. They override
            parameters of the same name: ``dict(jumbo_ffn="patch", jumbo_multiplier=17)`` gives a class token and 16
            registers, and the head reads only the class token.

    Attributes:
        networks_ (list of torch.nn.Module): The members.
        history_ (list of History): The course of each member's training.
        calibration_ (jumbo_backbone.Calibration): With a committee: its thresholds; how many series leave at each
            stage; and the FLOPs that each stage adds.
        pretrained_ (Pretrained): After ``pretrain``: the encoders, and the mean and spread by which their series are
            scaled.

    Raises:
        FileNotFoundError: In ``fit``: if there are no such pretrained weights.
        ValueError, TypeError: In the constructor: for parameters out of range, or for a parameter of a transformer that
            is trained, without ``pretrained=None``. In ``fit``: for pretrained weights that are damaged or of another
            version. In ``fit`` and ``predict``: for infinite values. In ``predict``, and in ``fit`` after ``pretrain``:
            for another number of channels. In ``fit``: if there are too few series to calibrate a committee on, or if
            the committee does not reach its target.

    Examples:
        >>> from sktime.datasets import load_unit_test
        >>> from timeseries import JumboClassifier
        >>> X, y = load_unit_test(split="train", return_X_y=True)
        >>> JumboClassifier(random_state=0).fit(X, y).predict(X[:3]).shape
        (3,)
    """

    networks_: list[SeriesClassifier]

    # ---- fitting

    def _fit(self, X, y):
        device = pick_device(self.device)
        arrays = self._arrays_to_learn_from(X)
        check_values(arrays)
        self._measure(arrays)
        self.reader_ = None if self.pretrained is None else load_reader(self.pretrained).sizes
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

        Args:
            X (in any format of sktime's panels): They need not be the series of ``fit``, but must have the same number
                of channels.

        Returns:
            Self: This classifier, still not fitted.

        Raises:
            ValueError: For infinite values, and without ``pretrained=None``. In a second call: for another number of
                channels, or another size of the network.
        """
        self.reset()
        if self.pretrained is not None:
            raise ValueError(
                f"pretrain trains an encoder from random weights, and pretrained={self.pretrained!r} gives one: give "
                "pretrained=None with it"
            )
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
        """Set the scaling and the patches by the series to learn from, or as they were in pretraining."""
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

    def _build(self) -> SeriesClassifier:
        if self.reader_ is not None:
            return build_closed(self, SeriesReader(**self.reader_), self.channels_, len(self.classes_), self.longest_)
        return build_network(self, self.channels_, len(self.classes_), self._embedding())

    def _parts(self) -> list["JumboClassifier"]:
        return self._outputs() or [self]

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

        Args:
            X (in any format of sktime's panels): The series (n).

        Returns:
            np.ndarray of int (n,): Counted from 0, the first stage asked. All 0 without a committee.

        Raises:
            ValueError: For another number of channels than in ``fit``, and for infinite values.
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
            raise ValueError(f"fitted on {len(parts)} columns of labels: use the classifier of one, in classifiers_")
        if not hasattr(self, "networks_"):
            raise ValueError(f"fitted on one class, {self.classes_[0]}: there is no network; fit on two classes")

    # ---- saving

    def _saved_state(self):
        return state_of(self)

    def _restore_state(self, state):
        restore(self, state)
