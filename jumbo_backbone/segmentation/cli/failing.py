"""Failures in a user's terms: a message and an exit code instead of a traceback."""

import contextlib
import errno
import sys
import traceback
from collections.abc import Iterator

from mmengine.config import Config

from jumbo_cli.failing import BROKE, STOPPED, WRONG_INPUT, say

from ..training.work_dir import Checkpoints


@contextlib.contextmanager
def in_users_terms(tool: str, run: Config | None = None) -> Iterator[None]:
    """Turn errors that a user can cause into a message without a traceback and an exit code: 2 for wrong input, 130
    for Ctrl-C, 1 for a run that breaks. ``run`` is the config of a training that may leave a checkpoint to resume
    from."""
    try:
        yield
    except (KeyboardInterrupt, SyntaxError) as error:
        # mmengine formats the config for every checkpoint, and takes a Ctrl-C in that moment for a wrong config
        if isinstance(error, SyntaxError) and not isinstance(error.__cause__ or error.__context__, KeyboardInterrupt):
            raise
        _exit(tool, "stopped by Ctrl-C" + _how_to_go_on(run), STOPPED)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            _exit(tool, f"the disk is full ({error}); make room" + _how_to_go_on(run), BROKE)
        _exit(tool, str(error), WRONG_INPUT)
    except (ValueError, TypeError) as error:
        if run is not None:  # within a run it may be a defect of ours: say where it came from
            traceback.print_exc()
        _exit(tool, str(error), WRONG_INPUT)
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        killed = f"a data-loading process was killed, often for want of memory ({error})"
        _exit(tool, killed + _how_to_go_on(run), BROKE)


def _how_to_go_on(run: Config | None) -> str:
    if run is None or not (checkpoints := Checkpoints(run)).saved():
        return ""
    return f". What was saved is in {checkpoints.folder}; the same command with --resume goes on from there"


def _exit(prog: str, message: str, code: int) -> None:
    say(prog, message)
    sys.exit(code)
