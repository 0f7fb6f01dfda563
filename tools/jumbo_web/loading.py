"""Models and pictures, loaded by the library's readers; the last ones are kept."""

import threading
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import checkpoints
from .limits import MODELS, PICTURES, check_picture
from .recent import Recent

if TYPE_CHECKING:
    import numpy as np

    from jumbo_backbone.segmentation.costs import FlopCounter
    from jumbo_backbone.segmentation.prediction import Photo, Predictor

_LIBRARIES = threading.Event()


def begin_importing() -> None:
    """Import the libraries in the background: the page is there before them."""

    def load() -> None:
        try:
            import timeseries.estimators.classifier
            import timeseries.estimators.forecaster  # noqa: F401
        finally:
            _LIBRARIES.set()

    threading.Thread(target=load, daemon=True).start()


def libraries() -> None:
    """Wait until the libraries are imported; two threads that import the same at once may each find half of it."""
    _LIBRARIES.wait()


@dataclass
class Segmentor:
    """A loaded segmentor. ``lock`` is held while it computes: one call at a time, so that memory is bounded."""

    key: Hashable  # which files it was made of
    predictor: "Predictor"
    flops: "list[FlopCounter]"  # of a cascade, one for each member
    lock: threading.Lock = field(default_factory=threading.Lock)


class Shelf:
    """The models in some folders, and the pictures that were read last.

    Args:
        folders: Where to look for work dirs.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = list(folders)
        self._models: Recent[Segmentor] = Recent(MODELS)
        self._pretrained: Recent[Any] = Recent(1)
        self._photos: Recent[Photo] = Recent(PICTURES)

    def segmentors(self) -> dict[str, checkpoints.Trained]:
        return checkpoints.segmentors(self.folders)

    def pretrained(self) -> dict[str, checkpoints.Trained]:
        return checkpoints.pretrained(self.folders)

    def segmentor(self, name: str | None) -> Segmentor:
        """The segmentor of a name that ``segmentors`` gives.

        Raises:
            ValueError: If there is none of this name; and as `jumbo infer`.
        """
        trained = _known(name, self.segmentors())
        key = trained, trained.weights.stat().st_mtime_ns
        return self._models.get(key, lambda: _load(trained, key))

    def autoencoder(self, name: str) -> Any:
        """The pretrained model of a name that ``pretrained`` gives, with its decoder."""
        trained = _known(name, self.pretrained())
        changed = (trained.weights / "decoder.safetensors").stat().st_mtime_ns
        return self._pretrained.get((trained, changed), lambda: _load_pretrained(trained))

    def photo(self, path: str | None, segmentor: Segmentor) -> "Photo":
        """A picture as a segmentor reads it.

        Raises:
            ValueError: If there is none, it is too large, or cannot be read.
        """
        libraries()
        file = _there(path)
        return self._photos.get((str(file), segmentor.key), lambda: _read(file, segmentor.predictor))

    def pixels(self, path: str | None) -> "np.ndarray":
        """A picture for a pretrained model: uint8 (H, W, 3)."""
        libraries()
        from jumbo_backbone.segmentation.pretraining.files import PictureFile

        return PictureFile(str(_there(path))).read()


def _there(path: str | None) -> Path:
    if not path:
        raise ValueError("there is no picture yet: drop one, or click one of the scenes")
    check_picture(Path(path))
    return Path(path)


def _known(name: str | None, found: dict[str, checkpoints.Trained]) -> checkpoints.Trained:
    if not found:
        raise ValueError("there is no trained model yet: train a small one on this page, or run `make demo`")
    if name not in found:
        raise ValueError(f"there is no model {name!r}: choose one of {', '.join(found)}")
    return found[name]


def _load(trained: checkpoints.Trained, key: Hashable) -> Segmentor:
    libraries()
    from jumbo_backbone.segmentation.cli.infer import prepare
    from jumbo_backbone.segmentation.costs import FlopCounter
    from jumbo_backbone.segmentation.prediction import Predictor
    from jumbo_cli.commands.infer import COMMAND

    args = COMMAND.parse([str(trained.config), str(trained.weights), "picture"])
    predictor = Predictor.load(prepare(args), args.checkpoint, args.device)
    model = predictor.model
    members = [member for member, _ in model.cascade.members] if trained.is_cascade else [model]
    return Segmentor(key, predictor, [FlopCounter(member) for member in members])


def _load_pretrained(trained: checkpoints.Trained) -> Any:
    libraries()
    from mmengine.registry import init_default_scope
    from mmseg.registry import MODELS as REGISTRY

    from jumbo_backbone.pretraining import load_weights
    from jumbo_backbone.segmentation.cli import read_config
    from jumbo_cli.commands.pretrain import COMMAND

    cfg = read_config(COMMAND.parse([str(trained.config)]))
    init_default_scope(cfg.get("default_scope", "mmseg"))
    model = REGISTRY.build(cfg.model).eval()
    load_weights(model, trained.weights)
    return model


def _read(path: Path, predictor: "Predictor") -> "Photo":
    """The picture, read as in `jumbo infer` after the check of `jumbo check`, which knows a file that is cut off."""
    from jumbo_backbone.segmentation.data.image_check import ImageCheck

    image, problems = ImageCheck().read(dict(img_path=str(path)))
    if image is None:
        problem = problems[0]
        raise ValueError(f"{path.name} is an {problem.kind} ({problem.what}): give a picture, as JPEG or PNG")
    try:
        return predictor.read(path, Path(path.stem))
    except Exception as error:  # of mmcv, decoders and a user's own loader, whatever they raise
        raise ValueError(f"{path.name}: {' '.join(str(error).split()) or type(error).__name__}") from error
