"""A classifier on corrupted pictures, as it was trained and adapting."""

import copy
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from torch import nn
from torch.utils.data import DataLoader

from ...models.rebuild import model_of_file
from ..contents import of_values, of_weights
from ..models.adapting import adapter_of, told_of
from .adapters import NONE, methods_of
from .streams import Pictures, PictureStream, preprocessing_of


def classifier_of(model: str) -> Any:
    """A trained classifier: a ``.safetensors`` file of ``save_checkpoint``, a folder of ``save_pretrained``, or the
    name of one of timm's models, whose weights are downloaded.

    Raises:
        FileNotFoundError, ValueError: If there is none, or it has no head.
    """
    if Path(model).exists() or Path(model).suffix or not timm.is_model(model):
        found: Any = model_of_file(model)
    else:
        try:
            found = timm.create_model(model, pretrained=True)
        except (RuntimeError, OSError) as error:  # no weights of this name, or no way to them
            raise ValueError(f"timm cannot give the weights of {model}: {error}") from error
    if found.num_classes < 2:
        raise ValueError(
            f"{model} tells {found.num_classes} classes: give a classifier, such as an encoder after fine-tuning"
        )
    return found.eval()


class ClassifierTest:
    """Accuracy of a classifier by corruption and severity.

    Args:
        model: A classifier, images (B, 3, H, W) to logits (B, K).
        pictures: To test on.
        adapt: "tent", "sar" or both, beside the unadapted model.
        options: Of these methods.
        stream: See ``Pictures.stream``.
        batch_size: Pictures at a time.
        workers: Processes that read and corrupt pictures; their number changes nothing.
        seed: Of the corruptions.
        device: Where to compute.
    """

    metric = "top1"

    def __init__(
        self,
        model: nn.Module,
        pictures: Pictures,
        *,
        adapt: Sequence[str] = (),
        options: Mapping[str, Any] | None = None,
        stream: str = "shuffled",
        batch_size: int = 64,
        workers: int = 0,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        self.pictures, self.stream, self.seed, self.device = pictures, stream, seed, device
        self.loading: dict[str, Any] = dict(batch_size=batch_size, num_workers=workers)
        self.plain = model.eval().to(device)
        self.adapters = {
            method: adapter_of(copy.deepcopy(self.plain), method, options or {}) for method in methods_of(adapt)[1:]
        }

    def settings(self) -> dict[str, Any]:
        """What the figures depend on, beside corruption and severity."""
        names = [str(item.file) for item in self.pictures.clean]
        told = {key: list(v) if isinstance(v, tuple) else v for key, v in preprocessing_of(self.plain).items()}
        return dict(
            weights=of_weights(self.plain),
            pictures=of_values(names),
            images=len(names),
            stream=self.stream,
            batch_size=self.loading["batch_size"],
            seed=self.seed,
            ready=self.pictures.ready is not None,
            preprocessing=told,
        )

    def measure(self, corruptions: Sequence[str], severity: int) -> dict[str, dict[str, float]]:
        """Figures by the method, "none" first: ``top1`` in per cent, for several corruptions also that of each, and
        what the adapter counted. All methods begin with the trained weights, and see the same batches."""
        items = self.pictures.stream(self.stream, corruptions, severity)
        loader = DataLoader(PictureStream(items, self.plain, self.seed), **self.loading)
        for adapter in self.adapters.values():
            adapter.reset()
        before = {method: told_of(adapter) for method, adapter in self.adapters.items()}
        right: dict[str, list[torch.Tensor]] = {method: [] for method in (NONE, *self.adapters)}
        for images, labels in loader:
            images, labels = images.to(self.device), labels.to(self.device)
            for method, found in right.items():
                with torch.no_grad() if method == NONE else nullcontext():
                    logits = self.adapters.get(method, self.plain)(images)
                found.append((logits.argmax(dim=1) == labels).cpu())
        told = {method: _top1(torch.cat(found), [item.corruption for item in items]) for method, found in right.items()}
        for method, adapter in self.adapters.items():
            told[method] |= {key: count - before[method][key] for key, count in told_of(adapter).items()}
        return told

    def example(self, corruption: str | None, severity: int) -> np.ndarray:
        """A picture of the test, uint8 (H, W, 3)."""
        items = self.pictures.stream("shuffled", [corruption] if corruption else [], severity)
        return PictureStream(items[:1], self.plain, self.seed).picture(0)


def _top1(right: torch.Tensor, corruptions: Sequence[str | None]) -> dict[str, float]:
    told = dict(top1=100 * right.float().mean().item())
    if len(names := set(corruptions)) > 1:
        for name in sorted(map(str, names)):
            of_name = torch.tensor([corruption == name for corruption in corruptions])
            told[name] = 100 * right[of_name].float().mean().item()
    return told
