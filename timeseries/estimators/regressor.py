"""JumboRegressor: numbers from whole series, by the features of a pretrained encoder, as an sktime estimator."""

import numpy as np
import pandas as pd
import torch

from jumbo_backbone.device import pick_device

from ..checks import check_count
from ..data.windows import mean_and_spread, pad_together
from ..fitting.classification import outputs
from ..fitting.training import draw_seeds, seeded
from ..networks.closed_net import ClosedNet
from .labelled import checked_panel
from .panel_arrays import PanelArrays, check_values
from .pretrained_reader import channel_features, check_pretrained
from .sktime_bases import NumberRegressor


class JumboRegressor(PanelArrays, NumberRegressor):
    """Estimates a number for each series by ridge regression on three sets of features: those of a pretrained
    transformer with a Jumbo token (one wide token), and of fixed convolutions of two kinds (those of MiniRocket and
    Hydra).

    Everything is fitted in closed form within seconds; how much each set counts is found by the errors for each
    training series when it is left out (``network_.shares``). Series may be multivariate, of unequal lengths, and have
    missing values (NaN).

    Args:
        num_kernels (int): Approximate number of MiniRocket features (see ``ConvolutionFeatures``). 0: no convolutions.
        pretrained ("synthetic", str or Path): Weights of the transformer, as in ``JumboClassifier``.
        keep_rate (float): Fraction of the patch tokens that is kept after a quarter, a half and three quarters of the
            blocks.
        device (str): "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", … The fitted estimator keeps its weights
            on the CPU.
        random_state (int, RandomState or None): Seed of the random kernels.

    Attributes:
        network_ (torch.nn.Module): What computes features and estimates.

    Raises:
        FileNotFoundError: In ``fit``: if there are no such pretrained weights.
        ValueError, TypeError: In the constructor: for parameters out of range. In ``fit``: for pretrained weights that
            are damaged or of another version, and for series without values. In ``fit`` and ``predict``: for infinite
            values. In ``predict``: for another number of channels.

    Examples:
        >>> from sktime.datasets import load_unit_test
        >>> from timeseries import JumboRegressor
        >>> X, _ = load_unit_test(split="train", return_X_y=True)
        >>> y = [max(series) for series in X.iloc[:, 0]]
        >>> import numpy as np
        >>> JumboRegressor(random_state=0).fit(X, np.array(y)).predict(X[:3]).shape
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
        "capability:random_state": True,
        "capability:categorical_in_X": False,
        "property:randomness": "derandomized",
    }
    _guessed = "estimates"

    network_: ClosedNet

    def __init__(self, num_kernels=10_000, pretrained="synthetic", keep_rate=1.0, device="auto", random_state=None):
        self.num_kernels = num_kernels
        self.pretrained = pretrained
        self.keep_rate = keep_rate
        self.device = device
        self.random_state = random_state
        super().__init__()

    def __post_init__(self):
        check_count("num_kernels", self.num_kernels, least=0)
        check_pretrained(self.pretrained, self.keep_rate)

    def fit(self, X, y):
        """Fit to series and their numbers.

        Args:
            X (in any format of sktime's panels): The series (n).
            y (np.ndarray or pd.Series): Their numbers (n,).

        Returns:
            Self: This regressor.

        Raises:
            ValueError, TypeError: For panels that are probably a mistake, and for numbers that are not finite.
        """
        if y is not None and not np.isfinite(np.asarray(y, dtype=np.float64)).all():
            raise ValueError("some of the numbers in y are missing or infinite: leave their series out of fit")
        return super().fit(checked_panel(X), y)

    def _fit(self, X, y):
        device = pick_device(self.device)
        arrays = self._arrays_to_learn_from(X)
        check_values(arrays)
        self.location_, self.scale_ = mean_and_spread(np.concatenate(arrays))
        self.channels_ = len(self.location_)
        self.center_, spread = float(y.mean()), float(y.std())
        self.unit_ = spread if spread > 0 else 1.0
        targets = torch.from_numpy((y - self.center_) / self.unit_)[:, None]
        (seed,) = draw_seeds(self.random_state, 1)
        with seeded(seed) as generator:
            encoder = channel_features(self.pretrained, self.channels_, self.keep_rate)
            network = ClosedNet(encoder, 1, max(map(len, arrays)), self.num_kernels).to(device)
            network.fit_numbers(pad_together(self._tensors(arrays), device), targets.to(device), generator)
        self.network_ = network.cpu().eval()
        return self

    def _predict(self, X: np.ndarray | pd.DataFrame) -> np.ndarray:
        data = self._tensors(self._arrays_as_fitted(X))
        return outputs(self.network_, data, pick_device(self.device))[:, 0].numpy() * self.unit_ + self.center_

    @classmethod
    def get_test_params(cls, parameter_set="default"):
        """Small settings for sktime's tests."""
        return [dict(num_kernels=84, random_state=0), dict(num_kernels=0, keep_rate=0.5, random_state=0)]
