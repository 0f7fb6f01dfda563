"""The transforms of a config's pipelines, made one by one."""

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

from mmcv.transforms import LoadAnnotations
from mmseg.registry import TRANSFORMS

LABEL_PATHS = {"seg_map_path", "depth_map_path", "edge_map_path"}
ALONE = dict(sample_idx=0, reduce_zero_label=False, label_map=None)  # what data sets tell of every sample


def kind_of(step: Any) -> Any:
    """Class of a transform."""
    if not isinstance(step, Mapping):
        return type(step)
    kind = step["type"]
    found = TRANSFORMS.get(kind) if isinstance(kind, str) else kind
    if found is None:
        raise ValueError(
            f"transform {kind!r} of the pipeline is not registered: is it spelled right? Name the module of a "
            "transform of your own in custom_imports, such as custom_imports = dict(imports=['my_package.my_loader'])"
        )
    return found


def built(step: Mapping) -> Any:
    """Make a transform; raises a ValueError if it cannot be made."""
    if step.get("imdecode_backend") == "tifffile" and importlib.util.find_spec("tifffile") is None:
        raise ValueError("imdecode_backend='tifffile' of the pipeline's loader needs: pip install tifffile")
    try:
        return TRANSFORMS.build(dict(step))
    except Exception as error:  # a user's own raise whatever they like
        raise ValueError(f"transform {dict(step)} of the pipeline cannot be made: {error}") from error


def name_of(step: Any) -> str:
    return type(step).__name__


def is_stock(kind: type) -> bool:
    """Whether a transform is of the libraries or of this project, not a user's own."""
    return kind.__module__.startswith(("mmcv.", "mmseg.", "jumbo_backbone."))


def own_mask_loader(pipeline: Sequence[Any]) -> Any | None:
    """The transform that loads masks in a way of its own; None for mmsegmentation's, which takes a PNG's numbers."""
    for step in pipeline:
        kind = kind_of(step)
        made = built(step) if isinstance(step, Mapping) else step
        if isinstance(made, LoadAnnotations):
            return None if is_stock(kind) and made.imdecode_backend == "pillow" else made
        try:
            made(dict(ALONE, img_path="", seg_fields=[]))
        except KeyError as error:
            if error.args and error.args[0] == "seg_map_path":
                return made
        except Exception:  # it wants an image
            continue
    return None
