"""mmsegmentation without the messages of its import that say nothing to a user; import this before it."""

import contextlib
import sys
import warnings
from collections.abc import Iterator
from typing import Any, TextIO

NOISE = ("Could not import OneDL",)  # lines that mmsegmentation prints on import


@contextlib.contextmanager
def quiet_imports() -> Iterator[None]:
    """Import without the messages about parts of mmcv and mmsegmentation that this package does not use; others pass.

    Warnings of the same kind that come later, in a run or in its worker processes, are ignored as well.
    """
    warnings.filterwarnings("ignore", message="Fail to import ``MultiScaleDeformableAttention``")
    with contextlib.redirect_stdout(sys.stdout and _WithoutNoise(sys.stdout)):
        yield


class _WithoutNoise:
    """A stream that drops lines of ``NOISE``, and is as the other one in all else."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._dropped = False  # whether the last text was noise: print() writes the line's end by itself

    def write(self, text: str) -> int:
        dropped, self._dropped = self._dropped, text.strip() in NOISE
        return len(text) if self._dropped or (dropped and text == "\n") else self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


with quiet_imports():
    import mmseg.datasets
    import mmseg.models  # noqa: F401
