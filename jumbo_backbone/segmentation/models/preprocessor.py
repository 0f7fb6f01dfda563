"""mmsegmentation's data preprocessor, for images of any number of bands."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.logging import print_log
from mmseg.models import SegDataPreProcessor
from mmseg.registry import MODELS


@MODELS.register_module(name="SegDataPreProcessor", force=True)
class BandsPreProcessor(SegDataPreProcessor):
    """``SegDataPreProcessor`` with as many means and deviations as images have bands, where mmengine takes 1 or 3.

    It has mmsegmentation's name in configs, and treats everything that mmsegmentation's takes in the same way.

    Args:
        mean, std: One number for each band as loaded (for RGB after ``bgr_to_rgb``), one for all, or None.
        kwargs: Arguments of ``SegDataPreProcessor``.

    Raises:
        ValueError: If there are not as many deviations as means, one of them is not above 0, or images have another
            number of bands.
    """

    def __init__(
        self, mean: Sequence[float] | None = None, std: Sequence[float] | None = None, *args: Any, **kwargs: Any
    ) -> None:
        counts = [None if numbers is None else len(numbers) for numbers in (mean, std)]
        if counts[0] != counts[1] and (None in counts or 1 not in counts):
            raise ValueError(f"data_preprocessor has mean={mean} and std={std}: give one of each for each band")
        if std is not None and min(std) <= 0:
            raise ValueError(f"data_preprocessor has std={list(std)}: deviations have to be above 0")
        super().__init__(None, None, *args, **kwargs)
        self._warned = False
        if mean is not None and std is not None:
            self._enable_normalize = True
            for name, numbers in (("mean", mean), ("std", std)):
                self.register_buffer(name, torch.tensor(list(numbers)).view(-1, 1, 1), False)

    def forward(self, data: dict, training: bool = False) -> dict[str, Any]:
        """As ``SegDataPreProcessor``."""
        bands = data["inputs"][0].size(0)
        if self._enable_normalize:
            means = max(len(self.mean), len(self.std))
            if means not in (1, bands) and (bands, means) != (1, 3):  # a grey image passes for a coloured one
                raise ValueError(
                    f"images have {bands} bands, but data_preprocessor.mean and std have {means} numbers: give one for "
                    "each band, or load images of as many bands (color_type='unchanged' keeps those of a file)"
                )
        if self._channel_conversion and bands not in (1, 3) and not self._warned:
            self._warned = True
            message = f"bgr_to_rgb swaps colours of three bands; images have {bands}, which stay in their order"
            print_log(f"{message}: set it to False", logger="current", level=30)
        return super().forward(data, training)
