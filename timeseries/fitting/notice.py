"""What a long training says at its beginning: what it does, about how long that takes, and how to watch it."""

import logging
from collections.abc import Callable
from time import monotonic

import torch

logger = logging.getLogger(__name__)

_LISTEN = 1.0  # seconds of training after which its length is estimated
_LONG = 10.0  # seconds beyond which it is worth a word


class Notice:
    """Says once that training takes long, in the log of ``timeseries`` as a warning, which is seen unless it is
    silenced.

    Args:
        who: The estimator's name.
        doing: "training" or "pretraining".
        members: How many networks are trained alike, one after another.
    """

    def __init__(self, who: str, doing: str, members: int = 1) -> None:
        self.who, self.doing, self.members = who, doing, members
        self._decided = False

    def watch(self, epochs: int, steps: int, device: torch.device) -> Callable[[], None]:
        """What is to be called after each step of a training of so many epochs of so many steps."""
        began, done = None, 0

        def after_step() -> None:
            nonlocal began, done
            if self._decided:
                return
            if began is None:  # the first step is not like the others: it prepares much
                began = monotonic()
                return
            done += 1
            spent = monotonic() - began
            if spent >= _LISTEN:
                self._decided = True
                self._say(self.members * epochs * steps * spent / done, epochs, device)

        return after_step

    def _say(self, seconds: float, epochs: int, device: torch.device) -> None:
        if seconds < _LONG:
            return
        of = "" if self.members == 1 else f" of {self.members} networks"
        logger.warning(
            f"{self.who}: {self.doing}{of} takes about {_told(seconds)} on {device.type} (up to {epochs} epochs, fewer "
            "where they gain nothing more); verbose=1 shows progress, Ctrl-C keeps the best so far"
        )


def _told(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
