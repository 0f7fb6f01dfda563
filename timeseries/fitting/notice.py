"""The notice at the beginning of a long training: what is trained, about how long it takes, and how to watch it."""

import logging
from collections.abc import Callable
from time import monotonic

import torch

logger = logging.getLogger(__name__)

_LISTEN = 1.0  # seconds of training after which its duration is estimated
_LONG = 10.0  # least estimated seconds for a notice


class Notice:
    """Logs once that training takes long: as a warning of the logger ``timeseries``, which is visible by default.

    Args:
        who: The estimator's name.
        doing: "training" or "pretraining".
        members: How many networks are trained one after another.
    """

    def __init__(self, who: str, doing: str, members: int = 1) -> None:
        self.who, self.doing, self.members = who, doing, members
        self._decided = False

    def watch(self, epochs: int, steps: int, device: torch.device) -> Callable[[], None]:
        """A function to call after each training step, of ``epochs`` times ``steps`` steps."""
        began, done = None, 0

        def after_step() -> None:
            nonlocal began, done
            if self._decided:
                return
            if began is None:  # the first step is not timed: it is slower than the others
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
            "if they stop gaining); verbose=1 shows progress, Ctrl-C keeps the best weights so far"
        )


def _told(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
