"""Exit codes, and errors that are reported in one line."""

import sys
from collections.abc import Callable

DONE = 0
BROKE = 1  # a run broke (full disk, killed process), or a part of what was asked could not be done
WRONG_INPUT = 2  # what the user can put right
STOPPED = 130  # by Ctrl-C


class BadInputError(Exception):
    """An error that the user can correct; reported in one line."""


def say(prog: str, message: object) -> None:
    """Print one line to stderr, such as ``jumbo train: no config at …``."""
    print(f"{prog}: {message}", file=sys.stderr)


def exit_code(prog: str, body: Callable[[], None]) -> int:
    """Run ``body``. Returns 0; or 2 for an error that the user can correct and 130 for Ctrl-C, each reported in one
    line."""
    try:
        body()
    except (BadInputError, OSError) as error:
        say(prog, f"error: {error}")
        return WRONG_INPUT
    except KeyboardInterrupt:
        say(prog, "interrupted, nothing written")
        return STOPPED
    return DONE
