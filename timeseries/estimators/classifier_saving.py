"""A fitted classifier as values to save, and back."""

from typing import TYPE_CHECKING, Any

from jumbo_backbone import Calibration

from ..networks.series_encoder import SeriesEncoder
from .classifier_learning import Pretrained
from .saving import weights_of, with_weights

if TYPE_CHECKING:
    from .classifier import JumboClassifier


def state_of(classifier: "JumboClassifier") -> dict[str, Any]:
    """The classifier's state, for ``restore``."""
    start = getattr(classifier, "pretrained_", None)
    state = classifier._sktime_state() | dict(
        outputs=None if (parts := classifier._outputs()) is None else [state_of(part) for part in parts],
        pretrained=None if start is None else start._asdict() | dict(encoders=weights_of(start.encoders)),
        networks=None,
    )
    if not hasattr(classifier, "networks_"):
        return state
    return state | dict(
        networks=weights_of(classifier.networks_),
        budget=classifier._budget_as_json(),
        calibration=None if classifier.committee is None else classifier.calibration_.to_json(),
        location=classifier.location_,
        scale=classifier.scale_,
        longest=classifier.longest_,
        reader=classifier.reader_,
        patch=(classifier.patch_length_, classifier.patch_stride_),
        channel_names=classifier.channel_names_,
    )


def restore(classifier: "JumboClassifier", state: dict[str, Any]) -> None:
    """Give a new classifier the fitted state that ``state_of`` returned."""
    classifier._restore_sktime_state(state)
    if (start := state["pretrained"]) is not None:
        channels = len(start["location"])
        encoders = [with_weights(SeriesEncoder, w, channels, **start["embedding"]) for w in start["encoders"]]
        classifier.pretrained_ = Pretrained(**start | dict(encoders=encoders))
    if state["outputs"] is not None:
        parts = [classifier.clone() for _ in state["outputs"]]
        for part, of_part in zip(parts, state["outputs"], strict=True):
            restore(part, of_part)
        classifier._set_outputs(parts)
    if state["networks"] is None:
        return
    classifier.location_, classifier.scale_ = state["location"], state["scale"]
    classifier.channels_, classifier.channel_names_ = len(classifier.location_), state["channel_names"]
    classifier.longest_, (classifier.patch_length_, classifier.patch_stride_) = state["longest"], state["patch"]
    classifier.reader_ = state.get("reader")  # absent from files of earlier versions
    classifier.networks_, classifier.history_ = [with_weights(classifier._build, w) for w in state["networks"]], []
    classifier.set_budget(**state["budget"])
    if classifier.committee is not None:
        classifier.calibration_ = Calibration.from_json(state["calibration"])
