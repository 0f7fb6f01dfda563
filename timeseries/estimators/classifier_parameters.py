"""The parameters of JumboClassifier: their defaults, their checks, and the tags that tell sktime what it can do."""

import inspect

from ..checks import check_count, check_share
from ..fitting.committee import check_committee
from ..networks.patching import NORMALISATIONS
from .base import JumboEstimator
from .pretrained_reader import check_pretrained
from .sktime_bases import LabelClassifier

_OF_TRAINING = (
    "patch_length",
    "patch_stride",
    "embed_dim",
    "depth",
    "num_heads",
    "jumbo_multiplier",
    "normalisation",
    "elastic",
    "token_dropping",
    "dropout",
    "head_dropout",
    "drop_path_rate",
    "label_smoothing",
    "frozen_epochs",
    "max_epochs",
    "learning_rate",
    "weight_decay",
    "patience",
    "encoder",
)  # what a pretrained encoder, which stays as it is, does not ask for


class ClassifierParameters(JumboEstimator, LabelClassifier):
    """A classifier that holds checked parameters. Their meaning is in the docstring of ``JumboClassifier``."""

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

    _before = dict(pretrained=None)
    pretrain_epochs: int

    def __init__(
        self,
        patch_length=None,
        patch_stride=None,
        embed_dim=64,
        depth=3,
        num_heads=4,
        jumbo_multiplier=4,
        num_kernels=10_000,
        pretrained="synthetic",
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
        encoder=None,
    ):
        self.patch_length = patch_length
        self.patch_stride = patch_stride
        self.embed_dim = embed_dim
        self.depth = depth
        self.num_heads = num_heads
        self.jumbo_multiplier = jumbo_multiplier
        self.num_kernels = num_kernels
        self.pretrained = pretrained
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
        self.encoder = encoder
        super().__init__()

    def __post_init__(self):
        self._check_shared(NORMALISATIONS)
        check_count("pretrain_epochs", self.pretrain_epochs)
        check_count("num_kernels", self.num_kernels, least=0)
        for name in ("label_smoothing", "validation"):
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
            learns=self.pretrained is not None or self.max_epochs > 0,
        )
        self._check_pretrained()
        if self.pretrained is None and not self.max_epochs and not self.num_kernels:
            raise ValueError(
                "max_epochs=0 trains no network and num_kernels=0 fits no convolutions, so nothing learns the classes: "
                "give a positive number for one of them"
            )

    def _check_pretrained(self) -> None:
        if self.pretrained is None:
            return
        check_pretrained(self.pretrained, self.keep_rate)
        usual = inspect.signature(ClassifierParameters.__init__).parameters
        for name in _OF_TRAINING:
            if (value := getattr(self, name)) != usual[name].default:
                raise ValueError(
                    f"{name}={value!r} is for an encoder that is trained on your series, and pretrained="
                    f"{self.pretrained!r} gives one that is kept as it is: give pretrained=None with it"
                )

    @classmethod
    def get_test_params(cls, parameter_set="default"):
        """Small settings for sktime's tests."""
        small = dict(
            embed_dim=4,
            num_heads=2,
            depth=1,
            jumbo_multiplier=2,
            max_epochs=1,
            num_kernels=84,
            pretrained=None,
            random_state=0,
        )
        return [
            small,
            dict(small, patch_length=4, patch_stride=2, normalisation="standard", n_members=2, num_kernels=0),
            dict(small, class_weight="balanced", label_smoothing=0.0, validation=0.0),
            dict(small, committee="kernels"),
            dict(num_kernels=84, random_state=0),
        ]
