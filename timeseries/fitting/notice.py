"""How long it takes: a notice at the beginning of a long training or a forecast of many series, or a progress bar."""

import logging
from collections.abc import Callable, Iterator, Sequence
from time import monotonic

import numpy as np
import torch
from tqdm import tqdm

logger = logging.getLogger(__name__)

_LISTEN = 1.0  # seconds after which the duration of the whole is estimated
_LONG = 10.0  # least estimated seconds for a notice


class Notice:
    """Logs once that something takes long: as a warning of the logger ``timeseries``, which is visible by default.

    Args:
        who: The estimator's name.
        doing: Such as "training".
        members: How many networks are trained one after another.
    """

    def __init__(self, who: str, doing: str, members: int = 1) -> None:
        self.who, self.doing, self.members = who, doing, members
        self._decided = False

    def watch(self, epochs: int, steps: int, device: torch.device) -> Callable[[], None]:
        """A function to call after each training step, of ``epochs`` times ``steps`` steps."""
        of = "" if self.members == 1 else f" of {self.members} networks"

        def say(duration: str) -> str:
            return (
                f"{self.who}: {self.doing}{of} takes about {duration} on {device.type} (up to {epochs} epochs, fewer "
                "if they stop gaining); verbose=1 shows progress, Ctrl-C keeps the best weights so far"
            )

        return self._listen(self.members * epochs * steps, say)

    def watch_parts(self, parts: int) -> Callable[[], None]:
        """A function to call after each of some parts that take about equally long."""
        return self._listen(
            parts, lambda duration: f"{self.who}: {self.doing} takes about {duration}; verbose=1 shows progress"
        )

    def _listen(self, total: int, say: Callable[[str], str]) -> Callable[[], None]:
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
                if (seconds := total * spent / done) >= _LONG:
                    logger.warning(say(_told(seconds)))

        return after_step


def in_parts(parts: Sequence[np.ndarray], notice: Notice, verbose: int) -> Iterator[np.ndarray]:
    """Parts of many series (numbers of series), one after another, under a progress bar if ``verbose``; else the notice
    is given if they take long."""
    after_part = notice.watch_parts(len(parts))
    total = sum(map(len, parts))
    with tqdm(total=total, desc=notice.doing, unit="series", disable=not verbose, leave=verbose > 1) as bar:
        for part in parts:
            yield part
            bar.update(len(part))
            if not verbose:
                after_part()


def _told(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
