"""What the tab "Segment" answers: a picture's classes at a setting, its cost, and the patches that are kept."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .jobs import Clock
from .limits import ANSWERS, PATCHES
from .loading import Segmentor, Shelf
from .recent import Recent

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from jumbo_backbone import ComputeBudget
    from jumbo_backbone.segmentation.pictures.meaning import Meaning
    from jumbo_backbone.segmentation.prediction import Photo

_TIMES, _ENOUGH = 3, 300  # calls to time, and milliseconds after which no other begins


@dataclass
class Answer:
    """What a model says of a picture at a setting.

    Attributes:
        image: The picture, uint8 (H, W, 3).
        labels: Its label map (H, W).
        meaning: What the labels stand for.
        setting: The setting in words.
        flops: FLOPs, two per multiply-add.
        milliseconds: How long it takes, see ``timed``.
        kept_share: Share of the patches that were kept to the end; None of a cascade.
        kept: The picture with dropped patches veiled, small ones enlarged; None of a cascade.
    """

    image: "np.ndarray"
    labels: "np.ndarray"
    meaning: "Meaning"
    setting: str
    flops: int
    milliseconds: float
    kept_share: float | None
    kept: "np.ndarray | None"

    def overlay(self, opacity: float) -> "Image.Image":
        """The picture under the colours of its classes, with a legend of their shares."""
        from jumbo_backbone.segmentation.pictures.labels import labelled_picture

        return labelled_picture(self.image, self.labels, self.meaning.classes, self.meaning.palette, opacity)

    def label_picture(self) -> "Image.Image":
        """The label map in the data set's encoding."""
        return self.meaning.label_picture(self.labels)


class Segmenting:
    """Answers for pictures; the last ones are kept, so that opacity changes at once."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._answers: Recent[Answer] = Recent(ANSWERS)

    def answer(self, path: str | None, model: str | None, keep_rate: float, resolution: float) -> Answer:
        """The answer of a model for a picture, at a keep rate and a scale of its sides.

        Raises:
            ValueError: If there is no picture or model, the picture cannot be read, or it has too many patches.
        """
        segmentor = self._shelf.segmentor(model)
        photo = self._shelf.photo(path, segmentor)
        key = path, segmentor.key, keep_rate, resolution
        return self._answers.get(key, lambda: _ask(segmentor, photo, keep_rate, resolution))


def _ask(segmentor: Segmentor, photo: "Photo", keep_rate: float, resolution: float) -> Answer:
    from jumbo_backbone import ComputeBudget
    from jumbo_backbone.segmentation.models.cascade import CascadeSegmentor

    with segmentor.lock:
        if isinstance(segmentor.predictor.model, CascadeSegmentor):
            return _ask_cascade(segmentor, photo)
        return _ask_one(segmentor, photo, ComputeBudget(keep_rate=keep_rate, resolution=float(resolution)))


def _ask_one(segmentor: Segmentor, photo: "Photo", budget: "ComputeBudget") -> Answer:
    from jumbo_backbone.cli.attention_pictures import kept_patches
    from jumbo_backbone.segmentation.pictures.labels import enlarged
    from jumbo_backbone.segmentation.prediction import predict
    from jumbo_backbone.segmentation.view import View

    predictor = segmentor.predictor
    view = View.of(predictor.model, photo)
    check_patches(view, budget)
    labels, milliseconds = timed(lambda: predict(predictor.model, [photo], budget)[0])
    with ThreadPoolExecutor(1) as beside:  # both take a moment, and one of them in Python alone
        flops = beside.submit(segmentor.flops[0], tuple(view.inputs.shape), budget)
        depths, depth = view.kept(budget), view.encoder.depth
    return Answer(
        photo.image,
        labels,
        predictor.meaning,
        str(budget),
        flops.result(),
        milliseconds,
        float((depths == depth).mean()),
        enlarged(view.without_padding(kept_patches(view.picture, depths, depth))),
    )


def _ask_cascade(segmentor: Segmentor, photo: "Photo") -> Answer:
    from jumbo_backbone.segmentation.prediction import predict
    from jumbo_backbone.segmentation.view import View

    predictor, cascade = segmentor.predictor, segmentor.predictor.model.cascade
    views = [View.of(member.segmentor, photo) for member, _ in cascade.members]
    for view, (_, budget) in zip(views, cascade.members, strict=True):
        check_patches(view, budget)
    predictor.model.forget()
    labels, milliseconds = timed(lambda: predict(predictor.model, [photo])[0])
    last = next(n for n, count in enumerate(predictor.model.answered) if count)
    asked = list(zip(segmentor.flops, views, cascade.members, strict=True))[: last + 1]
    flops = sum(count(tuple(view.inputs.shape), budget) for count, view, (_, budget) in asked)
    setting = f"cascade, answered by {cascade.names[last]!r}, member {last + 1} of {len(cascade.members)}"
    return Answer(photo.image, labels, predictor.meaning, setting, flops, milliseconds, None, None)


def timed(call: "Callable[[], np.ndarray]") -> "tuple[np.ndarray, float]":
    """A result, and the milliseconds of the fastest of up to three calls, as many as begin within 0.3 seconds: the
    first one of a setting is often slower."""
    begin, fastest = Clock(), float("inf")
    for _ in range(_TIMES):
        clock = Clock()
        result = call()
        fastest = min(fastest, clock.milliseconds)
        if begin.milliseconds > _ENOUGH:
            break
    return result, fastest


def check_patches(view: Any, budget: Any) -> None:
    """Raise ValueError for more patches than the page computes, with the resolution that fits."""
    if (patches := view.patches(budget)) > PATCHES:
        fits = (PATCHES / view.patches()) ** 0.5
        raise ValueError(
            f"the picture has {patches:,} patches at this resolution, and this page computes {PATCHES:,} at most: set "
            f"the resolution to {max(int(100 * fits) / 100, 0.01):g} or lower, or give a smaller picture"
        )


def save_pictures(answer: Answer, opacity: float, folder: Path, stem: str) -> tuple[str, str, str | None]:
    """Write the label map and the overlay as `jumbo infer --labels` does, and the kept patches; returns their paths."""
    from PIL import Image

    from jumbo_backbone.segmentation.cli.infer import LABELS, OVERLAY
    from jumbo_backbone.segmentation.pictures.labels import save

    labels, overlay, kept = (str(folder / f"{stem}{ending}") for ending in (LABELS, OVERLAY, "_kept.png"))
    save(answer.label_picture(), labels)
    save(answer.overlay(opacity), overlay)
    if answer.kept is None:
        return labels, overlay, None
    save(Image.fromarray(answer.kept), kept)
    return labels, overlay, kept
