"""What Tent and SAR share: whose weights change, what an image must be, going back to the start, and the state."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from .entropy import entropies_of, lattice_offset
from .parameters import SHARE, parameters_to_adapt

BATCH = 64  # images for which the rate is given


class Adapter(nn.Module, ABC):
    """A model that adapts to the images it answers, without labels: a base class, whose subclasses are methods.

    A call answers the images with the weights as they are, and changes these afterwards; it does both under
    ``torch.no_grad`` and ``torch.inference_mode``, too. The model is in evaluation mode throughout.

    Args:
        model: A classifier, images (B, C, H, W) to logits (B, K), or a segmentor, to logits (B, K, H, W), with
            LayerNorms.
        lr: Learning rate of SGD for a batch of 64 images; for others it is in proportion to their number.
        momentum: Of SGD.
        episodic: Each batch starts from the weights that the model was given with, and is answered after the step, by
            one pass more. Without this, what was learned from the images before is kept.
        share: See ``parameters_to_adapt``.
        loss_stride: Of a segmentor, one pixel of each ``loss_stride`` x ``loss_stride`` cell counts, drawn anew in each
            step; 1 for all pixels.

    Attributes:
        adapted: The parameters that change, by name.
        steps: Batches that it adapted to since ``reset``.
        left_out: Images with logits that are not finite, from which nothing was learned, since it was made.

    Raises:
        ValueError: If a number is out of range, or the model has nothing to adapt.
        TypeError: If the model is compiled, traced or exported.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        lr: float = 0.001,
        momentum: float = 0.9,
        episodic: bool = False,
        share: float = SHARE,
        loss_stride: int = 4,
    ) -> None:
        if not (lr > 0 and 0 <= momentum < 1 and loss_stride >= 1):
            raise ValueError(
                f"lr={lr}, momentum={momentum}, loss_stride={loss_stride}: give a rate above 0, a momentum from 0 to "
                "below 1, and a stride from 1"
            )
        super().__init__()
        self.adapted = parameters_to_adapt(model, share)
        self.model = model.eval()
        self.lr, self.episodic, self.loss_stride = lr, episodic, loss_stride
        self.optimizer = torch.optim.SGD(self.adapted.values(), lr=lr, momentum=momentum)
        self.start = {name: parameter.detach().clone() for name, parameter in self.adapted.items()}
        self.steps = self.left_out = 0

    @abstractmethod
    def learn(
        self,
        images: torch.Tensor,
        entropies: torch.Tensor,
        classes: int,
        valid: torch.Tensor | None = None,
        **call: Any,
    ) -> None:
        """One step of the method.

        Args:
            images: (B, C, H, W).
            entropies: (B,), with the graph of the pass that gave them; all are finite.
            classes: K.
            valid, call: As in the call, for further passes.
        """

    def forward(self, images: torch.Tensor, valid: torch.Tensor | None = None, **call: Any) -> torch.Tensor:
        """Answer images, and adapt to them.

        Args:
            images: (B, C, H, W), normalised as the model expects.
            valid: Of a segmentor, bool (B, H, W), False for padding, which does not count.
            call: Given to the model as it is, such as ``budget``.

        Returns:
            The model's logits, (B, K) or (B, K, H, W), without a graph.

        Raises:
            TypeError: If the images are not of a floating type, or the model gives something other than logits.
            ValueError: If the model gives less than two classes.
        """
        if not images.is_floating_point():
            raise TypeError(f"images are {images.dtype}: give floats, normalised as in the model's training")
        with torch.inference_mode(False), torch.enable_grad(), self._they_alone_learn():
            images, valid = _plain(images), None if valid is None else _plain(valid)
            if self.episodic:
                self.reset()
            logits = self.model(images, **call)
            _require_logits(logits)
            self._adapt(images, logits, valid, call)
            if self.episodic:
                with torch.no_grad():
                    logits = self.model(images, **call)
            return logits.detach()

    def _adapt(
        self, images: torch.Tensor, logits: torch.Tensor, valid: torch.Tensor | None, call: dict[str, Any]
    ) -> None:
        finite = logits.detach().isfinite().flatten(1).all(dim=1)
        if valid is not None:
            finite &= valid.flatten(1).any(dim=1)
        self.left_out += int((~finite).sum())
        if not finite.any():
            return
        if not finite.all():  # gradients of nan would reach all weights: the others go through the model once more
            images, valid = images[finite], None if valid is None else valid[finite]
            logits = self.model(images, **call)
        self.steps += 1
        entropies = self.entropies(logits, valid)
        self.optimizer.zero_grad()  # of whatever was there
        self.optimizer.param_groups[0]["lr"] = self.lr * len(images) / BATCH
        self.learn(images, entropies, logits.shape[1], valid=valid, **call)

    def entropies(self, logits: torch.Tensor, valid: torch.Tensor | None = None) -> torch.Tensor:
        """(B,), see ``entropies_of``; all passes of a step look at the same pixels."""
        stride = self.loss_stride
        return entropies_of(logits, valid, stride, lattice_offset(self.steps, stride))

    def descend(self, loss: torch.Tensor) -> None:
        """A step of SGD down the gradient of a loss."""
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def reset(self) -> None:
        """Go back to the weights that the model was given with, bit by bit, and forget the momentum."""
        with torch.inference_mode(False), torch.no_grad():
            for name, parameter in self.adapted.items():
                parameter.copy_(self.start[name])
        self.optimizer.state.clear()
        self.steps = 0

    def train(self, mode: bool = True) -> "Adapter":
        """The model stays in evaluation mode: dropout would make the answers random."""
        super().train(mode)
        self.model.eval()
        return self

    @contextmanager
    def _they_alone_learn(self) -> Iterator[None]:
        """Gradients of the other parameters would cost time and memory."""
        mine = {id(parameter) for parameter in self.adapted.values()}
        others = [p for p in self.model.parameters() if p.requires_grad and id(p) not in mine]
        for parameter in others:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in others:
                parameter.requires_grad_(True)

    # ---- state

    def get_extra_state(self) -> dict[str, Any]:
        """What ``state_dict`` holds beside the model's weights."""
        kept = dict(start=self.start, optimizer=self.optimizer.state_dict()["state"])
        return kept | {name: getattr(self, name) for name in self._counts()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        if state["start"].keys() != self.start.keys():
            raise ValueError(
                "the state is of an adapter of other parameters: give the model and the share that it was saved with"
            )
        for name, value in state["start"].items():
            self.start[name].copy_(value)
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict(dict(state=state["optimizer"], param_groups=groups))
        for name in self._counts():
            setattr(self, name, state[name])

    def _counts(self) -> Sequence[str]:
        """Names of the numbers that change from call to call."""
        return ("steps", "left_out")


def _plain(x: torch.Tensor) -> torch.Tensor:
    """Tensors of ``inference_mode`` cannot take part in a backward pass; a copy can."""
    return x.clone() if x.is_inference() else x


def _require_logits(logits: Any) -> None:
    if not isinstance(logits, torch.Tensor) or logits.ndim not in (2, 4):
        told = f"{tuple(logits.shape)}" if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise TypeError(f"the model gives {told}, not logits (B, classes) or (B, classes, H, W): give it a head")
    if logits.shape[1] < 2:
        raise ValueError(
            f"the model gives {logits.shape[1]} class, of which it is always sure: adaptation needs 2 classes or more"
        )
