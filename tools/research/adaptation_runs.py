"""One run of a comparison of test-time adaptation: a trained classifier meets a stream of corrupted pictures."""

import tempfile
from pathlib import Path
from typing import Any

import torch
from pretraining_runs import painted

from jumbo_backbone.device import pick_device

Settings = dict[str, Any]


def adapted(settings: Settings, seed: int, checkpoint: Path | None, root: Path | None) -> dict[str, float]:
    """``top1`` in per cent of pictures, and of a classifier that adapts how many pictures counted and how often it went
    back to the start.

    Args:
        settings: ``method``, "none", "tent" or "sar", with ``options`` of it; ``corruption``, or "mixed" for all 15 in
            turn, and ``severity``; ``stream``, "shuffled", "sorted" or "mixed"; ``batch_size``; ``images``, how many,
            or 0 for all; ``pictures``, which files of the folder (wildcards).
        seed: Of the corruptions, of which pictures and of their order.
        checkpoint: Of the classifier; None for a small one of random weights.
        root: A folder with a folder per class, or tar files of such; None for a few rendered scenes.
    """
    import jumbo_backbone.segmentation  # noqa: F401  (registers)
    from jumbo_backbone.segmentation.data.corruptions import COMMON
    from jumbo_backbone.segmentation.robustness.classifier import ClassifierTest, classifier_of
    from jumbo_backbone.segmentation.robustness.streams import Pictures

    if root is None:
        with tempfile.TemporaryDirectory() as folder:
            return adapted(settings, seed, checkpoint, painted(Path(folder)))
    model = _untrained() if checkpoint is None else classifier_of(str(checkpoint))
    pictures = Pictures(str(root / settings["pictures"]), model.num_classes, settings["images"] or None, seed)
    method, options = settings["method"], settings.get("options", {})
    test = ClassifierTest(
        model,
        pictures,
        adapt=[] if method == "none" else [method],
        options={} if method == "none" else options,
        stream=settings["stream"],
        batch_size=settings["batch_size"],
        seed=seed,
        device=pick_device("auto"),
    )
    corruption = settings["corruption"]
    return test.measure(COMMON if corruption == "mixed" else [corruption], settings["severity"])[method]


def _untrained() -> torch.nn.Module:
    """For a trial: two classes, sure enough of them that SAR finds something to learn from."""
    from jumbo_backbone import JumboViT

    with torch.random.fork_rng():
        torch.manual_seed(0)
        sizes = dict(embed_dim=24, depth=4, num_heads=2, jumbo_multiplier=2)
        model = JumboViT(img_size=32, patch_size=8, num_classes=2, **sizes)
        torch.nn.init.normal_(model.head.weight)
    return model
