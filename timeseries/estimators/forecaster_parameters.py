"""The parameters of JumboForecaster: their defaults, their checks, and the tags that tell sktime what it can do."""

from pathlib import Path

from ..checks import check_choice, check_count
from ..data.timeline import check_freq
from ..fitting.forecasting import LOSSES
from ..networks.network import ForecastNet
from ..networks.patching import NORMALISATIONS
from .base import JumboEstimator
from .sktime_bases import TimelineForecaster

PRETRAININGS = ("forecast", "masked")
SUPPORTS = ("auto", "real", "nonnegative")


class ForecasterParameters(JumboEstimator, TimelineForecaster):
    """A forecaster that holds checked parameters. Their meaning is in the docstring of ``JumboForecaster``."""

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
        "capability:categorical_in_X": True,
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

    networks_: list[ForecastNet]

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
        encoder=None,
        pretrained="synthetic",
        support="auto",
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
        self.encoder = encoder
        self.pretrained = pretrained
        self.support = support
        super().__init__()

    def __post_init__(self):
        for name in ("context_length", "horizon"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name), "steps")
        self._check_shared(NORMALISATIONS[1:])
        if self.pretrain_epochs is not None:
            check_count("pretrain_epochs", self.pretrain_epochs)
        check_choice("pretraining", self.pretraining, PRETRAININGS)
        check_choice("loss", self.loss, LOSSES)
        check_choice("support", self.support, SUPPORTS)
        if self.pretrained is not None and not isinstance(self.pretrained, (str, Path)):
            raise TypeError(
                f"pretrained {self.pretrained!r}: give 'synthetic', None, the path of a file, or the name of a "
                "repository on the hub"
            )
        levels = list(self.quantiles)
        if levels != sorted(set(levels)) or 0.5 not in levels or not 0 < levels[0] <= levels[-1] < 1:
            raise ValueError(f"quantiles {self.quantiles!r}: give rising numbers between 0 and 1, including 0.5")
        check_freq(self.freq)
        if self.validation < 0 or (isinstance(self.validation, float) and self.validation >= 1):
            raise ValueError(f"validation {self.validation!r}: give a fraction from 0 to below 1, or a number of steps")

    @classmethod
    def get_test_params(cls, parameter_set="default"):
        """Small settings for sktime's tests."""
        small = dict(embed_dim=4, num_heads=2, depth=1, jumbo_multiplier=2, max_epochs=1, random_state=0)
        other = dict(
            context_length=6, patch_length=3, patch_stride=2, normalisation="difference", affine=True, loss="mse"
        )
        return [
            small,
            dict(small, **other, insample=True, validation=0, past_covariates="all", keep_rate=0.5, pretrained=None),
        ]
