"""How an image file becomes a segmentor's input, in one place: the code that reads, draws, checks or exports uses
this module.

A config describes it in a pipeline of transforms and in the data preprocessor. Which transform loads the image, and
what it gives (bands, bits, order of the colours), is found by running it, not by its name.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import LoadAnnotations
from mmengine.config import Config
from PIL import Image
from torch import nn

from ...image_files import IMAGE_SUFFIXES
from ...image_header import ORIENTATION
from .loaders import datasets_of
from .transforms import ALONE, LABEL_PATHS, built, kind_of, name_of

SWAPS = ("bgr_to_rgb", "rgb_to_bgr")
COLOUR = (250, 150, 50)  # RGB, to see what a loader makes of it


@dataclass(frozen=True)
class LoaderFacts:
    """How a loader reads picture files; None for a kind of file that it does not read, such as PNG by a loader of
    arrays.

    Attributes:
        order: "RGB" or "BGR", of the first three bands.
        colour: The values it reads from a file of ``COLOUR``.
        dtype: The type it gives a file of 8 bits.
        deep: Whether a file of 16 bits keeps them.
        alpha: Whether a file of four bands keeps the fourth.
        upright: Whether a photograph is turned as its camera noted.
    """

    order: str | None = None
    colour: tuple[float, ...] | None = None
    dtype: str | None = None
    deep: bool | None = None
    alpha: bool | None = None
    upright: bool | None = None


class ImageReader:
    """The transforms of a pipeline without those that load labels, on image files.

    A transform that paints its images, such as ``RenderScene``, names in its attribute ``from_file`` the loader that
    reads image files in its place.

    Args:
        pipeline: Configs of transforms, or transforms; none for ``LoadImageFromFile`` alone.
        suffix: How the files' names end; nothing for pictures.
        declared: "RGB" or "BGR" as the data preprocessor expects it, for files that are no pictures.

    Raises:
        ValueError: If a type is not registered, or does not take its arguments.
    """

    def __init__(self, pipeline: Sequence[Any] = (), suffix: str = "", declared: str | None = None) -> None:
        self._steps, self._suffix, self._declared = [], suffix, declared
        for step in pipeline or (dict(type="LoadImageFromFile"),):
            kind = kind_of(step)
            if isinstance(kind, type) and issubclass(kind, LoadAnnotations):
                continue
            step = getattr(kind, "from_file", step)
            self._steps.append(built(step) if isinstance(step, Mapping) else step)
        self._loader = 0

    @classmethod
    def of(cls, cfg: Config, loader: str = "test_dataloader") -> "ImageReader":
        """The reader of the first data set of one of a config's data loaders."""
        dataset, model = datasets_of(Config({loader: cfg[loader]}))[0], cfg.get("model") or {}
        declared = None
        if (model.get("backbone") or {}).get("in_channels", 3) == 3:
            pre = model.get("data_preprocessor") or {}
            declared = "BGR" if pre.get("bgr_to_rgb") else "RGB" if pre.get("rgb_to_bgr") else None
        return cls(dataset.get("pipeline", ()), dataset.get("img_suffix", ""), declared)

    def load(self, sample: Mapping[str, Any] | str | Path) -> dict[str, Any]:
        """Run the transforms up to the one that loads the image.

        Args:
            sample: A path, or the dict that a data set gives for a sample, with ``img_path``.

        Returns:
            Results of the pipeline, with ``img`` (H, W) or (H, W, C).

        Raises:
            ValueError: If no transform gives an image, or a transform needs a key that ``sample`` lacks. Errors of
            the loader pass through.
        """
        results = dict(sample) if isinstance(sample, Mapping) else dict(ALONE, img_path=str(sample), seg_fields=[])
        number = 0
        try:
            for number, step in enumerate(self._steps):  # noqa: B007  (used at the end)
                if (passed := self._run(step, results)) is None:
                    continue
                results = passed
                if results.get("img") is not None:
                    return results
        finally:
            self._loader = number  # also of one that fails
        raise ValueError(f"no transform of the pipeline loads an image: {', '.join(map(name_of, self._steps))}")

    def prepare(self, results: dict[str, Any]) -> dict[str, Any]:
        """Run the transforms after the loader on the results of ``load``."""
        for step in self._steps[self._loader + 1 :]:
            if (passed := self._run(step, results)) is not None:
                results = passed
        return results

    def _run(self, step: Any, results: dict[str, Any]) -> dict[str, Any] | None:
        """The results after a transform; None if it only loads labels."""
        changed = dict(results)
        try:
            passed = step(changed)
        except KeyError as error:
            key = error.args[0] if error.args else None
            if key in LABEL_PATHS:  # one that loads images, too, may have done so before
                return changed if "img" in changed and "img" not in results else None
            raise ValueError(f"{name_of(step)} needs {key!r}, which an image file alone does not tell") from error
        if passed is None:
            raise ValueError(f"{name_of(step)} gives nothing for it")
        return passed

    @property
    def loads(self) -> Any:
        """The transform that loads."""
        self._of_pictures  # noqa: B018  (finds it)
        return self._steps[self._loader]

    @property
    def loader(self) -> str:
        """Its name."""
        return name_of(self.loads)

    @property
    def facts(self) -> LoaderFacts:
        """How the loader reads the data set's files."""
        return self.facts_of(self._suffix)

    def facts_of(self, path: str | Path) -> LoaderFacts:
        """How the loader reads files with this suffix: a loader of arrays may read pictures too, in another way."""
        suffix = Path(f"x{path}").suffix.lower()
        return LoaderFacts(order=self._declared) if suffix and suffix not in IMAGE_SUFFIXES else self._of_pictures

    @cached_property
    def _of_pictures(self) -> LoaderFacts:
        """How the loader reads pictures, found by loading small pictures made for this."""
        colours = np.empty((8, 16, 3), dtype=np.uint8)
        colours[:] = COLOUR
        colours[:2] //= 2  # not the same upside down
        formats = dict.fromkeys(
            [".tif" if self._suffix.lower().endswith((".tif", ".tiff")) else ".png", ".tif", ".jpg"]
        )
        with tempfile.TemporaryDirectory() as folder:
            for suffix in formats:  # the first that it reads
                loaded = partial(self._loaded, Path(folder, f"picture{suffix}"))
                if (plain := loaded(colours)) is not None:
                    break
            else:
                return LoaderFacts()
            turned = loaded(colours, upside_down=True)
            alpha = deep = None
            if suffix != ".jpg":
                alpha = loaded(np.dstack([colours, np.full((8, 16), 99, np.uint8)]))
                deep = loaded(colours.astype(np.uint16) * 200)
        return LoaderFacts(
            order=_order(plain),
            colour=tuple(round(float(x), 3) for x in plain.max(axis=(0, 1))),
            dtype=str(plain.dtype),
            deep=None if deep is None else float(deep.max()) > 2 * float(plain.max()),
            alpha=None if alpha is None else alpha.shape[2] == 4,
            upright=None if turned is None else not np.array_equal(turned, plain),
        )

    def _loaded(self, path: Path, pixels: np.ndarray, upside_down: bool = False) -> np.ndarray | None:
        """The image that the loader reads from a file of RGB or RGBA (H, W, C); None if it reads no such colours."""
        if pixels.dtype == np.uint16:
            path.write_bytes(cv2.imencode(path.suffix, pixels[..., ::-1])[1].tobytes())
        else:
            exif = Image.Exif()
            if upside_down:
                exif[ORIENTATION] = 3
            Image.fromarray(pixels).save(path, exif=exif)
        try:
            image = np.asarray(self.load(path)["img"])
        except Exception:  # of a user's own loader that reads other files
            return None
        return image if image.ndim == 3 and image.shape[2] >= 3 else None


def _order(image: np.ndarray) -> str | None:
    """The order of the bands, from a picture in which red is highest and blue is lowest."""
    first, second, third = (float(image[..., band].mean()) for band in range(3))
    return "RGB" if first > second > third else "BGR" if first < second < third else None


# ---- what a model takes


@dataclass(frozen=True)
class ModelInput:
    """The form in which a segmentor takes an image from its loader.

    Attributes:
        bands: C of the network's images.
        order: "RGB" or "BGR", of the first three bands as loaded; None if it is not known.
        swapped: Whether the data preprocessor swaps the first and third of three bands.
        mean, std: What it subtracts and divides by, one number for each band, after the swap; empty for nothing.
    """

    bands: int
    order: str | None
    swapped: bool
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    @classmethod
    def of(cls, segmentor: nn.Module, order: str | None = "BGR") -> "ModelInput":
        """The input of a built segmentor whose images are loaded in this order (BGR is mmsegmentation's
        convention)."""
        pre = segmentor.data_preprocessor
        bands = bands_of(segmentor)
        normalises = getattr(pre, "_enable_normalize", False)
        mean, std = (tuple(getattr(pre, k).flatten().tolist()) if normalises else () for k in ("mean", "std"))
        return cls(bands, order, bands == 3 and getattr(pre, "_channel_conversion", False), mean, std)


def bands_of(segmentor: nn.Module) -> int:
    """Bands C of the images that a segmentor's network takes: what its first convolution says."""
    network = getattr(segmentor, "backbone", segmentor)
    for module in network.modules():
        if isinstance(module, nn.modules.conv._ConvNd):
            return module.in_channels
    raise ValueError(f"{type(network).__name__} has no convolution, so it does not tell how many bands it takes")


def preprocessing_of(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """How a config's data preprocessor changes values: mean, std and whether it swaps colours."""
    pre = cfg["model"].get("data_preprocessor") or {}
    numbers = {key: None if pre.get(key) is None else [float(x) for x in pre[key]] for key in ("mean", "std")}
    return {**numbers, "swap of colours": any(pre.get(key) for key in SWAPS)}
